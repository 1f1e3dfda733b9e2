"""Tells vessels from what is in them, before a prompt is read: a bowl of strawberries contains strawberries.

Soup, tea and the like have a vessel in their picture, so that the word for it adds nothing; a bottle of milk is a
bottle.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from easel.engines.sketch.reading.flavours import FLAVOURS
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
CONTENTS: Final = FLAVOURS | {
    "avocado", "bell-pepper", "blossom", "bouquet", "bread", "broccoli", "candy", "cherry-blossom", "chestnut", "coin",
    "cookie", "croissant", "cucumber", "cupcake", "doughnut", "dumpling", "ear-of-corn", "egg", "eggplant", "fish", "fruit",
    "hibiscus", "kiwi-fruit", "leafy-green", "lotus", "macarons", "meat-on-bone", "olive", "pancakes", "rose", "sandwich",
    "sunflower", "sushi", "tulip", "vegetables", "waffle", "yarn", "dandelion", "hyacinth", "pie",
}  # fmt: skip
"""What vessels contain that stand beside it, where no word says so."""
BOTTLED: Final = {"glass-of-milk": "milk-bottle", "wine-glass": "wine-bottle", "beer-mug": "wine-bottle"}
BETWEEN: Final = frozenset({"ignored", "colours", "sizes", "counts", "materials"})
"""What may be said of the content before it is named."""


def with_vessels(tokens: Sequence[Token], grammar: Grammar) -> list[Token]:
    """The tokens, of which those between a vessel and its content say that it contains that."""
    if grammar.relations_after:
        return list(tokens)
    listed = list(tokens)
    for at in range(len(tokens) - 1, -1, -1):
        vessel = thing_of(tokens[at])
        if vessel not in VESSELS | BOTTLES or at + 1 == len(tokens):
            continue
        first = at + 2 if _is_link(tokens[at + 1], grammar) else at + 1
        content = _content(tokens, first)
        is_next = content == at + 1
        is_led_to = first == at + 2 or (is_next and grammar.leads_itself(tokens[at + 1].text))
        is_led_to = is_led_to or (is_next and grammar.adjectives_after and thing_of(tokens[at + 1]) in CONTENTS)
        if content is None or not (is_led_to or grammar.has_compounds):
            continue
        listed[at : content + 1] = _said(tokens[at : content + 1], first - at)
    return listed


def _said(phrase: Sequence[Token], first: int) -> list[Token]:
    """What is read of a vessel, the words between, and the content."""
    vessel, content = phrase[0], phrase[-1]
    picture = thing_of(content)
    if thing_of(vessel) in BOTTLES:
        bottled = BOTTLED.get(picture, "water-bottle")
        if picture in SERVED:
            return [replace(vessel, meanings=(replace(vessel.meanings[0], name=bottled),))]
    if picture in SERVED or thing_of(vessel) in BOTTLES:
        return list(phrase[first:])
    several = (replace(content, meanings=several_of(content.meanings)) if picture in CONTENTS else content,)
    return [vessel, Token(vessel.text, (Meaning("relations", "containing"),)), *phrase[first:-1], *several]


def several_of(meanings: tuple[Meaning, ...]) -> tuple[Meaning, ...]:
    """The meanings of a content, which is several unless the prompt says that it is one."""
    return (replace(meanings[0], is_plural=True), *meanings[1:])


def _content(tokens: Sequence[Token], first: int) -> int | None:
    for at in range(first, len(tokens)):
        if thing_of(tokens[at]):
            return at
        if tokens[at].is_boundary or not tokens[at].meanings or tokens[at].meanings[0].kind not in BETWEEN:
            return None
    return None


def _is_link(token: Token, grammar: Grammar) -> bool:
    return token.text.casefold() in grammar.links


def thing_of(token: Token) -> str:
    """The picture of what a token names, or nothing."""
    is_thing = bool(token.meanings) and token.meanings[0].kind == "things"
    return token.meanings[0].name.partition("*")[0] if is_thing else ""
