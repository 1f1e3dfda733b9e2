"""The index of words and phrases: finds the terms that match a word, and the phrases that begin with two words.

A word that consists of terms of one language counts as those terms: `nudegirl`. Terms in scripts without spaces are in
the index of `unspaced`, except phrases, which have spaces.
"""

import itertools
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from easel.domain.moderation.concepts import NEUTRAL
from easel.domain.moderation.scripts import is_arabic, is_unspaced
from easel.domain.moderation.terms import AGES, STEM_CHARACTERS_MIN, Term, WordTerms

UNSPACED_BEGINNING_CHARACTERS_MAX: Final = 8
COMPOUND_CHARACTERS_MIN: Final = 6
COMPOUND_CHARACTERS_MAX: Final = 40
JOINED_START_CHARACTERS: Final = 5
JOINED_CHARACTERS_MAX: Final = 28
_JOINED_CHARACTERS: Final = range(6, JOINED_CHARACTERS_MAX + 1)
SPREAD_WORD_CHARACTERS_MIN: Final = 4
_ARABIC_PREFIXES: Final = re.compile("[وف]?(?:[بك]?ال|لل|[بكل])|[وف]")
"""The words for and, so, in, as, for and the, which Arabic attaches to the next word."""


class WordIndex:
    """The terms, in several mappings for different searches.

    `words` and `stems` have the terms of one word, by the word and by its first characters. `joined` has long phrases
    by their text without spaces, and `spread` those that have only long words, by the first word. `beginnings` are the
    first words of phrases. The sets called `starts` have the first characters of the keys, for a quick check.
    """

    def __init__(self, terms: Iterable[Term]) -> None:
        self.words: dict[str, list[Term]] = defaultdict(list)
        self.stems: dict[str, list[Term]] = defaultdict(list)
        self._phrases: dict[tuple[str, str], list[Term]] = defaultdict(list)
        self._open_phrases: dict[tuple[str, str], list[Term]] = defaultdict(list)
        self.beginnings: set[str] = set()
        for term in terms:
            self._add(term)
        self.phrase_words_max = max((len(term.rest) for own in self._phrases.values() for term in own), default=0) + 1
        self.joined = self._joined()
        self.joined_starts = {word[:JOINED_START_CHARACTERS] for word in self.joined}
        self.spread: dict[str, list[Term]] = defaultdict(list)
        for term in itertools.chain.from_iterable(self.joined.values()):
            if not term.hides and min(map(len, (term.first, *term.rest))) >= SPREAD_WORD_CHARACTERS_MIN:
                self.spread[term.first].append(term)
        self.spread_starts = {word[:SPREAD_WORD_CHARACTERS_MIN] for word in self.spread}
        every = itertools.chain(self.words, self.stems, self.joined, self.beginnings, AGES)
        self.starts = {word[:STEM_CHARACTERS_MIN] for word in every}
        indexes = (self.words, self.stems, self._phrases, self._open_phrases)
        for alike in itertools.chain.from_iterable(index.values() for index in indexes):
            if len(alike) > 1:
                alike.sort(key=lambda term: len(term.text), reverse=True)

    def _add(self, term: Term) -> None:
        first, rest = term.first, term.rest
        if rest:
            # Other characters may stand before a phrase in a script without spaces.
            self.beginnings.add(first[-1] if is_unspaced(first) else first)
        if len(rest) == 1 and term.is_open:
            self._open_phrases[first, rest[0][0]].append(term)
        elif rest:
            self._phrases[first, rest[0]].append(term)
        elif term.is_open:
            self.stems[first[:STEM_CHARACTERS_MIN]].append(term)
        else:
            self.words[first].append(term)

    def _joined(self) -> Mapping[str, Sequence[Term]]:
        """The phrases that are long enough to be recognised without their spaces."""
        joined: dict[str, list[Term]] = defaultdict(list)
        for term in itertools.chain(*self._phrases.values(), *self._open_phrases.values()):
            word = term.first + "".join(term.rest)
            is_charged = term.hides or not NEUTRAL.issuperset(term.concepts)
            if is_charged and not term.has_age and not is_unspaced(word) and len(word) in _JOINED_CHARACTERS:
                joined[word].append(term)
        return joined

    def look_up(self, word: str) -> WordTerms:
        """The terms that match a word, or that it consists of."""
        may_begin_phrase = word in self.beginnings or word in AGES
        in_arabic = not word.isascii() and is_arabic(word)
        if in_arabic:
            may_begin_phrase = may_begin_phrase or not self.beginnings.isdisjoint(_without_arabic_prefix(word))
        whole = self._whole(word)
        hiding = [term for term in whole if term.hides]
        # A hiding word covers all of this word. In a compound it would not cover the other parts.
        terms = hiding[:1] or whole or (self._with_arabic_prefix(word) if in_arabic else self._in_compound(word))
        return WordTerms(terms, 0 if terms else 1, may_begin_phrase)

    def _whole(self, word: str) -> list[Term]:
        stems = self.stems.get(word[:STEM_CHARACTERS_MIN], ())
        return [*self.words.get(word, ()), *(term for term in stems if word.startswith(term.first))]

    def _with_arabic_prefix(self, word: str) -> Sequence[Term]:
        return next((terms for bare in _without_arabic_prefix(word) if (terms := self._whole(bare))), ())

    def _in_compound(self, word: str) -> Sequence[Term]:
        return self.compound_parts(word) if COMPOUND_CHARACTERS_MIN <= len(word) <= COMPOUND_CHARACTERS_MAX else ()

    def phrases_beginning(self, word: str, following: str) -> Iterator[Term]:
        """The phrases that may begin with two words."""
        firsts = [word, AGES.get(word, word)]
        if not word.isascii():
            firsts += _beginnings_within(word)
        seconds = (following, AGES.get(following, following))
        for first, second in itertools.product(dict.fromkeys(firsts), dict.fromkeys(seconds)):
            yield from self._phrases.get((first, second), ())
            yield from self._open_phrases.get((first, second[0]), ())

    def compound_parts(self, word: str) -> list[Term]:
        """The terms of one language that a word consists of; none if some letters belong to no term."""
        reached: dict[int, tuple[int, Term]] = {}
        for start in range(len(word) - STEM_CHARACTERS_MIN + 1):
            if start and start not in reached:
                continue
            for term in self.stems.get(word[start : start + STEM_CHARACTERS_MIN], ()):
                if word.startswith(term.first, start):
                    reached.setdefault(start + len(term.first), (start, term))
                    # A stem may continue to the end of the word.
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


def _beginnings_within(word: str) -> Sequence[str]:
    """The ends of a word that may begin a phrase: any in a script without spaces, or what follows an Arabic prefix."""
    if is_unspaced(word):
        characters_max = min(len(word) - 1, UNSPACED_BEGINNING_CHARACTERS_MAX)
        return [word[-length:] for length in range(1, characters_max + 1)]
    return _without_arabic_prefix(word) if is_arabic(word) else ()


def _without_arabic_prefix(word: str) -> Sequence[str]:
    """The forms that a word may have without its prefix."""
    prefix = _ARABIC_PREFIXES.match(word)
    if prefix is None:
        return ()
    return [bare for end in dict.fromkeys((prefix.end(), 1)) if (bare := word[end:])]
