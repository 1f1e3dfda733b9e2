"""Tells who wears what a language puts behind them with a word that means much else: `un homme au chapeau`."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from easel.engines.sketch.reading.sights import WORN
from easel.engines.sketch.reading.tokens import Token
from easel.engines.sketch.words.grammar import Grammar
from easel.engines.sketch.words.lexicon import Meaning

SOON: Final = 4
BETWEEN: Final = frozenset({"ignored", "colours", "sizes", "counts"})


def with_clothing(tokens: Sequence[Token], grammar: Grammar) -> list[Token]:
    """The tokens, of which the first between somebody and what is worn says that it is."""
    listed = list(tokens)
    for at, token in enumerate(tokens):
        is_between = at > 0 and token.text.casefold() in grammar.having and _kind(tokens[at - 1]) == "things"
        if is_between and _is_worn(tokens[at + 1 : at + 1 + SOON]):
            listed[at] = replace(token, meanings=(Meaning("relations", "with"),))
    return listed


def _is_worn(following: Sequence[Token]) -> bool:
    for token in following:
        if _kind(token) == "things":
            return token.meanings[0].name.partition("*")[0] in WORN
        if _kind(token) not in BETWEEN:
            return False
    return False


def _kind(token: Token) -> str:
    return token.meanings[0].kind if token.meanings else ""
