"""Gives things the colour of what they are made of, before a prompt is read: `a bronze horse`, `a marble bath`.

A material is a colour if nothing beside it names one, so a red metal chair is red. A material that no thing is said to
have needs no picture. How a surface shines or what grain it has cannot be seen.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from easel.engines.sketch.reading.tokens import Token
from easel.engines.sketch.words.grammar import Grammar
from easel.engines.sketch.words.lexicon import Meaning

BESIDE: Final = frozenset({"colours", "sizes", "materials", "ignored"})
"""What may stand between a material and the thing that is made of it."""


def with_materials(tokens: Sequence[Token], grammar: Grammar) -> list[Token]:
    """The tokens, of which materials are colours, things, or need no picture."""
    return [_settled(tokens, at, grammar) if _material(token) else token for at, token in enumerate(tokens)]


def _settled(tokens: Sequence[Token], at: int, grammar: Grammar) -> Token:
    token = tokens[at]
    rest = tuple(meaning for meaning in token.meanings if meaning.kind != "materials")
    before, after = _run(tokens, at, -1), _run(tokens, at, 1)
    has_colour = any(
        _kind(tokens[index]) == "colours" for index in (*before, *after, *_said_after(tokens, at + len(after) + 1))
    )
    is_of_thing = _is_thing(tokens, at + len(after) + 1) or (
        (grammar.adjectives_after or len(before) > 0) and _is_thing(tokens, at - len(before) - 1)
    )
    if rest and not _is_thing(tokens, at + len(after) + 1):
        return replace(token, meanings=rest)
    if has_colour or not is_of_thing:
        return replace(token, meanings=(Meaning("ignored", ""),))
    return replace(token, meanings=(Meaning("colours", _material(token)),))


def _said_after(tokens: Sequence[Token], thing: int) -> list[int]:
    """What is said of a thing after it: `a metal chair that is red`."""
    found = _run(tokens, thing, 1) if _is_thing(tokens, thing) else []
    return found if found and not _is_thing(tokens, found[-1] + 1) else []


def _run(tokens: Sequence[Token], at: int, step: int) -> list[int]:
    """The neighbours of a token on one side that are said of the same thing."""
    found = []
    index = at + step
    while 0 <= index < len(tokens) and _kind(tokens[index]) in BESIDE:
        found.append(index)
        index += step
    return found


def _is_thing(tokens: Sequence[Token], at: int) -> bool:
    return 0 <= at < len(tokens) and _kind(tokens[at]) == "things"


def _kind(token: Token) -> str:
    return token.meanings[0].kind if token.meanings else ""


def _material(token: Token) -> str:
    """The colour of the material that a token names."""
    return next((meaning.name for meaning in token.meanings if meaning.kind == "materials"), "")
