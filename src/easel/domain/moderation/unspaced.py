"""Finds terms in scripts without spaces between words, where a term may begin at any character.

A term counts only as a whole word, not as part of others; `word_boundaries` decides this for Chinese and Japanese. No
full dictionaries are used, so a part of an unlisted word may be mistaken for a term.
"""

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from typing import Final

from easel.domain.moderation.concepts import CUT_APART, LIVING, YOUNG
from easel.domain.moderation.context import Context
from easel.domain.moderation.scripts import as_katakana, has_kana, is_hangul, is_unspaced, to_hiragana
from easel.domain.moderation.terms import Term, WordTerms
from easel.domain.moderation.word_boundaries import ChineseWords, is_part_of_kana_word, is_particle_and_word

LONG_CLAUSE_CHARACTERS_MIN: Final = 12
NEAR_CHARACTERS: Final = 5
KOREAN_SHORT_CHARACTERS_MAX: Final = 2
KOREAN_PART_CHARACTERS_MAX: Final = 5


class UnspacedIndex:
    """The terms in scripts without spaces, by their characters."""

    def __init__(
        self,
        terms: Iterable[Term],
        parts: Iterable[str],
        context: Context,
        chinese_words: ChineseWords,
        phrase_beginnings: Set[str],
    ) -> None:
        """`parts` are words that form compounds with terms. A text may begin a phrase if it ends with a character of
        `phrase_beginnings`."""
        self._context = context
        self._chinese_words = chinese_words
        self._phrase_beginnings = phrase_beginnings
        self._parts = frozenset(map(to_hiragana, parts))
        self._terms: dict[str, list[Term]] = defaultdict(list)
        for term in terms:
            self._terms[term.first].append(term)
        self._lengths = _lengths_by_beginning(self._terms)
        self._first_characters = {own[0] for own in self._terms}
        own = self._first_characters.union(filter(is_unspaced, phrase_beginnings))
        self.telltale_characters: Set[str] = own.union(map(as_katakana, own))
        """A text without any of these characters has no terms and begins no phrase."""
        self._hiding = self._of(lambda term: term.hides)
        self._minor = self._of(lambda term: "minor" in term.concepts)
        self._adult = self._hiding & self._of(lambda term: "adult" in term.concepts)

    def _of(self, is_one: Callable[[Term], bool]) -> Set[str]:
        return {own for own, terms in self._terms.items() if any(map(is_one, terms))}

    def look_up(self, word: str, skipped_characters: int = 0) -> WordTerms:
        """The terms in a text without spaces, after `skipped_characters` that a phrase hides."""
        text = to_hiragana(word) if has_kana(word) else word
        may_begin_phrase = text[-1] in self._phrase_beginnings
        if self._first_characters.isdisjoint(text):
            return WordTerms((), (len(text) - skipped_characters) / 2, may_begin_phrase)
        found: dict[str, Sequence[Term]] = {}
        places: dict[str, int] = {}
        covered_before = hidden_before = skipped_characters
        minor_before = word_before = 0
        others = len(text) - skipped_characters
        for start in [at for at, character in enumerate(text) if character in self._first_characters]:
            if start < hidden_before:
                continue
            others_from = max(covered_before, start)
            for length in self._lengths.get(text[start : start + 2]) or self._lengths.get(text[start], ()):
                own, end = text[start : start + length], start + length
                terms = self._terms.get(own) if end <= len(word) else None
                if terms is None or (own in self._hiding and not self._may_hide(word, start, end, own, minor_before)):
                    continue
                if own not in found and not self._is_word(word, text, start, end, terms, word_before):
                    continue
                if own not in found and not self._is_cancelled(terms, text, start, end):
                    found[own] = terms
                    places[own] = start
                covered_before = max(covered_before, end)
                word_before = covered_before if length > 1 else word_before
                minor_before = covered_before if own in self._minor else minor_before
                if own in self._hiding:
                    hidden_before = covered_before
                    break
            others -= max(0, covered_before - others_from)
        if len(text) > LONG_CLAUSE_CHARACTERS_MIN:
            found = {own: terms for own, terms in found.items() if not _is_far_from_life(own, found, text, places[own])}
        return WordTerms(list(itertools.chain(*found.values())), others / 2, may_begin_phrase)

    def _may_hide(self, word: str, start: int, end: int, own: str, minor_before: int) -> bool:
        """Whether a hiding term is meant here. It is not if `成年` (adult) is in `未成年` (minor), or if a text only
        sounds like the term."""
        if end <= minor_before and own in self._adult:
            return False
        return not is_particle_and_word(self._terms[own][0].text, word, start)

    def _is_cancelled(self, terms: Sequence[Term], text: str, start: int, end: int) -> bool:
        depends = any(term.depends_on_context and CUT_APART not in term.concepts for term in terms)
        return depends and self._context.cancels_unspaced(text, start, end)

    def _is_word(self, word: str, text: str, start: int, end: int, terms: Sequence[Term], word_before: int) -> bool:
        """Whether `text[start:end]` is a word. `text` is `word` in Hiragana. The previous term ends at
        `word_before`."""
        if has_kana(word[start:end]) and is_part_of_kana_word(word, start, end, self._forms_compounds):
            return False
        return self._is_whole(text, start, end, terms, word_before)

    def _forms_compounds(self, hiragana: str) -> bool:
        return hiragana in self._terms or hiragana in self._parts

    def _is_whole(self, text: str, start: int, end: int, terms: Sequence[Term], word_before: int) -> bool:
        """Whether a term neither lies across two other words nor overlaps with a hiding term.

        Where one term ends and the next begins, a listed word across that place does not count: `人性` in
        `未成年人性行为`.
        """
        if end - start == 1:
            return True
        own = text[start:end]
        if own in self._hiding:
            return not (start < word_before < end and self._next_term_end(text, word_before) >= end)
        if self._is_within_korean_word(text, start, end, terms):
            return False
        is_minor = own in self._minor
        since = start if word_before == start else 0
        if not self._is_divided(text, start, end, since, end, is_minor=is_minor):
            return True
        until = self._next_term_end(text, end)
        return until > end and not self._is_divided(text, start, end, since, until, is_minor=is_minor)

    def _is_divided(self, text: str, start: int, end: int, since: int, until: int, *, is_minor: bool) -> bool:
        for at in range(start + 1, end):
            if self._is_hidden_from(at, text, until, is_minor=is_minor):
                return True
        return self._chinese_words.cross(text, start, end, is_minor=is_minor, since=since, until=until)

    def _is_hidden_from(self, at: int, text: str, end: int, *, is_minor: bool) -> bool:
        """Whether a hiding term begins at `at` and ends after `end`. `成年女孩` (adult girl) does not hide `未成年`
        (minor)."""
        for length in self._lengths.get(text[at : at + 2], ()):
            own = text[at : at + length]
            if end < at + length and own in self._hiding and not (is_minor and own in self._adult):
                return True
        return False

    def _next_term_end(self, text: str, at: int) -> int:
        """The end of the longest term at `at` that has two or more characters and hides nothing, or `at` itself."""
        for length in self._lengths.get(text[at : at + 2], ()):
            own = text[at : at + length]
            if length > 1 and own in self._terms and own not in self._hiding:
                return at + length
        return at

    def _is_within_korean_word(self, text: str, start: int, end: int, terms: Sequence[Term]) -> bool:
        """Whether a short Korean term stands in a longer word whose beginning forms no compounds."""
        if (
            end - start > KOREAN_SHORT_CHARACTERS_MAX
            or not start
            or text[start:end] in self._parts
            or not (is_hangul(text[start]) and is_hangul(text[start - 1]))
        ):
            return False
        if all(term.hides or not YOUNG.isdisjoint(term.concepts) for term in terms):
            return False
        firsts = range(max(0, start - KOREAN_PART_CHARACTERS_MAX), start - 1)
        return not any(self._forms_compounds(text[first:start]) for first in firsts)


def _lengths_by_beginning(terms: Iterable[str]) -> Mapping[str, Sequence[int]]:
    """The lengths of terms, longest first, by their first two characters. Terms of one character are included."""
    lengths: dict[str, set[int]] = defaultdict(set)
    for own in terms:
        lengths[own[:2]].add(len(own))
    return {
        beginning: sorted(of_beginning | lengths.get(beginning[0], set()), reverse=True)
        for beginning, of_beginning in lengths.items()
    }


def _is_far_from_life(own: str, found: Mapping[str, Sequence[Term]], text: str, at: int) -> bool:
    """Whether a term of CUT_APART is in a long clause and no living being is near it."""
    if all(CUT_APART not in term.concepts for term in found[own]):
        return False
    near = text[max(0, at - NEAR_CHARACTERS) : at + len(own) + NEAR_CHARACTERS]
    living = (other for other, terms in found.items() if any(not LIVING.isdisjoint(term.concepts) for term in terms))
    return not any(other in near for other in living if other != own)
