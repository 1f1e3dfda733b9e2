"""The index of a lexicon: which terms there are, and what one word, or two, may be by them.

A term is a few words, the beginning of a word (`nak*`), or signs of a script without blanks, which are found anywhere. A
word that is nothing but terms of one language put together (`nudegirl`) counts as these.
"""

import itertools
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from easel.domain.moderation.doubts import UNCHARGED
from easel.domain.moderation.kana import has_kana, is_cut_out, is_particle_and_word, to_hiragana
from easel.domain.moderation.reading import Known
from easel.domain.moderation.segments import Segments
from easel.domain.moderation.surroundings import CUT_APART, LIVING, Surroundings, is_topic
from easel.domain.moderation.terms import AGES, Term, is_hangul, is_unspaced
from easel.domain.moderation.views import words_of_each

STEM_CHARACTERS_MIN: Final = 3
SIGNS_BEFORE_BLANK_MAX: Final = 8
COMPOUND_CHARACTERS_MIN: Final = 6
COMPOUND_CHARACTERS_MAX: Final = 40
CLAUSE_SIGNS_MIN: Final = 12
LIVING_SIGNS: Final = 5
JOINED_START_CHARACTERS: Final = 5
JOINED_CHARACTERS_MAX: Final = 28
_JOINED_CHARACTERS: Final = range(6, JOINED_CHARACTERS_MAX + 1)
SPREAD_WORD_CHARACTERS_MIN: Final = 4
KOREAN_SHORT_MAX: Final = 2
KOREAN_PART_MAX: Final = 5
OF_AGE: Final = frozenset({"minor", "teen", "unclear_age"})
_ARABIC_PREFIXES: Final = re.compile("[وف]?(?:[بك]?ال|لل|[بكل])|[وف]")
"""And, so, in, as, for, the: Arabic writes them in one with the word that follows."""


class Index:
    """Terms by what they begin with."""

    def __init__(
        self,
        terms: Mapping[str, Mapping[str, Sequence[str]]],
        hiding: frozenset[str],
        surroundings: Surroundings,
        parts: Iterable[str],
        segments: Segments,
    ) -> None:
        """As `concepts.Lexicon` takes them. Raises ValueError for a term that cannot be found."""
        self._surroundings = surroundings
        self._segments = segments
        self._parts_of_words = frozenset(map(to_hiragana, parts))
        self.words: dict[str, list[Term]] = defaultdict(list)
        self.stems: dict[str, list[Term]] = defaultdict(list)
        self._signs: dict[str, list[Term]] = defaultdict(list)
        self._sign_lengths: dict[str, Sequence[int]] = {}
        self._phrases: dict[tuple[str, str], list[Term]] = defaultdict(list)
        self._open_phrases: dict[tuple[str, str], list[Term]] = defaultdict(list)
        self.beginnings: set[str] = set()
        self._count = 0
        shared: dict[frozenset[str], frozenset[str]] = {}
        for text, words, names, languages in _by_text(terms):
            self._add(text, words, names, shared.setdefault(languages, languages), hides=not hiding.isdisjoint(names))
        self.phrase_words_max = max((len(term.rest) for own in self._phrases.values() for term in own), default=0) + 1
        self._index_signs()
        self._first_signs = {signs[0] for signs in self._signs}
        self._hiding_signs = {signs for signs, own in self._signs.items() if any(term.hides for term in own)}
        self._minor_signs = {signs for signs, own in self._signs.items() if any("minor" in t.concepts for t in own)}
        self._adult_signs = {
            signs for signs in self._hiding_signs if any("adult" in t.concepts for t in self._signs[signs])
        }
        self.joined = self._joined()
        self.joined_starts = {word[:JOINED_START_CHARACTERS] for word in self.joined}
        self.spread: dict[str, list[Term]] = defaultdict(list)
        for term in itertools.chain.from_iterable(self.joined.values()):
            if not term.hides and min(map(len, (term.first, *term.rest))) >= SPREAD_WORD_CHARACTERS_MIN:
                self.spread[term.first].append(term)
        self.spread_starts = {word[:SPREAD_WORD_CHARACTERS_MIN] for word in self.spread}
        every = itertools.chain(self.words, self.stems, self.joined)
        self.starts = {word[:STEM_CHARACTERS_MIN] for word in every}
        indexes = (self.words, self.stems, self._phrases, self._open_phrases)
        for alike in itertools.chain.from_iterable(index.values() for index in indexes):
            if len(alike) > 1:
                alike.sort(key=lambda term: len(term.text), reverse=True)

    def __len__(self) -> int:
        return self._count

    def _add(
        self, text: str, words: Sequence[str], concepts: tuple[str, ...], languages: frozenset[str], *, hides: bool
    ) -> None:
        if not words:
            raise ValueError(f"the term {text!r} has no letters")
        first, *rest = words
        is_open = text.endswith("*") or is_unspaced(words[-1])
        looks_around = CUT_APART in concepts or is_topic(concepts, hides=hides)
        term = Term(text, first, tuple(rest), is_open, concepts, hides, languages, looks_around)
        self._count += 1
        if rest:
            # What a phrase begins with; signs may stand before it in the same word.
            self.beginnings.add(first[-1] if is_unspaced(first) else first)
        if len(rest) == 1 and is_open:
            self._open_phrases[first, rest[0][0]].append(term)
        elif rest:
            self._phrases[first, rest[0]].append(term)
        elif is_unspaced(first):
            self._signs[first].append(term)
        elif not is_open:
            self.words[first].append(term)
        elif len(first) >= STEM_CHARACTERS_MIN:
            self.stems[first[:STEM_CHARACTERS_MIN]].append(term)
        else:
            raise ValueError(f"the term {text!r} begins too many words")

    def _index_signs(self) -> None:
        """Of which lengths the terms are, the longest first, that begin with each two signs, or are one."""
        lengths: dict[str, set[int]] = defaultdict(set)
        for first in self._signs:
            lengths[first[:2]].add(len(first))
        for beginning, own in lengths.items():
            self._sign_lengths[beginning] = sorted(own | lengths.get(beginning[0], set()), reverse=True)

    def _joined(self) -> Mapping[str, Sequence[Term]]:
        """The phrases that are long enough to be known again where nothing separates their words, as one word."""
        joined: dict[str, list[Term]] = defaultdict(list)
        for term in itertools.chain(*self._phrases.values(), *self._open_phrases.values()):
            word = term.first + "".join(term.rest)
            is_charged = term.hides or not UNCHARGED.issuperset(term.concepts)
            if is_charged and not term.is_aged and not is_unspaced(word) and len(word) in _JOINED_CHARACTERS:
                joined[word].append(term)
        return joined

    def begun_by(self, word: str, following: str) -> Iterator[Term]:
        """The terms that may begin with two words."""
        firsts = [word, AGES.get(word, word)]
        if is_unspaced(word):
            # Signs may stand before a phrase in the same word.
            firsts += [word[-length:] for length in range(1, min(len(word) - 1, SIGNS_BEFORE_BLANK_MAX) + 1)]
        elif _is_arabic(word):
            firsts += _without_arabic_prefix(word)
        for first, then in itertools.product(
            dict.fromkeys(firsts), dict.fromkeys((following, AGES.get(following, following)))
        ):
            yield from self._phrases.get((first, then), ())
            yield from self._open_phrases.get((first, then[0]), ())

    def of_word(self, word: str) -> Known:
        """What a word with blanks around it is."""
        may_go_on = word in self.beginnings or word in AGES
        if _is_arabic(word):
            may_go_on = may_go_on or not self.beginnings.isdisjoint(_without_arabic_prefix(word))
        whole = self._whole(word)
        hiding = [term for term in whole if term.hides]
        # What hides covers the word that it is, and not the others that it is put together with.
        terms = hiding[:1] or whole or self._other_forms(word)
        return Known(terms, 0 if terms else 1, may_go_on)

    def _whole(self, word: str) -> list[Term]:
        stems = self.stems.get(word[:STEM_CHARACTERS_MIN], ())
        return [*self.words.get(word, ()), *(term for term in stems if word.startswith(term.first))]

    def of_signs(self, word: str, hidden_signs: int = 0) -> Known:
        """What is in a word of a script without blanks, wherever it begins, after so many signs that are hidden."""
        found: dict[str, Sequence[Term]] = {}
        places: dict[str, int] = {}
        covered_before = hidden_before = hidden_signs
        minor_before = word_before = 0
        others = 0
        signs = to_hiragana(word) if has_kana(word) else word
        for start, sign in enumerate(signs):
            if start < hidden_before:
                continue
            if sign not in self._first_signs:
                others += covered_before <= start
                continue
            for length in self._sign_lengths.get(signs[start : start + 2]) or self._sign_lengths.get(signs[start], ()):
                own, end = signs[start : start + length], start + length
                terms = self._signs.get(own) if end <= len(word) else None
                if terms is None or (
                    own in self._hiding_signs and not self._may_hide(word, start, end, own, minor_before)
                ):
                    continue
                if own not in found and not self._is_word(word, signs, start, end, terms, word_before):
                    continue
                if own not in found and not self._is_disarmed(terms, signs, start, end):
                    found[own] = terms
                    places[own] = start
                covered_before = max(covered_before, end)
                word_before = covered_before if length > 1 else word_before
                minor_before = covered_before if own in self._minor_signs else minor_before
                if own in self._hiding_signs:
                    hidden_before = covered_before
                    break
            others += covered_before <= start
        if len(signs) > CLAUSE_SIGNS_MIN:
            found = {
                own: terms for own, terms in found.items() if not self._is_far_from_life(own, found, signs, places[own])
            }
        return Known(list(itertools.chain(*found.values())), others / 2, signs[-1] in self.beginnings)

    @staticmethod
    def _is_far_from_life(own: str, found: Mapping[str, Sequence[Term]], signs: str, at: int) -> bool:
        """Whether what is cut apart stands in a long clause, and nobody near it."""
        if all(CUT_APART not in term.concepts for term in found[own]):
            return False
        near = signs[max(0, at - LIVING_SIGNS) : at + len(own) + LIVING_SIGNS]
        living = (
            other for other, terms in found.items() if any(not LIVING.isdisjoint(term.concepts) for term in terms)
        )
        return not any(other in near for other in living if other != own)

    def _may_hide(self, word: str, start: int, end: int, own: str, minor_before: int) -> bool:
        """Whether what hides stands there: no grown-up within somebody under age, and no name with a particle in it."""
        if end <= minor_before and own in self._adult_signs:
            return False
        return not is_particle_and_word(self._signs[own][0].text, word, start)

    def _is_word(self, word: str, signs: str, start: int, end: int, terms: Sequence[Term], word_before: int) -> bool:
        if has_kana(word[start:end]) and is_cut_out(word, start, end, self._is_part):
            return False
        return self._is_whole(signs, start, end, terms, word_before)

    def _is_whole(self, signs: str, start: int, end: int, terms: Sequence[Term], word_before: int) -> bool:
        """Whether terms that stand there are words there: neither across two others, nor overlapped by what is hidden.

        A word that begins in the term before it, which ends where this one begins, is no word there (`人性` in
        `未成年人性行为`); and the same at its end.
        """
        if end - start == 1:
            return True
        if signs[start:end] in self._hiding_signs:
            return not (start < word_before < end and self._goes_on_from(signs, word_before) >= end)
        is_minor = signs[start:end] in self._minor_signs
        if self._is_within_korean(signs, start, end, terms):
            return False
        since = start if word_before == start else 0
        if not self._is_straddled(signs, start, end, since, end, is_minor=is_minor):
            return True
        until = self._goes_on_from(signs, end)
        return until > end and not self._is_straddled(signs, start, end, since, until, is_minor=is_minor)

    def _is_straddled(self, signs: str, start: int, end: int, since: int, until: int, *, is_minor: bool) -> bool:
        return any(
            self._hides_beyond(signs, at, until, is_minor=is_minor) for at in range(start + 1, end)
        ) or self._segments.lies_across(signs, start, end, is_minor=is_minor, since=since, until=until)

    def _goes_on_from(self, signs: str, at: int) -> int:
        """Where the longest term ends that begins there and has two signs or more, and hides nothing; `at` if none does."""
        for length in self._sign_lengths.get(signs[at : at + 2], ()):
            own = signs[at : at + length]
            if length > 1 and own in self._signs and own not in self._hiding_signs:
                return at + length
        return at

    def _is_within_korean(self, signs: str, start: int, end: int, terms: Sequence[Term]) -> bool:
        """Whether a short Korean term begins within a word: after something that no word is put together with."""
        if (
            end - start > KOREAN_SHORT_MAX
            or not start
            or signs[start:end] in self._parts_of_words
            or not (is_hangul(signs[start]) and is_hangul(signs[start - 1]))
        ):
            return False
        if all(term.hides or not OF_AGE.isdisjoint(term.concepts) for term in terms):
            return False
        return not any(self._is_part(signs[first:start]) for first in range(max(0, start - KOREAN_PART_MAX), start - 1))

    def _hides_beyond(self, signs: str, at: int, end: int, *, is_minor: bool) -> bool:
        """Whether what hides begins within a term and goes beyond its end; `成年女孩` makes no grown-ups of `未成年`."""
        for length in self._sign_lengths.get(signs[at : at + 2], ()):
            own = signs[at : at + length]
            if end < at + length and own in self._hiding_signs and not (is_minor and own in self._adult_signs):
                return True
        return False

    def _is_disarmed(self, terms: Sequence[Term], signs: str, start: int, end: int) -> bool:
        looks_around = any(term.looks_around and CUT_APART not in term.concepts for term in terms)
        return looks_around and self._surroundings.disarm_signs(signs, start, end)

    def _is_part(self, signs: str) -> bool:
        """Whether words in Katakana may be put together with this one, in Hiragana."""
        return signs in self._signs or signs in self._parts_of_words

    def _other_forms(self, word: str) -> Sequence[Term]:
        """Terms that a word is another form of: with an Arabic prefix, or put together."""
        if _is_arabic(word):
            return next((terms for bare in _without_arabic_prefix(word) if (terms := self._whole(bare))), ())
        if COMPOUND_CHARACTERS_MIN <= len(word) <= COMPOUND_CHARACTERS_MAX:
            return self.parts(word)
        return ()

    def parts(self, word: str) -> list[Term]:
        """The terms that a word is put together of; none where something is left over."""
        reached: dict[int, tuple[int, Term]] = {}
        for start in range(len(word) - STEM_CHARACTERS_MIN + 1):
            if start and start not in reached:
                continue
            for term in self.stems.get(word[start : start + STEM_CHARACTERS_MIN], ()):
                if word.startswith(term.first, start):
                    reached.setdefault(start + len(term.first), (start, term))
                    # The beginning of a word stands for all of it.
                    reached.setdefault(len(word), (start, term))
            for end in range(start + STEM_CHARACTERS_MIN, len(word) + 1):
                for term in self.words.get(word[start:end], ()):
                    reached.setdefault(end, (start, term))
        parts = []
        end = len(word)
        while end in reached:
            end, term = reached[end]
            parts.append(term)
        is_one_language = parts and frozenset.intersection(*(part.languages for part in parts))
        return parts if len(parts) > 1 and is_one_language else []


def _is_arabic(word: str) -> bool:
    """Whether a word is in Arabic letters."""
    return "\u0600" <= word[0] <= "\u06ff"


def _without_arabic_prefix(word: str) -> Sequence[str]:
    """What an Arabic word may be without its prefix."""
    prefix = _ARABIC_PREFIXES.match(word)
    if prefix is None:
        return ()
    return [bare for end in dict.fromkeys((prefix.end(), 1)) if (bare := word[end:])]


def _by_text(
    terms: Mapping[str, Mapping[str, Sequence[str]]],
) -> Iterator[tuple[str, tuple[str, ...], tuple[str, ...], frozenset[str]]]:
    """Each text with its words, the concepts that it names, and the languages in which it names just these."""
    languages: dict[tuple[str, tuple[str, ...], tuple[str, ...]], list[str]] = defaultdict(list)
    for language, of_language in terms.items():
        concepts: dict[str, dict[str, None]] = defaultdict(dict)
        for concept, texts in of_language.items():
            for text in texts:
                concepts[text][concept] = None
        words = words_of_each([to_hiragana(text.removesuffix("*")) for text in concepts])
        for (text, names), own_words in zip(concepts.items(), words, strict=True):
            languages[text, tuple(own_words), tuple(names)].append(language)
    for (text, text_words, text_names), own in languages.items():
        yield text, text_words, text_names, frozenset(own)
