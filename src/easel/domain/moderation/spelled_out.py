"""Finds terms that are spelled out in single letters, such as `n a k e d`.

The letters of a row are read as one word, in which a term may stand anywhere: a neighbouring word of one letter becomes
part of the row, as in `a n a k e d`, and a whole sentence may be spelled out. Long terms hardly occur there by chance.
Short terms count only if the row has few other letters, or contains a long one too.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import Final

from easel.domain.moderation.letter_rows import SPELLED_MARK
from easel.domain.moderation.terms import STEM_CHARACTERS_MIN, Term
from easel.domain.moderation.word_index import (
    COMPOUND_CHARACTERS_MAX,
    COMPOUND_CHARACTERS_MIN,
    JOINED_CHARACTERS_MAX,
    JOINED_START_CHARACTERS,
    SPREAD_WORD_CHARACTERS_MIN,
    WordIndex,
)

TERM_CHARACTERS_MAX: Final = 14
"""Length of the longest words that are searched for."""
LONG_TERM_CHARACTERS_MIN: Final = 5
LONG_PHRASE_CHARACTERS_MIN: Final = 9
SPREAD_ROW_CHARACTERS_MAX: Final = 60
SPREAD_GAP_CHARACTERS_MAX: Final = 4
END_CHARACTERS_MAX: Final = 2
"""Meaningless letters that are tolerated at each end of a row or a marked word."""


def terms_within(row: str, index: WordIndex) -> list[Term]:
    """The terms in a row of letters, with other letters before, between and after them."""
    sure: list[Term] = []
    short: list[Term] = []
    phrases: list[Term] = []
    for start, end, term in _found(row, index):
        is_all = start <= END_CHARACTERS_MAX and len(row) - end <= END_CHARACTERS_MAX
        if term.rest or term.hides:
            if is_all or (not term.hides and end - start >= LONG_PHRASE_CHARACTERS_MIN):
                phrases.append(term)
        elif is_all or end - start >= LONG_TERM_CHARACTERS_MIN:
            sure.append(term)
        elif end - start > STEM_CHARACTERS_MIN:
            short.append(term)
    sure += _compound_parts(row, index)
    if len(row) <= SPREAD_ROW_CHARACTERS_MAX:
        phrases += _spread(row, index)
    return sure + short + phrases if sure else phrases


def terms_across(text: str, index: WordIndex) -> Iterator[Term]:
    """The terms in the marked words of a text, and the phrases that include a marked word.

    A marked word may have meaningless letters at its ends: `xkillq xthemselvesq`.
    """
    forms = [_forms(word) for word in text.split()]
    places = [at for at, own in enumerate(forms) if len(own) > 1]
    for at in dict.fromkeys(
        near for place in places for near in range(max(0, place - index.phrase_words_max), place + 1)
    ):
        for first in filter(index.beginnings.__contains__, dict.fromkeys(forms[at])):
            yield from _phrases_beginning(first, forms[at + 1 : at + 1 + index.phrase_words_max], index)
    for word in dict.fromkeys(forms[place][0] for place in places):
        yield from terms_within(word, index)


def _phrases_beginning(first: str, following: Sequence[Sequence[str]], index: WordIndex) -> Iterator[Term]:
    for second in following[0] if following else ():
        for term in index.phrases_beginning(first, second):
            lengths = [len(word) for word in (term.first, *term.rest)]
            is_long = sum(lengths) >= LONG_PHRASE_CHARACTERS_MIN or min(lengths) >= SPREAD_WORD_CHARACTERS_MIN
            if is_long and len(term.rest) <= len(following) and _follows(term, following):
                yield term


def _follows(term: Term, words: Sequence[Sequence[str]]) -> bool:
    """Whether the following words have forms that continue the phrase."""
    *inner, last = term.rest
    if any(word not in forms for word, forms in zip(inner, words, strict=False)):
        return False
    forms = words[len(inner)]
    return any(form.startswith(last) for form in forms) if term.is_open else last in forms


def _forms(word: str) -> Sequence[str]:
    """The forms of a word: itself and, if it is marked, the word without a few letters at its ends."""
    if not word.startswith(SPELLED_MARK):
        return (word,)
    letters = word.removeprefix(SPELLED_MARK)
    ends = range(END_CHARACTERS_MAX + 1)
    forms = (letters[first : len(letters) - last] for first, last in sorted(itertools.product(ends, ends), key=sum))
    return [letters, *(form for form in forms if len(form) >= STEM_CHARACTERS_MIN)] if letters else ()


def _found(row: str, index: WordIndex) -> Iterator[tuple[int, int, Term]]:
    """The terms with their starts and ends. The search skips what a hiding term covers."""
    hidden_before = 0
    seen: set[str] = set()
    for start in range(len(row) - STEM_CHARACTERS_MIN + 1):
        beginning, window = row[start : start + STEM_CHARACTERS_MIN], row[start : start + TERM_CHARACTERS_MAX + 1]
        if start < hidden_before or beginning not in index.starts or window in seen:
            continue
        if start > END_CHARACTERS_MAX:
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


def _ends(row: str, start: int, index: WordIndex) -> Iterator[int]:
    """Where a term that begins at an index may end, last first. Phrases may end farther away."""
    if row[start : start + JOINED_START_CHARACTERS] in index.joined_starts:
        yield from range(min(start + JOINED_CHARACTERS_MAX, len(row)), start + TERM_CHARACTERS_MAX, -1)
    yield from range(min(start + TERM_CHARACTERS_MAX, len(row)), start + STEM_CHARACTERS_MIN - 1, -1)


def _spread(row: str, index: WordIndex) -> Iterator[Term]:
    """The phrases in a row that have a few letters between their words: `killxthemselves`."""
    for start in range(len(row) - SPREAD_WORD_CHARACTERS_MIN):
        if row[start : start + SPREAD_WORD_CHARACTERS_MIN] not in index.spread_starts:
            continue
        for end in range(start + SPREAD_WORD_CHARACTERS_MIN, min(len(row), start + TERM_CHARACTERS_MAX + 1)):
            first = row[start:end]
            if first in index.spread:
                yield from (term for term in index.spread[first] if _follows_spread(term.rest, row, end))


def _follows_spread(words: Sequence[str], row: str, at: int) -> bool:
    """Whether the words follow one another in the row, with a few letters between them."""
    for word in words:
        found = row.find(word, at, at + SPREAD_GAP_CHARACTERS_MAX + len(word))
        if found < 0:
            return False
        at = found + len(word)
    return True


def _compound_parts(row: str, index: WordIndex) -> Sequence[Term]:
    """The terms that a row consists of, apart from a few letters at its ends."""
    ends = range(END_CHARACTERS_MAX + 1)
    for first, last in sorted(itertools.product(ends, ends), key=sum):
        inner = row[first : len(row) - last]
        if COMPOUND_CHARACTERS_MIN <= len(inner) <= COMPOUND_CHARACTERS_MAX and (parts := index.compound_parts(inner)):
            return parts
    return ()
