"""Context: words near a term that cancel its meaning.

A prompt about prevention or help does not ask for what it names: `overcoming suicidal thoughts`, `rape crisis centre`.
Only a few words around a term count, up to the next comma or line end. Words farther away belong to something else.
"""

import itertools
from collections.abc import Iterator, Sequence, Set
from typing import Final

from easel.domain.moderation.scripts import is_unspaced

AGAINST_WORDS_MAX: Final = 3
SUPPORT_WORDS_MAX: Final = 2
_CHARACTERS_BEFORE_MAX: Final = 8
_CHARACTERS_AFTER_MAX: Final = 10

Breaks = Set[tuple[str, str]]
"""Pairs of words that, wherever they are neighbours in the prompt, have a comma or the like between them."""


class Context:
    """Words that cancel a term: `against` before it (`overcoming …`), `support` after it (`… crisis centre`)."""

    def __init__(self, against: frozenset[str], support: frozenset[str]) -> None:
        self._against = against
        self._support = support
        self._unspaced_against = tuple(word for word in against if is_unspaced(word))
        self._unspaced_support = tuple(word for word in support if is_unspaced(word))

    def cancels(self, words: Sequence[str], at: int, end: int, breaks: Breaks) -> bool:
        """Whether the words around `words[at:end]` cancel it."""
        return not (
            self._against.isdisjoint(before(words, at, AGAINST_WORDS_MAX, breaks))
            and self._support.isdisjoint(after(words, end, SUPPORT_WORDS_MAX, breaks))
        )

    def cancels_unspaced(self, text: str, at: int, end: int) -> bool:
        """Whether the characters around `text[at:end]` cancel it, in a script without spaces."""
        ahead, behind = text[max(0, at - _CHARACTERS_BEFORE_MAX) : at], text[end : end + _CHARACTERS_AFTER_MAX]
        return any(word in ahead for word in self._unspaced_against) or any(
            word in behind for word in self._unspaced_support
        )


def before(words: Sequence[str], at: int, count: int, breaks: Breaks) -> Iterator[str]:
    """Up to `count` words before an index, nearest first, back to the last break."""
    for number in range(at - 1, max(-1, at - 1 - count), -1):
        if (words[number], words[number + 1]) in breaks:
            return
        yield words[number]


def after(words: Sequence[str], end: int, count: int, breaks: Breaks) -> Iterator[str]:
    """Up to `count` words from an index on, as far as the next break."""
    for number in range(end, min(len(words), end + count)):
        if (words[number - 1], words[number]) in breaks:
            return
        yield words[number]


def has_break(words: Sequence[str], breaks: Breaks) -> bool:
    """Whether there is a break between any of these words."""
    return not breaks.isdisjoint(itertools.pairwise(words))
