"""Terms in what single letters spell: `a n a k e d` may begin with a neighbour's letter, and whole sentences be spelled.

Nobody writes a long word by accident in such a row; short ones count where the row is next to nothing else, or where a long
one stands beside them.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import Final

from easel.domain.moderation.index import (
    COMPOUND_CHARACTERS_MAX,
    COMPOUND_CHARACTERS_MIN,
    JOINED_CHARACTERS_MAX,
    JOINED_START_CHARACTERS,
    SPREAD_WORD_CHARACTERS_MIN,
    STEM_CHARACTERS_MIN,
    Index,
)
from easel.domain.moderation.terms import Term
from easel.domain.moderation.views import SPELLED_MARK

TERM_CHARACTERS: Final = range(14, STEM_CHARACTERS_MIN - 1, -1)
"""How long a term is that is looked for, the longest first."""
LONG_CHARACTERS_MIN: Final = 5
PHRASE_CHARACTERS_MIN: Final = 9
SPREAD_ROW_CHARACTERS_MAX: Final = 60
_SPREAD_WORD_CHARACTERS: Final = range(SPREAD_WORD_CHARACTERS_MIN, 15)
SPREAD_BETWEEN_MAX: Final = 4
ENDS_LEFT_OVER_MAX: Final = 2


def terms_within(row: str, index: Index) -> list[Term]:
    """The terms in a row of letters, with others taken along before, between and after."""
    sure: list[Term] = []
    short: list[Term] = []
    phrases: list[Term] = []
    for start, end, term in _found(row, index):
        is_all = start <= ENDS_LEFT_OVER_MAX and len(row) - end <= ENDS_LEFT_OVER_MAX
        if term.rest or term.hides:
            if is_all or (not term.hides and end - start >= PHRASE_CHARACTERS_MIN):
                phrases.append(term)
        elif is_all or end - start >= LONG_CHARACTERS_MIN:
            sure.append(term)
        elif end - start > STEM_CHARACTERS_MIN:
            short.append(term)
    sure += _put_together(row, index)
    if len(row) <= SPREAD_ROW_CHARACTERS_MAX:
        phrases += _spread(row, index)
    return sure + short + phrases if sure else phrases


def terms_across(text: str, index: Index) -> Iterator[Term]:
    """The terms of several words in a text with marked words, each of which may have letters at its ends that belong to
    nothing: `xkillq xthemselvesq`. One of the words at least is marked."""
    forms = [_forms(word) for word in text.split()]
    places = [at for at, own in enumerate(forms) if len(own) > 1]
    for at in dict.fromkeys(
        near for place in places for near in range(max(0, place - index.phrase_words_max), place + 1)
    ):
        for first in index.beginnings.intersection(forms[at]):
            yield from _begun_by(first, forms[at + 1 : at + 1 + index.phrase_words_max], index)
    for word in dict.fromkeys(forms[place][0] for place in places):
        yield from terms_within(word, index)


def _begun_by(first: str, following: Sequence[Sequence[str]], index: Index) -> Iterator[Term]:
    for second in following[0] if following else ():
        for term in index.begun_by(first, second):
            words = (term.first, *term.rest)
            is_long = (
                sum(map(len, words)) >= PHRASE_CHARACTERS_MIN or min(map(len, words)) >= SPREAD_WORD_CHARACTERS_MIN
            )
            if is_long and len(term.rest) <= len(following) and _are(term, following):
                yield term


def _are(term: Term, words: Sequence[Sequence[str]]) -> bool:
    *inner, last = term.rest
    if any(word not in forms for word, forms in zip(inner, words, strict=False)):
        return False
    forms = words[len(inner)]
    return any(form.startswith(last) for form in forms) if term.is_open else last in forms


def _forms(word: str) -> Sequence[str]:
    """A word, and if it is marked what is left of it without a few letters at its ends."""
    if not word.startswith(SPELLED_MARK):
        return (word,)
    letters = word.removeprefix(SPELLED_MARK)
    ends = range(ENDS_LEFT_OVER_MAX + 1)
    forms = (letters[first : len(letters) - last] for first, last in sorted(itertools.product(ends, ends), key=sum))
    return [letters, *(form for form in forms if len(form) >= STEM_CHARACTERS_MIN)] if letters else ()


def _found(row: str, index: Index) -> Iterator[tuple[int, int, Term]]:
    hidden_before = 0
    seen: set[str] = set()
    for start in range(len(row) - STEM_CHARACTERS_MIN + 1):
        beginning, window = row[start : start + STEM_CHARACTERS_MIN], row[start : start + TERM_CHARACTERS.start + 1]
        if start < hidden_before or beginning not in index.starts or window in seen:
            continue
        if start > ENDS_LEFT_OVER_MAX:
            seen.add(window)
        stems = (term for term in index.stems.get(beginning, ()) if row.startswith(term.first, start))
        yield from ((start, start + len(term.first), term) for term in stems)
        for end in _ends(row, start, index):
            own = row[start:end]
            terms = index.joined.get(own) or index.words.get(own) or ()
            is_hiding = any(term.hides for term in terms)
            yield from ((start, end, term) for term in terms if not is_hiding or "adult" in term.concepts)
            if is_hiding:
                hidden_before = end
                break


def _spread(row: str, index: Index) -> Iterator[Term]:
    """The terms of several words in a row that have letters of nothing between them: `killxthemselves`."""
    for start in range(len(row) - _SPREAD_WORD_CHARACTERS.start):
        if row[start : start + SPREAD_WORD_CHARACTERS_MIN] not in index.spread_starts:
            continue
        for end in range(start + _SPREAD_WORD_CHARACTERS.start, min(len(row), start + _SPREAD_WORD_CHARACTERS.stop)):
            first = row[start:end]
            if first in index.spread:
                yield from (term for term in index.spread[first] if _follows_spread(term.rest, row, end))


def _follows_spread(words: Sequence[str], row: str, at: int) -> bool:
    """Whether the words stand in the row one after the other, with a few letters between."""
    for word in words:
        found = row.find(word, at, at + SPREAD_BETWEEN_MAX + len(word))
        if found < 0:
            return False
        at = found + len(word)
    return True


def _ends(row: str, start: int, index: Index) -> Iterator[int]:
    """Where a term may end that starts there, the last place first; phrases are written as one word there."""
    if row[start : start + JOINED_START_CHARACTERS] in index.joined_starts:
        yield from range(min(start + JOINED_CHARACTERS_MAX, len(row)), start + TERM_CHARACTERS.start, -1)
    yield from range(min(start + TERM_CHARACTERS.start, len(row)), start + STEM_CHARACTERS_MIN - 1, -1)


def _put_together(row: str, index: Index) -> Sequence[Term]:
    """The terms that the row is put together of, but for some letters at its ends."""
    ends = range(ENDS_LEFT_OVER_MAX + 1)
    for first, last in sorted(itertools.product(ends, ends), key=sum):
        inner = row[first : len(row) - last]
        if COMPOUND_CHARACTERS_MIN <= len(inner) <= COMPOUND_CHARACTERS_MAX and (parts := index.parts(inner)):
            return parts
    return ()
