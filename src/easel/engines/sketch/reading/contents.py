"""Tells what is in a vessel where relations stand after things: `bir kase çilek`, `りんごのかご`, `装满水果的碗`.

The vessel and its content stand beside one another in either order, perhaps with what is said of them between. What has
a vessel in its picture needs none, as in `vessels.py`.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from easel.engines.sketch.reading.tokens import Token
from easel.engines.sketch.reading.vessels import (
    BETWEEN,
    BOTTLED,
    BOTTLES,
    CONTENTS,
    SERVED,
    VESSELS,
    several_of,
    thing_of,
)
from easel.engines.sketch.words.grammar import Grammar
from easel.engines.sketch.words.lexicon import Meaning

LEADING: Final = frozenset({"inside", "with"})
"""Relations that may stand between a content and the vessel after it: `과일이 담긴 그릇`."""


def with_contents(tokens: Sequence[Token], grammar: Grammar) -> list[Token]:
    """The tokens, of which those between a vessel and its content say that it contains that."""
    listed: list[Token] = []
    at = 0
    while at < len(tokens):
        end = _pair_end(tokens, at) if grammar.relations_after else None
        if end is None:
            listed.append(tokens[at])
            at += 1
            continue
        before = _taken_back(listed)
        listed += _said(tokens, at, end, before, is_led_to=bool(listed) and _kind(listed[-1]) == "relations")
        at = end + 1
    return listed


def _pair_end(tokens: Sequence[Token], at: int) -> int | None:
    """Where the other one of a vessel and its content is, if one of them is here."""
    first = thing_of(tokens[at])
    is_vessel = first in VESSELS | BOTTLES
    if not (is_vessel or first in CONTENTS | SERVED):
        return None
    for other in range(at + 1, len(tokens)):
        token = tokens[other]
        if thing_of(token):
            second = thing_of(token)
            is_pair = second in CONTENTS | SERVED if is_vessel else second in VESSELS | BOTTLES
            return other if is_pair and (is_vessel or not _leads_on(tokens, other)) else None
        is_leading = not is_vessel and _kind(token) == "relations" and token.meanings[0].name in LEADING
        if token.is_boundary or not (_kind(token) in BETWEEN or is_leading):
            return None
    return None


def _leads_on(tokens: Sequence[Token], vessel: int) -> bool:
    """Whether what stands before the vessel is on or in it, as the word after it says: `寿司が皿の上にある`."""
    after = tokens[vessel + 1].meanings[:1] if vessel + 1 < len(tokens) else ()
    return any(meaning.kind == "relations" and meaning.name in ("on", "inside") for meaning in after)


def _taken_back(listed: list[Token]) -> list[Token]:
    """Take away what was said of the first one of the two."""
    start = len(listed)
    while start and _kind(listed[start - 1]) in BETWEEN and not listed[start - 1].is_boundary:
        start -= 1
    taken = listed[start:]
    del listed[start:]
    return taken


def _said(tokens: Sequence[Token], at: int, end: int, before: list[Token], *, is_led_to: bool) -> list[Token]:
    """What is read of both: the vessel first if a relation leads to it, and last if something may be done with it."""
    between = [token for token in tokens[at + 1 : end] if _kind(token) != "relations"]
    is_vessel_first = thing_of(tokens[at]) in VESSELS | BOTTLES
    vessel, content = (tokens[at], tokens[end]) if is_vessel_first else (tokens[end], tokens[at])
    of_vessel, of_content = (before, between) if is_vessel_first else (between, before)
    picture = thing_of(content)
    if picture in SERVED:
        name = BOTTLED.get(picture, "water-bottle") if thing_of(vessel) in BOTTLES else picture
        return [*before, *between, replace(content, meanings=(replace(content.meanings[0], name=name),))]
    if thing_of(vessel) in BOTTLES:
        return [*before, tokens[at], *between, tokens[end]]
    several = replace(content, meanings=several_of(content.meanings))
    if is_led_to:
        return [*of_vessel, vessel, Token(vessel.text, (Meaning("relations", "inside"),)), *of_content, several]
    return [*of_content, several, Token(vessel.text, (Meaning("relations", "containing"),)), *of_vessel, vessel]


def _kind(token: Token) -> str:
    return token.meanings[0].kind if token.meanings else ""
