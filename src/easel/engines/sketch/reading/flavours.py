"""Takes out what only says of what a dish is made, where the language puts it beside the dish: `초콜릿 케이크`.

In English and the like a noun before another one describes it anyway; there this changes nothing.
"""

from collections.abc import Sequence
from typing import Final

from easel.engines.sketch.reading.tokens import Token
from easel.engines.sketch.words.grammar import Grammar

FLAVOURS: Final = frozenset({
    "red-apple", "green-apple", "banana", "blueberries", "carrot", "cheese-wedge", "cherries", "chocolate-bar", "coconut",
    "grapes", "honey-pot", "lemon", "mango", "melon", "mushroom", "onion", "peach", "peanuts", "pear", "pineapple",
    "potato", "pumpkin", "shrimp", "strawberry", "tangerine", "tomato", "watermelon",
})  # fmt: skip
DISHES: Final = frozenset({
    "birthday-cake", "bread", "candy", "cookie", "croissant", "cupcake", "curry-rice", "custard", "doughnut", "dumpling",
    "glass-of-milk", "green-salad", "hamburger", "hot-beverage", "jar", "pancakes", "pie", "pizza", "pot-of-food",
    "sandwich", "shallow-pan-of-food", "shortcake", "soft-ice-cream", "spaghetti", "steaming-bowl", "tropical-drink",
    "waffle",
})  # fmt: skip


def without_flavours(tokens: Sequence[Token], grammar: Grammar) -> list[Token]:
    """The tokens without the flavours of dishes."""
    if grammar.has_noun_compounds:
        return list(tokens)
    return [token for at, token in enumerate(tokens) if not _is_flavour(tokens, at, grammar)]


def _is_flavour(tokens: Sequence[Token], at: int, grammar: Grammar) -> bool:
    beside = at - 1 if grammar.adjectives_after else at + 1
    if not 0 <= beside < len(tokens) or _thing(tokens[at]) not in FLAVOURS:
        return False
    return _thing(tokens[beside]) in DISHES


def _thing(token: Token) -> str:
    is_thing = bool(token.meanings) and token.meanings[0].kind == "things"
    return token.meanings[0].name.partition("*")[0] if is_thing else ""
