"""Concepts: finding the terms of a lexicon in the views of a prompt.

A term is a few words, the beginning of a word (`nak*`), or signs of a script without blanks, which are found anywhere.
A phrase that means something harmless hides the words in it. A word that is nothing but terms put together (`nudegirl`)
counts as these. A term is told of once, where it is found first.

Views beside the plain one are read for what they show anew: what is plain was judged where nothing was changed around it.
A term that may be a word of another language (`doubts` says which) waits for a sign that its own language is meant.

Time is linear in the view's length, times the number of terms that begin alike.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from typing import Final

from easel.domain.moderation.doubts import Doubts
from easel.domain.moderation.index import Index
from easel.domain.moderation.kana import has_kana, to_hiragana
from easel.domain.moderation.languages import Spoken
from easel.domain.moderation.reading import Cover, Found, Known, Seen
from easel.domain.moderation.segments import Segments
from easel.domain.moderation.spelled import terms_across, terms_within
from easel.domain.moderation.surroundings import (
    CUT_APART,
    LIVING,
    LIVING_WORDS,
    Breaks,
    Surroundings,
    after,
    before,
    is_broken,
)
from easel.domain.moderation.terms import Term, is_unspaced
from easel.domain.moderation.views import SPELLED_MARK

SHORT_VIEW_WORDS: Final = 40
"""A view of so many words may say little else than its terms; in longer ones only what is new is read."""
_NOTHING_AROUND: Final = Surroundings(frozenset(), frozenset())

_NO_SEGMENTS: Final = Segments()


class Lexicon:
    """Terms by concept."""

    def __init__(
        self,
        terms: Mapping[str, Mapping[str, Sequence[str]]],
        hiding: frozenset[str],
        ordinary: Mapping[str, frozenset[str]] | None = None,
        surroundings: Surroundings = _NOTHING_AROUND,
        parts: Iterable[str] = (),
        segments: Segments = _NO_SEGMENTS,
    ) -> None:
        """`terms` are those of each concept by language, and those of the `hiding` concepts hide what they cover.
        `ordinary` says of words in which languages they mean something else, and `parts` are words that others are put
        together with in Katakana. `segments` knows words that terms may lie across.

        Raises ValueError for a term that cannot be found.
        """
        self._ordinary = ordinary or {}
        self._surroundings = surroundings
        self._index = Index(terms, hiding, surroundings, parts, segments)

    def __len__(self) -> int:
        return len(self._index)

    def find(
        self, views: Sequence[str], spoken: Spoken, spelled: Sequence[str] = (), breaks: Breaks = frozenset()
    ) -> list[Found]:
        """What is in each view of a prompt in these languages, the plain one first; and then in what single letters spell."""
        seen = Seen(Doubts(spoken, self._ordinary), breaks)
        found = [self._find(view, seen) for view in views]
        shown = {word for view in views for word in view.split()} if spelled else set()
        found += [self._find_within(row, views, shown, seen) for row in spelled]
        for each in found:
            for term in each.doubtful:
                if seen.doubts.is_supported(term):
                    each.note(term)
        return found

    def _find(self, view: str, seen: Seen) -> Found:
        found, cover = Found(), Cover()
        raw = view.split()
        words = to_hiragana(view).split() if has_kana(view) else raw
        places = self._places(raw, seen)
        if len(places) < len(raw):
            found.other_words = len(raw)
        for at in places:
            word = raw[at]
            count = seen.dull.get(word)
            if count is not None:
                if at >= cover.ends_before:
                    found.other_words += count
                continue
            own = seen.words.get(word) or self._look_at(word, seen)
            if own.may_go_on and at >= cover.hides_before:
                self._note_phrases(self._phrases_at(words, at, seen), words, raw, at, found, cover, seen)
            if at < cover.hides_before:
                continue
            if at == cover.hides_in:
                own = self._index.of_signs(word, cover.hidden_signs)
            self._note_all(own.terms, words, raw, at, found, seen)
            if at >= cover.ends_before:
                found.other_words += own.other_words
        if not seen.plain:
            seen.plain.update(raw, seen.hidden)
        return found

    def _places(self, raw: Sequence[str], seen: Seen) -> Sequence[int]:
        """Where terms may begin that a view shows anew: everywhere in a short one, which may say little else."""
        if not seen.plain or len(raw) <= SHORT_VIEW_WORDS:
            return range(len(raw))
        places: list[int] = []
        for at, word in enumerate(raw):
            if word not in seen.plain:
                first = max(at - self._index.phrase_words_max, places[-1] + 1 if places else 0)
                places.extend(range(first, min(at + LIVING_WORDS, len(raw) - 1) + 1))
        return places

    def _note_all(
        self, terms: Sequence[Term], words: Sequence[str], raw: Sequence[str], at: int, found: Found, seen: Seen
    ) -> None:
        """Note the terms of one word."""
        for term in terms:
            if _is_new(term, raw, at, at + 1, seen) and not self._means_nothing(term, words, at, at + 1, seen):
                self._note(term, (raw[at],), found, seen)

    @staticmethod
    def _note(term: Term, words: Sequence[str], found: Found, seen: Seen) -> None:
        if seen.doubts.has(term, words):
            found.doubtful.append(term)
        else:
            found.note(term)

    def _note_phrases(
        self,
        phrases: Sequence[Term],
        words: Sequence[str],
        raw: Sequence[str],
        at: int,
        found: Found,
        cover: Cover,
        seen: Seen,
    ) -> None:
        for term in phrases:
            end = at + 1 + len(term.rest)
            if self._is_overlapped(term, words, end, seen):
                continue
            if term.hides and is_broken(words[at:end], seen.breaks):
                continue
            if _is_new(term, raw, at, end, seen) and not self._means_nothing(term, words, at, end, seen):
                self._note(term, raw[at:end], found, seen)
            cover.ends_before = max(cover.ends_before, end)
            if term.hides:
                # Written with hyphens the same words are one in other views.
                seen.hidden.update(_joined(raw[at:end]))
                cover.hides_before = end
                if is_unspaced(raw[end - 1]):
                    # Of a word without blanks it hides as much as it is.
                    cover.hides_before = cover.hides_in = end - 1
                    cover.hidden_signs = len(term.rest[-1])
                return

    def _is_overlapped(self, term: Term, words: Sequence[str], end: int, seen: Seen) -> bool:
        """Whether a phrase's last word is the first of one that hides it: `homme nu` in `homme nu-pieds`."""
        if term.hides or words[end - 1] not in self._index.beginnings or seen.plain:
            # Where commas stand is known of the plain view alone.
            return False
        following = self._phrases_at(words, end - 1, seen)
        return any(
            other.hides and not is_broken(words[end - 1 : end + len(other.rest)], seen.breaks) for other in following
        )

    def _means_nothing(self, term: Term, words: Sequence[str], at: int, end: int, seen: Seen) -> bool:
        """Whether the words around a term take its meaning away."""
        if not term.looks_around:
            return False
        if CUT_APART in term.concepts:
            around = itertools.chain(
                words[at:end] if is_unspaced(words[at]) else (),
                before(words, at, LIVING_WORDS, seen.breaks),
                after(words, end, LIVING_WORDS, seen.breaks),
            )
            return not any(self._is_living(word, seen) for word in around)
        return self._surroundings.disarm(words, at, end, seen.breaks)

    def _is_living(self, word: str, seen: Seen) -> bool:
        own = seen.words.get(word) or self._look_at(word, seen)
        return any(not LIVING.isdisjoint(term.concepts) for term in own.terms)

    def _find_within(self, row: str, views: Sequence[str], shown: Set[str], seen: Seen) -> Found:
        """What single letters spell and no view has shown, with the words around it."""
        found = Found(other_words=len(row))
        terms = terms_across(row, self._index) if SPELLED_MARK in row else terms_within(row, self._index)
        for term in terms:
            phrase = f" {' '.join((term.first, *term.rest))}"
            is_shown = any(phrase in view for view in views) if term.rest else term.first in shown
            if not is_shown:
                self._note(term, (term.first, *term.rest), found, seen)
        return found

    def _look_at(self, word: str, seen: Seen) -> Known:
        own = seen.words[word] = self._index.of_signs(word) if is_unspaced(word) else self._index.of_word(word)
        if not own.terms and not own.may_go_on:
            seen.dull[word] = own.other_words
        return own

    def _phrases_at(self, words: Sequence[str], at: int, seen: Seen) -> list[Term]:
        """The terms of several words that begin at a word; of those that begin alike the longest first."""
        if at + 1 == len(words):
            return []
        pair = words[at], words[at + 1]
        begun = seen.pairs.get(pair)
        if begun is None:
            begun = seen.pairs[pair] = list(self._index.begun_by(*pair))
        return [term for term in begun if term.follows(words, at + 1)] if begun else []


def _is_new(term: Term, raw: Sequence[str], at: int, end: int, seen: Seen) -> bool:
    """Whether a view shows anew that a term stands there, or who stands beside it where that matters."""
    if CUT_APART in term.concepts:
        at, end = max(0, at - LIVING_WORDS), end + LIVING_WORDS
    return not seen.plain.issuperset(raw[at:end])


def _joined(words: Sequence[str]) -> Iterator[str]:
    """What neighbours among these words make together."""
    for start, end in itertools.combinations(range(len(words) + 1), 2):
        yield "".join(words[start:end])
