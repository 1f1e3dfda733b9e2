"""Tells vessels from what is in them, before a prompt is read: a bowl of strawberries contains strawberries.

Soup, tea and the like have a vessel in their picture, so that the word for it adds nothing; a bottle of milk is a
bottle.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from easel.engines.sketch.reading.tokens import Token
from easel.engines.sketch.words.grammar import Grammar
from easel.engines.sketch.words.lexicon import Meaning

VESSELS: Final = frozenset({
    "barrel", "basket", "bowl", "bucket", "cart", "cauldron", "cooking-pot", "crate", "handbag", "package", "plate", "vase",
    "wheelbarrow",
})  # fmt: skip
"""Things that are drawn with what they are said to be of, or to be with."""
BOTTLES: Final = frozenset({"wine-bottle", "water-bottle"})
SERVED: Final = frozenset({
    "beer-mug", "beverage-box", "bento-box", "bowl-with-spoon", "bubble-tea", "cocktail-glass", "cooked-rice",
    "cup-with-straw", "curry-rice", "custard", "french-fries", "fruit-bowl", "glass-of-milk", "green-salad", "honey-pot",
    "hot-beverage", "ice-cream", "jar", "popcorn", "pot-of-food", "sake", "shallow-pan-of-food", "shaved-ice",
    "soft-ice-cream", "spaghetti", "steaming-bowl", "takeout-box", "teacup-without-handle", "tropical-drink",
    "tumbler-glass", "vase-of-flowers", "wine-glass",
})  # fmt: skip
"""Food, drinks and flowers with their vessel."""
BOTTLED: Final = {"glass-of-milk": "milk-bottle", "wine-glass": "wine-bottle", "beer-mug": "wine-bottle"}
BETWEEN: Final = frozenset({"ignored", "colours", "sizes", "counts", "materials"})
"""What may be said of the content before it is named."""


def with_vessels(tokens: Sequence[Token], grammar: Grammar) -> list[Token]:
    """The tokens, of which those between a vessel and its content say that it contains that."""
    if grammar.relations_after:
        return list(tokens)
    listed = list(tokens)
    for at in range(len(tokens) - 1, -1, -1):
        vessel = _thing(tokens[at])
        if vessel not in VESSELS | BOTTLES or at + 1 == len(tokens):
            continue
        first = at + 2 if _is_link(tokens[at + 1], grammar) else at + 1
        content = _content(tokens, first)
        is_led_to = first == at + 2 or (content == at + 1 and grammar.leads_itself(tokens[at + 1].text))
        if content is None or not (is_led_to or grammar.has_compounds):
            continue
        listed[at : content + 1] = _said(tokens[at : content + 1], first - at)
    return listed


def _said(phrase: Sequence[Token], first: int) -> list[Token]:
    """What is read of a vessel, the words between, and the content."""
    vessel, content = phrase[0], phrase[-1]
    picture = _thing(content)
    if _thing(vessel) in BOTTLES:
        bottled = BOTTLED.get(picture, "water-bottle")
        if picture in SERVED:
            return [replace(vessel, meanings=(replace(vessel.meanings[0], name=bottled),))]
    if picture in SERVED or _thing(vessel) in BOTTLES:
        return list(phrase[first:])
    return [vessel, Token(vessel.text, (Meaning("relations", "containing"),)), *phrase[first:]]


def _content(tokens: Sequence[Token], first: int) -> int | None:
    for at in range(first, len(tokens)):
        if _thing(tokens[at]):
            return at
        if tokens[at].is_boundary or not tokens[at].meanings or tokens[at].meanings[0].kind not in BETWEEN:
            return None
    return None


def _is_link(token: Token, grammar: Grammar) -> bool:
    return token.text.casefold() in grammar.links


def _thing(token: Token) -> str:
    is_thing = bool(token.meanings) and token.meanings[0].kind == "things"
    return token.meanings[0].name.partition("*")[0] if is_thing else ""
