"""Segments: where Chinese words end, as far as terms would be found across two of them.

Chinese puts no blanks between words, so that `色情` stands in `特色情况`, which is `特色` and `情况`. A term does not count
where two common words cover it and reach beyond it. It promises nothing about words that are in no list, and where both
readings are possible the term counts.
"""

from typing import Final

WORD_SIGNS_MAX: Final = 4
_ALONE: Final = frozenset("中人她他入头頭")
"""Signs that are words of their own."""


class Segments:
    """Common words that some term may lie across."""

    def __init__(self, words: frozenset[str] = frozenset()) -> None:
        self._words = words

    def lies_across(self, signs: str, start: int, end: int, *, is_minor: bool, since: int, until: int) -> bool:
        """Whether what stands there is the end of one word and the beginning of the next. One of them reaches beyond it; where
        somebody under age is meant, both do. Words that begin before `since` or end before `until` count for nothing, since
        terms stand there."""
        return bool(self._words) and any(
            self._are_two(signs, start, at, end, is_minor=is_minor, since=since, until=until)
            for at in range(start + 1, end)
        )

    def _are_two(self, signs: str, start: int, at: int, end: int, *, is_minor: bool, since: int, until: int) -> bool:
        ends_before = self._reaches_back(signs, start, at, since)
        goes_on = self._reaches_on(signs, at, until)
        if is_minor or (ends_before and goes_on):
            return ends_before and goes_on
        first, second = signs[start:at], signs[at:end]
        if ends_before:
            return second in self._words or second in _ALONE
        return goes_on and first in self._words

    def _reaches_back(self, signs: str, start: int, at: int, since: int) -> bool:
        return any(signs[first:at] in self._words for first in range(max(since, at - WORD_SIGNS_MAX), start))

    def _reaches_on(self, signs: str, at: int, end: int) -> bool:
        return any(signs[at:last] in self._words for last in range(end + 1, min(len(signs), at + WORD_SIGNS_MAX) + 1))
