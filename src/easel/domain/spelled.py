"""Terms in what single letters spell: `a n a k e d` may begin with a neighbour's letter, and whole sentences be spelled.

Nobody writes a long word by accident in such a row; short ones count where the row is next to nothing else, or where a long
one stands beside them.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import Final

from easel.domain.index import COMPOUND_CHARACTERS_MAX, COMPOUND_CHARACTERS_MIN, STEM_CHARACTERS_MIN, Index
from easel.domain.terms import Term

TERM_CHARACTERS: Final = range(14, STEM_CHARACTERS_MIN - 1, -1)
"""How long a term is that is looked for, the longest first."""
LONG_CHARACTERS_MIN: Final = 5
ENDS_LEFT_OVER_MAX: Final = 2


def terms_within(row: str, index: Index) -> list[Term]:
    """The terms in a row of letters, with others taken along before, between and after."""
    sure: list[Term] = []
    short: list[Term] = []
    for start, end, term in _found(row, index):
        is_all = start <= ENDS_LEFT_OVER_MAX and len(row) - end <= ENDS_LEFT_OVER_MAX
        if is_all or end - start >= LONG_CHARACTERS_MIN:
            sure.append(term)
        elif end - start > STEM_CHARACTERS_MIN:
            short.append(term)
    sure += _put_together(row, index)
    return sure + short if sure else []


def _found(row: str, index: Index) -> Iterator[tuple[int, int, Term]]:
    hidden_before = 0
    seen: set[str] = set()
    for start in range(len(row) - STEM_CHARACTERS_MIN + 1):
        beginning, window = row[start : start + STEM_CHARACTERS_MIN], row[start : start + TERM_CHARACTERS.start + 1]
        if start < hidden_before or beginning not in index.starts or window in seen:
            continue
        if start > ENDS_LEFT_OVER_MAX:
            seen.add(window)
        for term in index.stems.get(beginning, ()):
            if row.startswith(term.first, start):
                yield start, start + len(term.first), term
        for length in TERM_CHARACTERS:
            end = start + length
            terms = index.words.get(row[start:end]) if end <= len(row) else None
            if terms is None:
                continue
            if any(term.hides for term in terms):
                hidden_before = end
                break
            for term in terms:
                yield start, end, term


def _put_together(row: str, index: Index) -> Sequence[Term]:
    """The terms that the row is put together of, but for some letters at its ends."""
    ends = range(ENDS_LEFT_OVER_MAX + 1)
    for first, last in sorted(itertools.product(ends, ends), key=sum):
        inner = row[first : len(row) - last]
        if COMPOUND_CHARACTERS_MIN <= len(inner) <= COMPOUND_CHARACTERS_MAX and (parts := index.parts(inner)):
            return parts
    return ()
