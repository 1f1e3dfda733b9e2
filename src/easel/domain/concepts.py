"""Concepts: finding the terms of a lexicon in the views of a prompt.

A term is a few words, the beginning of a word (`nak*`), or signs of a script without blanks, which are found anywhere.
A phrase that means something harmless hides the words in it. A word that is nothing but terms put together (`nudegirl`)
counts as these. A term is told of once, where it is found first.

Views beside the plain one are read for what they show anew: what is plain was judged where nothing was changed around it.
A term that may be a word of another language (`doubts` says which) waits for a sign that its own language is meant.

Time is linear in the view's length, times the number of terms that begin alike.
"""

import itertools
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from easel.domain.doubts import Doubts
from easel.domain.kana import has_kana, is_cut_out, to_hiragana
from easel.domain.languages import Spoken
from easel.domain.prompt_views import words_of_each
from easel.domain.reading import Cover, Found, Known, Seen
from easel.domain.surroundings import CUT_APART, LIVING, LIVING_WORDS, Breaks, Surroundings, after, before, is_broken, is_topic
from easel.domain.terms import AGES, Term, is_unspaced

STEM_CHARACTERS_MIN: Final = 3
SIGNS_BEFORE_BLANK_MAX: Final = 8
COMPOUND_CHARACTERS_MIN: Final = 6
COMPOUND_CHARACTERS_MAX: Final = 40
SPELLED_CHARACTERS: Final = range(14, 2, -1)
"""How long a term is that is looked for within what single letters spell, the longest first."""
SHORT_VIEW_WORDS: Final = 40
_ENDS_LEFT_OVER_MAX: Final = 2
_LONG_CHARACTERS_MIN: Final = 5
_ARABIC_PREFIXES: Final = re.compile("[وف]?(?:[بك]?ال|لل|[بكل])|[وف]")
"""And, so, in, as, for, the: Arabic writes them in one with the word that follows."""


_NOTHING_AROUND: Final = Surroundings(frozenset(), frozenset())


class Lexicon:
    """Terms by concept."""

    def __init__(
        self,
        terms: Mapping[str, Mapping[str, Sequence[str]]],
        hiding: frozenset[str],
        ordinary: Mapping[str, frozenset[str]] | None = None,
        surroundings: Surroundings = _NOTHING_AROUND,
        parts: Iterable[str] = (),
    ) -> None:
        """`terms` are those of each concept by language, and those of the `hiding` concepts hide what they cover.
        `ordinary` says of words in which languages they mean something else, and `parts` are words that others are put
        together with in Katakana.

        Raises ValueError for a term that cannot be found.
        """
        self._ordinary = ordinary or {}
        self._surroundings = surroundings
        self._parts_of_words = frozenset(map(to_hiragana, parts))
        self._words: dict[str, list[Term]] = defaultdict(list)
        self._stems: dict[str, list[Term]] = defaultdict(list)
        self._signs: dict[str, list[Term]] = defaultdict(list)
        self._sign_lengths: dict[str, Sequence[int]] = {}
        self._phrases: dict[tuple[str, str], list[Term]] = defaultdict(list)
        self._open_phrases: dict[tuple[str, str], list[Term]] = defaultdict(list)
        self._beginnings: set[str] = set()
        self._count = 0
        shared: dict[frozenset[str], frozenset[str]] = {}
        for text, words, names, languages in _by_text(terms):
            self._add(text, words, names, shared.setdefault(languages, languages), hides=not hiding.isdisjoint(names))
        self._longest = max((len(term.rest) for own in self._phrases.values() for term in own), default=0)
        self._index_signs()
        self._hiding_signs = {signs for signs, own in self._signs.items() if any(term.hides for term in own)}
        self._starts = {word[:SPELLED_CHARACTERS.stop + 1] for word in self._words if len(word) > SPELLED_CHARACTERS.stop}
        indexes = (self._words, self._stems, self._phrases, self._open_phrases)
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
            self._beginnings.add(first[-1] if is_unspaced(first) else first)
        if len(rest) == 1 and is_open:
            self._open_phrases[first, rest[0][0]].append(term)
        elif rest:
            self._phrases[first, rest[0]].append(term)
        elif is_unspaced(first):
            self._signs[first].append(term)
        elif not is_open:
            self._words[first].append(term)
        elif len(first) >= STEM_CHARACTERS_MIN:
            self._stems[first[:STEM_CHARACTERS_MIN]].append(term)
        else:
            raise ValueError(f"the term {text!r} begins too many words")

    def _index_signs(self) -> None:
        """Of which lengths the terms are, the longest first, that begin with each two signs, or are one."""
        lengths: dict[str, set[int]] = defaultdict(set)
        for first in self._signs:
            lengths[first[:2]].add(len(first))
        for beginning, own in lengths.items():
            self._sign_lengths[beginning] = sorted(own | lengths.get(beginning[0], set()), reverse=True)

    def find(
        self, views: Sequence[str], spoken: Spoken, spelled: Sequence[str] = (), breaks: Breaks = frozenset()
    ) -> list[Found]:
        """What is in each view of a prompt in these languages, the plain one first; and then in what single letters spell."""
        seen = Seen(Doubts(spoken, self._ordinary), breaks)
        found = [self._find(view, seen) for view in views]
        found += [self._find_within(row, seen) for row in spelled]
        for each in found:
            for term in each.doubtful:
                if seen.doubts.is_supported(term):
                    each.note(term)
        return found

    def _find(self, view: str, seen: Seen) -> Found:
        found, cover = Found(), Cover()
        raw = view.split()
        words = to_hiragana(view).split() if has_kana(view) else raw
        aged = words if AGES.keys().isdisjoint(words) else [AGES.get(word, word) for word in words]
        for at in self._places(raw, seen):
            word = raw[at]
            count = seen.dull.get(word)
            if count is not None:
                if at >= cover.ends_before:
                    found.other_words += count
                continue
            own = seen.words.get(word) or self._look_at(word, seen)
            if own.may_go_on and at >= cover.hides_before:
                self._note_phrases(self._phrases_at(words, aged, at, seen), words, raw, at, found, cover, seen)
            if at < cover.hides_before:
                continue
            if at == cover.hides_in:
                own = self._of_signs(word, cover.hidden_signs)
            for term in own.terms:
                if _is_new(term, raw, at, at + 1, seen) and not self._means_nothing(term, words, at, at + 1, seen):
                    self._note(term, (word,), found, seen)
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
                first = max(at - self._longest, places[-1] + 1 if places else 0)
                places.extend(range(first, min(at + LIVING_WORDS, len(raw) - 1) + 1))
        return places

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
        if term.hides or words[end - 1] not in self._beginnings or seen.plain:
            # Where commas stand is known of the plain view alone.
            return False
        following = self._phrases_at(words, words, end - 1, seen)
        return any(other.hides and not is_broken(words[end - 1 : end + len(other.rest)], seen.breaks) for other in following)

    def _means_nothing(self, term: Term, words: Sequence[str], at: int, end: int, seen: Seen) -> bool:
        """Whether the words around a term take its meaning away."""
        if not term.looks_around:
            return False
        if CUT_APART in term.concepts and not is_unspaced(words[at]):
            around = itertools.chain(
                before(words, at, LIVING_WORDS, seen.breaks), after(words, end, LIVING_WORDS, seen.breaks)
            )
            return not any(self._is_living(word, seen) for word in around)
        return self._surroundings.disarm(words, at, end, seen.breaks)

    def _is_living(self, word: str, seen: Seen) -> bool:
        own = seen.words.get(word) or self._look_at(word, seen)
        return any(not LIVING.isdisjoint(term.concepts) for term in own.terms)

    def _find_within(self, row: str, seen: Seen) -> Found:
        """What is in letters that stood alone, with others taken along before, between and after."""
        found = Found(other_words=len(row))
        short: list[Term] = []
        hidden_before = 0
        for start in range(len(row)):
            if start < hidden_before or row[start : start + SPELLED_CHARACTERS.stop + 1] not in self._starts:
                continue
            for length in SPELLED_CHARACTERS:
                end = start + length
                terms = self._words.get(row[start:end], ()) if end <= len(row) else ()
                if not terms:
                    continue
                if any(term.hides for term in terms):
                    hidden_before = end
                    break
                is_all = start <= _ENDS_LEFT_OVER_MAX and len(row) - end <= _ENDS_LEFT_OVER_MAX
                for term in terms:
                    if is_all or length >= _LONG_CHARACTERS_MIN:
                        self._note(term, (row[start:end],), found, seen)
                    elif length > STEM_CHARACTERS_MIN:
                        short.append(term)
        for term in self._parts_within(row):
            self._note(term, (term.first,), found, seen)
        if found.concepts:
            # Beside a long term a short one is no accident.
            for term in short:
                self._note(term, (term.first,), found, seen)
        return found

    def _parts_within(self, row: str) -> Sequence[Term]:
        """The terms that a row of letters is put together of, but for some at its ends."""
        ends = range(_ENDS_LEFT_OVER_MAX + 1)
        for first, last in sorted(itertools.product(ends, ends), key=sum):
            inner = row[first : len(row) - last]
            if COMPOUND_CHARACTERS_MIN <= len(inner) <= COMPOUND_CHARACTERS_MAX and (parts := self._parts(inner)):
                return parts
        return ()

    def _look_at(self, word: str, seen: Seen) -> Known:
        own = seen.words[word] = self._of_signs(word) if is_unspaced(word) else self._of_word(word)
        if not own.terms and not own.may_go_on:
            seen.dull[word] = own.other_words
        return own

    def _phrases_at(self, words: list[str], aged: list[str], at: int, seen: Seen) -> list[Term]:
        """The terms of several words that begin at a word; of those that begin alike the longest first. `aged` are the words
        with those that stand for ages in the place of these."""
        if at + 1 == len(words):
            return []
        pair = words[at], words[at + 1]
        begun = seen.pairs.get(pair)
        if begun is None:
            begun = seen.pairs[pair] = list(self._begun_by(*pair))
        return [term for term in begun if term.follows(aged if term.is_aged else words, at + 1)] if begun else []

    def _begun_by(self, word: str, following: str) -> Iterator[Term]:
        """The terms that may begin with two words."""
        firsts = [word, AGES.get(word, word)]
        if is_unspaced(word):
            # Signs may stand before a phrase in the same word.
            firsts += [word[-length:] for length in range(1, min(len(word) - 1, SIGNS_BEFORE_BLANK_MAX) + 1)]
        for first, then in itertools.product(
            dict.fromkeys(firsts), dict.fromkeys((following, AGES.get(following, following)))
        ):
            yield from self._phrases.get((first, then), ())
            yield from self._open_phrases.get((first, then[0]), ())

    def _of_word(self, word: str) -> Known:
        """What a word with blanks around it is."""
        may_go_on = word in self._beginnings or word in AGES
        whole = self._whole(word)
        hiding = [term for term in whole if term.hides]
        # What hides covers the word that it is, and not the others that it is put together with.
        terms = hiding[:1] or whole or self._other_forms(word)
        return Known(terms, 0 if terms else 1, may_go_on)

    def _whole(self, word: str) -> list[Term]:
        stems = self._stems.get(word[:STEM_CHARACTERS_MIN], ())
        return [*self._words.get(word, ()), *(term for term in stems if word.startswith(term.first))]

    def _of_signs(self, word: str, hidden_signs: int = 0) -> Known:
        """What is in a word of a script without blanks, wherever it begins, after so many signs that are hidden."""
        found: dict[str, Sequence[Term]] = {}
        covered_before = hidden_before = hidden_signs
        others = 0
        is_kana = has_kana(word)
        signs = to_hiragana(word) if is_kana else word
        for start in range(len(word)):
            if start < hidden_before:
                continue
            for length in self._sign_lengths.get(signs[start : start + 2]) or self._sign_lengths.get(signs[start], ()):
                own, end = signs[start : start + length], start + length
                terms = self._signs.get(own) if end <= len(word) else None
                if terms is None or (is_kana and is_cut_out(word, start, end, self._is_part)):
                    continue
                if own not in found and not self._is_disarmed(terms, signs, start, end):
                    found[own] = terms
                covered_before = max(covered_before, end)
                if own in self._hiding_signs:
                    hidden_before = covered_before
                    break
            others += covered_before <= start
        return Known(list(itertools.chain(*found.values())), others / 2, signs[-1] in self._beginnings)

    def _is_disarmed(self, terms: Sequence[Term], signs: str, start: int, end: int) -> bool:
        looks_around = any(term.looks_around and CUT_APART not in term.concepts for term in terms)
        return looks_around and self._surroundings.disarm_signs(signs, start, end)

    def _is_part(self, signs: str) -> bool:
        """Whether words in Katakana may be put together with this one, in Hiragana."""
        return signs in self._signs or signs in self._parts_of_words

    def _other_forms(self, word: str) -> Sequence[Term]:
        """Terms that a word is another form of: with an Arabic prefix, or put together."""
        if "\u0600" <= word[0] <= "\u06ff":
            prefix = _ARABIC_PREFIXES.match(word)
            ends = dict.fromkeys((prefix.end(), 1)) if prefix else ()
            return next((terms for end in ends if (terms := self._whole(word[end:]))), ())
        if COMPOUND_CHARACTERS_MIN <= len(word) <= COMPOUND_CHARACTERS_MAX:
            return self._parts(word)
        return ()

    def _parts(self, word: str) -> list[Term]:
        """The terms that a word is put together of; none where something is left over."""
        reached: dict[int, tuple[int, Term]] = {}
        for start in range(len(word) - STEM_CHARACTERS_MIN + 1):
            if start and start not in reached:
                continue
            for term in self._stems.get(word[start : start + STEM_CHARACTERS_MIN], ()):
                if word.startswith(term.first, start):
                    reached.setdefault(start + len(term.first), (start, term))
                    # The beginning of a word stands for all of it.
                    reached.setdefault(len(word), (start, term))
            for end in range(start + STEM_CHARACTERS_MIN, len(word) + 1):
                for term in self._words.get(word[start:end], ()):
                    reached.setdefault(end, (start, term))
        parts = []
        end = len(word)
        while end in reached:
            end, term = reached[end]
            parts.append(term)
        is_one_language = parts and frozenset.intersection(*(part.languages for part in parts))
        return parts if len(parts) > 1 and is_one_language else []


def _is_new(term: Term, raw: Sequence[str], at: int, end: int, seen: Seen) -> bool:
    """Whether a view shows anew that a term stands there, or who stands beside it where that matters."""
    if CUT_APART in term.concepts:
        at, end = max(0, at - LIVING_WORDS), end + LIVING_WORDS
    return not seen.plain.issuperset(raw[at:end])


def _joined(words: Sequence[str]) -> Iterator[str]:
    """What neighbours among these words make together."""
    for start, end in itertools.combinations(range(len(words) + 1), 2):
        yield "".join(words[start:end])


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
