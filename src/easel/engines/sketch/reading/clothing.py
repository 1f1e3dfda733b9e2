"""Tells who wears what a language puts behind them with a word that means much else: `un homme au chapeau`."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from easel.engines.sketch.reading.sights import ANIMALS, PEOPLE, WORN
from easel.engines.sketch.reading.tokens import Token
from easel.engines.sketch.words.grammar import Grammar
from easel.engines.sketch.words.lexicon import Meaning

SOON: Final = 4
BETWEEN: Final = frozenset({"ignored", "colours", "sizes", "counts"})


def with_clothing(tokens: Sequence[Token], grammar: Grammar) -> list[Token]:
    """The tokens, with what says that somebody wears something where only its place does."""
    listed: list[Token] = []
    for at, token in enumerate(tokens):
        before, is_after_someone = tokens[at - 1] if at else None, at > 0 and _someone(tokens[at - 1])
        if is_after_someone and token.text.casefold() in grammar.having and _is_worn(tokens[at + 1 : at + 1 + SOON]):
            listed.append(replace(token, meanings=(Meaning("relations", "with"),)))
        elif (
            token.text in grammar.genitives
            and before is not None
            and _picture(before) in WORN
            and _is_worn_by(tokens, at)
        ):
            listed.append(replace(token, meanings=(Meaning("relations", "wearing"),)))
        elif is_after_someone and grammar.adjectives_after and _picture(token) in WORN:
            listed += [Token(token.text, (Meaning("relations", "wearing"),)), token]
        else:
            listed.append(token)
    return listed


def _is_worn_by(tokens: Sequence[Token], at: int) -> bool:
    """Whether the next thing after a genitive is somebody: `赤いドレスの女性`."""
    for token in tokens[at + 1 : at + 1 + SOON]:
        if _kind(token) == "things":
            return _someone(token)
        if _kind(token) not in BETWEEN:
            return False
    return False


def _is_worn(following: Sequence[Token]) -> bool:
    for token in following:
        if _kind(token) == "things":
            return _picture(token) in WORN
        if _kind(token) not in BETWEEN:
            return False
    return False


def _someone(token: Token) -> bool:
    return _picture(token) in PEOPLE | ANIMALS


def _picture(token: Token) -> str:
    return token.meanings[0].name.partition("*")[0] if _kind(token) == "things" else ""


def _kind(token: Token) -> str:
    return token.meanings[0].kind if token.meanings else ""
