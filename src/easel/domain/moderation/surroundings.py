"""Surroundings: what the words beside a term say of it.

What is spoken against, or helped with, is no wish for it: `overcoming suicidal thoughts`, `rape crisis centre`. And what
is cut apart is a horror only where somebody is near it: `watermelon cut in half`. A few words decide, since farther ones
belong to something else.
"""

import itertools
from collections.abc import Iterator, Sequence, Set
from typing import Final

from easel.domain.moderation.terms import is_unspaced

TOPICS: Final = frozenset({"self_harm", "assault", "coerced", "terror"})
"""Concepts that are spoken against."""
URGED: Final = "self_harm_urged"
CUT_APART: Final = "cut_apart"
LIVING: Final = frozenset({"person", "minor", "teen", "unclear_age", "adult", "real_person", "creature"})
AGAINST_WORDS: Final = 3
SUPPORT_WORDS: Final = 2
LIVING_WORDS: Final = 4
_SIGNS_BEFORE: Final = 8
_SIGNS_AFTER: Final = 10


Breaks = Set[tuple[str, str]]
"""Neighbours in a prompt with a comma or the like between them, wherever they meet."""


class Surroundings:
    """The words that speak against what follows them, and those that say of what precedes them that it is helped with."""

    def __init__(self, against: frozenset[str], support: frozenset[str]) -> None:
        self._against = against
        self._support = support
        self._against_signs = tuple(word for word in against if is_unspaced(word))
        self._support_signs = tuple(word for word in support if is_unspaced(word))

    def disarm(self, words: Sequence[str], at: int, end: int, breaks: Breaks) -> bool:
        """Whether the words around a topic, which stands from `at` to `end`, say that it is not wished for."""
        return not (
            self._against.isdisjoint(before(words, at, AGAINST_WORDS, breaks))
            and self._support.isdisjoint(after(words, end, SUPPORT_WORDS, breaks))
        )

    def disarm_signs(self, signs: str, at: int, end: int) -> bool:
        """The same for signs of a script without blanks."""
        ahead, behind = signs[max(0, at - _SIGNS_BEFORE) : at], signs[end : end + _SIGNS_AFTER]
        return any(word in ahead for word in self._against_signs) or any(word in behind for word in self._support_signs)


def is_topic(concepts: Sequence[str], *, hides: bool) -> bool:
    """Whether a term of these concepts names what may be spoken against; not what is said to somebody."""
    return not hides and not TOPICS.isdisjoint(concepts) and URGED not in concepts


def before(words: Sequence[str], at: int, count: int, breaks: Breaks) -> Iterator[str]:
    """At most so many words before a place, back to the last break."""
    for number in range(at - 1, max(-1, at - 1 - count), -1):
        if (words[number], words[number + 1]) in breaks:
            return
        yield words[number]


def after(words: Sequence[str], end: int, count: int, breaks: Breaks) -> Iterator[str]:
    """At most so many words from a place on, up to the next break."""
    for number in range(end, min(len(words), end + count)):
        if (words[number - 1], words[number]) in breaks:
            return
        yield words[number]


def is_broken(words: Sequence[str], breaks: Breaks) -> bool:
    """Whether there is a break between these words."""
    return not breaks.isdisjoint(itertools.pairwise(words))
