"""Draws what a likeness is of, before a prompt is read: a statue of a lion is a grey lion, a toy car a car.

Statues of people stay statues, and toys of which nothing is said stay what their own picture shows.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from easel.engines.sketch.reading.sights import ANIMALS
from easel.engines.sketch.reading.tokens import Token
from easel.engines.sketch.reading.vessels import thing_of
from easel.engines.sketch.words.grammar import Grammar
from easel.engines.sketch.words.lexicon import Meaning

STATUE: Final = "statue"
LIKENESSES: Final = frozenset({STATUE, "teddy-bear"})
STONE: Final = "gray"
TOYS: Final = ANIMALS | {
    "airplane", "ambulance", "automobile", "bus", "delivery-truck", "fire-engine", "helicopter", "locomotive", "motorcycle",
    "police-car", "racing-car", "rocket", "sailboat", "ship", "tractor", "train", "triceratops", "stegosaurus",
}  # fmt: skip
"""What a statue or a toy may be of."""
BETWEEN: Final = frozenset({"ignored", "counts"})
COLOURS: Final = frozenset({"colours", "materials"})


def with_likenesses(tokens: Sequence[Token], grammar: Grammar) -> list[Token]:
    """The tokens without those that only say that something is a likeness."""
    listed: list[Token] = []
    at = 0
    while at < len(tokens):
        likeness = thing_of(tokens[at])
        model = thing_of(listed[-1]) if listed else ""
        after = _model_after(tokens, at, grammar) if likeness in LIKENESSES else None
        if likeness in LIKENESSES and model in TOYS and not grammar.adjectives_after:
            listed[-1:] = _shown(listed[-1], tokens[at], _colours(listed[:-1]), grammar)
        elif likeness in LIKENESSES and after is not None:
            between = [token for token in tokens[at + 1 : after] if _kind(token) in COLOURS]
            listed += [token for token in tokens[at + 1 : after] if _is_number(token)]
            listed += _shown(tokens[after], tokens[at], [*between, *_colours(listed)], grammar)
            at = after
        elif tokens[at].text not in grammar.genitives or model not in TOYS or not _is_likeness(tokens[at + 1 : at + 2]):
            listed.append(tokens[at])
        at += 1
    return listed


def _shown(model: Token, likeness: Token, said: Sequence[Token], grammar: Grammar) -> list[Token]:
    """What a likeness is of, in the colour of stone if it is a statue and has none."""
    is_plural = model.meanings[0].is_plural or likeness.meanings[0].is_plural
    shown = replace(model, meanings=(replace(model.meanings[0], is_plural=is_plural),))
    is_stone = thing_of(likeness) == STATUE and not said
    colours = [Token(likeness.text, (Meaning("colours", STONE),))] if is_stone else []
    moved = [token for token in said if grammar.adjectives_after]
    return [shown, *moved, *colours] if grammar.adjectives_after else [*colours, shown]


def _model_after(tokens: Sequence[Token], at: int, grammar: Grammar) -> int | None:
    """Where the thing is named that a likeness is of, after a word such as `of`."""
    is_led_to = False
    for other in range(at + 1, len(tokens)):
        token = tokens[other]
        if thing_of(token):
            is_led_to = is_led_to or grammar.leads_itself(token.text)
            return other if is_led_to and thing_of(token) in TOYS else None
        is_link = token.text.casefold() in grammar.links
        if token.is_boundary or not (is_link or _kind(token) in BETWEEN | COLOURS):
            return None
        is_led_to = is_led_to or is_link
    return None


def _is_likeness(following: Sequence[Token]) -> bool:
    return bool(following) and thing_of(following[0]) in LIKENESSES


def _is_number(token: Token) -> bool:
    """Whether a token says that there are several."""
    return _kind(token) == "counts" and token.meanings[0].name != "1"


def _colours(before: Sequence[Token]) -> list[Token]:
    """The colours that stand directly before."""
    return [before[-1]] if before and _kind(before[-1]) in COLOURS else []


def _kind(token: Token) -> str:
    return token.meanings[0].kind if token.meanings else ""
