"""Concepts: finding the terms of a lexicon in a view of a prompt.

A term is a few words, the beginning of a word (`nak*`), or signs of a script without blanks, which are found anywhere.
A phrase that means something harmless hides the words in it. A word that is nothing but terms put together (`nudegirl`)
counts as these. A term is told of once, where it is found first.

Time is linear in the view's length, times the number of terms that begin alike.
"""

import itertools
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from easel.domain.prompt_views import UNSPACED, words_of

STEM_CHARACTERS_MIN: Final = 3
SIGNS_BEFORE_BLANK_MAX: Final = 8
COMPOUND_CHARACTERS_MIN: Final = 6
COMPOUND_CHARACTERS_MAX: Final = 40
_UNSPACED_SIGN: Final = re.compile(f"[{UNSPACED}]")
_FIRST_UNSPACED: Final = "\u2e80"
_ARABIC_PREFIXES: Final = re.compile("[وف]?(?:[بك]?ال|لل|[بكل])|[وف]")
"""And, so, in, as, for, the: Arabic writes them in one with the word that follows."""


def is_unspaced(word: str) -> bool:
    """Whether a view's word is of a script without blanks."""
    return word[0] >= _FIRST_UNSPACED and _UNSPACED_SIGN.match(word) is not None


class Term(NamedTuple):
    """A term's first word and the others, the concepts that it names, and whether it hides what it covers.

    Where it `is_open` its last word may go on.
    """

    text: str
    first: str
    rest: tuple[str, ...]
    is_open: bool
    concepts: tuple[str, ...]
    hides: bool

    def follows(self, words: Sequence[str], at: int) -> bool:
        """Whether the rest stands in `words` from `at` on."""
        rest = self.rest
        if not rest:
            return True
        end = at + len(rest)
        if end > len(words) or any(words[at + number] != word for number, word in enumerate(rest[:-1])):
            return False
        return words[end - 1].startswith(rest[-1]) if self.is_open else words[end - 1] == rest[-1]


class Known(NamedTuple):
    """What is known of a word by itself: the terms in it, how many words it has besides them, and whether terms of several
    words may begin with it."""

    terms: Sequence[Term]
    other_words: float
    may_go_on: bool


@dataclass(slots=True)
class Found:
    """What a view has: the term that each concept was found by first, and how many words there are besides terms.

    Two signs of a script without blanks count as a word.
    """

    concepts: dict[str, str] = field(default_factory=dict)
    other_words: float = 0

    def note(self, term: Term) -> None:
        """That this term is in the view."""
        for concept in term.concepts:
            self.concepts.setdefault(concept, term.text)


class Lexicon:
    """Terms by concept."""

    def __init__(self, terms: Mapping[str, Sequence[str]], hiding: frozenset[str]) -> None:
        """`terms` are those of each concept, and those of the `hiding` concepts hide what they cover.

        Raises ValueError for a term that cannot be found.
        """
        concepts: dict[str, list[str]] = defaultdict(list)
        for concept, own in terms.items():
            for text in own:
                if concept not in concepts[text]:
                    concepts[text].append(concept)
        self._words: dict[str, list[Term]] = defaultdict(list)
        self._stems: dict[str, list[Term]] = defaultdict(list)
        self._signs: dict[str, list[Term]] = defaultdict(list)
        self._phrases: dict[tuple[str, str], list[Term]] = defaultdict(list)
        self._open_phrases: dict[str, list[Term]] = defaultdict(list)
        self._beginnings: set[str] = set()
        for text, names in concepts.items():
            self._add(text, tuple(names), hides=not hiding.isdisjoint(names))
        self._count = len(concepts)
        indexes = (self._words, self._stems, self._signs, self._phrases, self._open_phrases)
        for alike in itertools.chain.from_iterable(index.values() for index in indexes):
            alike.sort(key=lambda term: len(term.text), reverse=True)

    def __len__(self) -> int:
        return self._count

    def _add(self, text: str, concepts: tuple[str, ...], *, hides: bool) -> None:
        words = words_of(text.removesuffix("*")).split()
        if not words:
            raise ValueError(f"the term {text!r} has no letters")
        first, *rest = words
        is_open = text.endswith("*") or is_unspaced(words[-1])
        term = Term(text, first, tuple(rest), is_open, concepts, hides)
        if rest:
            # What a phrase begins with; signs may stand before it in the same word.
            self._beginnings.add(first[-1] if is_unspaced(first) else first)
        if len(rest) == 1 and is_open:
            self._open_phrases[first].append(term)
        elif rest:
            self._phrases[first, rest[0]].append(term)
        elif is_unspaced(first):
            self._signs[first[:2]].append(term)
        elif not is_open:
            self._words[first].append(term)
        elif len(first) >= STEM_CHARACTERS_MIN:
            self._stems[first[:STEM_CHARACTERS_MIN]].append(term)
        else:
            raise ValueError(f"the term {text!r} begins too many words")

    def find(self, views: Sequence[str]) -> list[Found]:
        """What is in each view of a prompt."""
        # A word is looked at once, however often it comes.
        known: dict[str, Known] = {}
        return [self._find(view.split(), known) for view in views]

    def _find(self, words: Sequence[str], known: dict[str, Known]) -> Found:
        found = Found()
        covered_before = hidden_before = 0
        noted: set[str] = set()
        for at, word in enumerate(words):
            own = known.get(word)
            if own is None:
                own = known[word] = self._of_signs(word) if is_unspaced(word) else self._of_word(word)
            if own.may_go_on and at >= hidden_before:
                covered_before, hidden_before = self._note_phrases(words, at, found, covered_before)
            if at < hidden_before:
                continue
            if own.terms and word not in noted:
                noted.add(word)
                for term in own.terms:
                    found.note(term)
            if at >= covered_before:
                found.other_words += own.other_words
        return found

    def _note_phrases(self, words: Sequence[str], at: int, found: Found, covered_before: int) -> tuple[int, int]:
        """Note the terms of several words that begin at a word, up to one that hides; where what they cover, and hide,
        ends."""
        for term in self._phrases_at(words, at):
            found.note(term)
            covered_before = max(covered_before, at + 1 + len(term.rest))
            if term.hides:
                return covered_before, covered_before
        return covered_before, 0

    def _phrases_at(self, words: Sequence[str], at: int) -> Iterator[Term]:
        if at + 1 == len(words):
            return
        word = words[at]
        ends = [word]
        if is_unspaced(word):
            ends += [word[-length:] for length in range(1, min(len(word) - 1, SIGNS_BEFORE_BLANK_MAX) + 1)]
        for end in ends:
            for term in itertools.chain(self._phrases.get((end, words[at + 1]), ()), self._open_phrases.get(end, ())):
                if term.follows(words, at + 1):
                    yield term

    def _of_word(self, word: str) -> Known:
        """What a word with blanks around it is."""
        terms = self._whole(word) or self._other_forms(word)
        hiding = [term for term in terms if term.hides]
        return Known(hiding[:1] or terms, 0 if terms else 1, word in self._beginnings)

    def _whole(self, word: str) -> list[Term]:
        stems = self._stems.get(word[:STEM_CHARACTERS_MIN], ())
        return [*self._words.get(word, ()), *(term for term in stems if word.startswith(term.first))]

    def _of_signs(self, word: str) -> Known:
        """What is in a word of a script without blanks, wherever it begins."""
        terms: dict[str, Term] = {}
        covered_before = hidden_before = others = 0
        for start in range(len(word)):
            if start < hidden_before:
                continue
            for term in self._signs_at(word, start):
                terms[term.text] = term
                covered_before = max(covered_before, start + len(term.first))
                if term.hides:
                    hidden_before = covered_before
                    break
            others += covered_before <= start
        return Known(list(terms.values()), others / 2, word[-1] in self._beginnings)

    def _signs_at(self, word: str, start: int) -> list[Term]:
        two, one = self._signs.get(word[start : start + 2]), self._signs.get(word[start])
        if two is None and one is None:
            return []
        return [term for term in itertools.chain(two or (), one or ()) if word.startswith(term.first, start)]

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
        return parts if len(parts) > 1 else []
