"""The lexicon: finds terms, and so concepts, in the variants of a prompt.

A term counts once, where it is found first. A harmless phrase hides the words in it: `naked mole rat`. After the plain
variant, others are searched only where they differ from it. If a term may be a word of another language,
`LanguageEvidence` decides about it once all terms are found. Nothing here knows which concepts are refused.

Time is linear in a variant's length, times the number of terms that begin alike.
"""

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Final

from easel.domain.moderation.concepts import CUT_APART, LIVING, OTHER_WORDS_MAX
from easel.domain.moderation.context import Breaks, Context, after, before, has_break
from easel.domain.moderation.disguises import Variants
from easel.domain.moderation.languages import DetectedLanguages, LanguageEvidence
from easel.domain.moderation.letter_rows import SPELLED_MARK
from easel.domain.moderation.scripts import ARABIC, has_katakana, is_unspaced, to_hiragana
from easel.domain.moderation.spelled_out import terms_across, terms_within
from easel.domain.moderation.terms import STEM_CHARACTERS_MIN, Term, WordTerms
from easel.domain.moderation.unspaced import UnspacedIndex
from easel.domain.moderation.word_boundaries import ChineseWords
from easel.domain.moderation.word_index import WordIndex

SHORT_VARIANT_WORDS_MAX: Final = 40
"""A longer variant is searched only around new words, a shorter one completely, to count its other words."""
NEAR_WORDS: Final = 4
_NO_CONTEXT: Final = Context(frozenset(), frozenset())
_NO_CHINESE_WORDS: Final = ChineseWords()


class Lexicon:
    """Terms by concept."""

    def __init__(
        self,
        terms: Sequence[Term],
        ordinary: Mapping[str, frozenset[str]] | None = None,
        context: Context = _NO_CONTEXT,
        parts: Iterable[str] = (),
        chinese_words: ChineseWords = _NO_CHINESE_WORDS,
    ) -> None:
        """`ordinary` has the languages in which a word is harmless, and `parts` are words that form compounds in
        scripts without spaces."""
        unspaced = [not term.rest and is_unspaced(term.first) for term in terms]
        self._count = len(terms)
        self.ordinary = ordinary or {}
        self.context = context
        self.words = WordIndex(itertools.compress(terms, (not each for each in unspaced)))
        self.unspaced = UnspacedIndex(
            itertools.compress(terms, unspaced), parts, context, chinese_words, self.words.beginnings
        )
        # A word in Arabic may begin with a prefix, so any may be a term.
        self._telltale_characters = frozenset((*self.unspaced.telltale_characters, *ARABIC))

    def __len__(self) -> int:
        return self._count

    def candidates(self, words: Set[str]) -> list[str]:
        """The words that may be terms or begin phrases, by a quick look at their characters."""
        starts, characters = self.words.starts, self._telltale_characters
        return [word for word in words if word[:STEM_CHARACTERS_MIN] in starts or not characters.isdisjoint(word)]

    def find(
        self,
        variants: Variants,
        languages: DetectedLanguages,
        spelled_out: Sequence[str] = (),
        breaks: Callable[[], Breaks] = frozenset,
    ) -> list["Found"]:
        """What is found in each variant of a prompt, the plain one first, and then in what single letters spell.

        Calls `breaks` only if they matter.
        """
        search = _Search(self, languages, breaks)
        found = [search.in_variant(text, words) for text, words in variants.items()]
        shown = set(itertools.chain.from_iterable(variants.values())) if spelled_out else set()
        found += [search.in_spelled_out(text, variants, shown) for text in spelled_out]
        for each in found:
            for term in each.doubtful:
                if search.evidence.confirms(term):
                    each.note(term)
        return found


@dataclass(slots=True)
class Found:
    """What is found in a variant: the first term of each concept, and the number of words besides terms.

    In scripts without spaces, two characters count as a word.
    """

    concepts: dict[str, str] = field(default_factory=dict)
    other_words: float = 0
    doubtful: list[Term] = field(default_factory=list)

    def note(self, term: Term) -> None:
        """Add a term."""
        for concept in term.concepts:
            self.concepts.setdefault(concept, term.text)


class _Variant:
    """One variant: its words, raw and in Hiragana, and the end of the phrases found in it."""

    __slots__ = (
        "found", "hidden_before", "hidden_characters", "hidden_in", "phrase_ends", "raw", "settled", "words",
    )  # fmt: skip

    def __init__(self, text: str, raw: Sequence[str]) -> None:
        self.raw = raw
        self.words = to_hiragana(text).split() if not text.isascii() and has_katakana(text) else raw
        self.found = Found()
        self.settled: set[str] = set()
        """Words that need not be noted again, wherever they stand."""
        self.phrase_ends: dict[int, int] = {}
        """The end of the longest phrase found at an index."""
        self.hidden_before = 0
        self.hidden_in, self.hidden_characters = -1, 0
        """The word in which the last hiding phrase ends, and the number of its characters that the phrase hides."""

    def cover(self, term: Term, at: int, end: int) -> None:
        """Note that a phrase is at `raw[at:end]`."""
        self.phrase_ends[at] = max(self.phrase_ends.get(at, 0), end)
        if term.hides:
            self.hidden_before = end
            if is_unspaced(self.raw[end - 1]):
                self.hidden_before = self.hidden_in = end - 1
                self.hidden_characters = len(term.rest[-1])


class _Search:
    """The search of one prompt, and its knowledge of the words so far."""

    def __init__(self, lexicon: Lexicon, languages: DetectedLanguages, breaks: Callable[[], Breaks]) -> None:
        self.evidence = LanguageEvidence(languages, lexicon.ordinary)
        self._lexicon = lexicon
        self._find_breaks = breaks
        self._seen: set[str] = set()
        self._known: dict[str, WordTerms] = {}
        """The words seen so far that were looked up, because their characters may be those of a term."""
        self._telling: dict[str, WordTerms] = {}
        """Those of them that are terms or begin phrases."""
        self._phrases: dict[tuple[str, str], list[Term]] = {}
        self._plain: set[str] = set()
        """Empty until the plain variant has been searched. Then it has that variant's words, and those in `_hidden`."""
        self._hidden: set[str] = set()
        """The words of hiding phrases found so far, single and joined."""

    @functools.cached_property
    def _breaks(self) -> Breaks:
        return self._find_breaks()

    def in_variant(self, text: str, raw: Sequence[str]) -> Found:
        """Search a variant, the plain one first."""
        distinct = set(raw)
        self._see(distinct)
        variant = _Variant(text, raw)
        for at in self._places(raw, distinct):
            if at >= variant.hidden_before:
                self._note_all(variant, at)
        variant.found.other_words = self._other_words(variant)
        if not self._plain:
            self._plain.update(raw, self._hidden)
        return variant.found

    def _places(self, raw: Sequence[str], distinct: Set[str]) -> Sequence[int]:
        """The indexes at which terms or phrases may begin: in a long variant only those near new words."""
        telling = itertools.compress(range(len(raw)), map(self._telling.__contains__, raw))
        if not self._is_long(raw):
            return list(telling)
        new = distinct - self._plain
        reach = self._lexicon.words.phrase_words_max + 1
        return [at for at in telling if raw[at] in new or not new.isdisjoint(raw[max(0, at - NEAR_WORDS) : at + reach])]

    def _is_long(self, raw: Sequence[str]) -> bool:
        """Whether a variant is searched only near its new words."""
        return bool(self._plain) and len(raw) > SHORT_VARIANT_WORDS_MAX

    def _note_all(self, variant: _Variant, at: int) -> None:
        """Note the phrases that begin at a word, and the word's own terms unless a phrase hides them."""
        word = variant.raw[at]
        known = self._telling[word]
        if known.may_begin_phrase:
            self._note_phrases(variant, at)
        if not known.terms or word in variant.settled or at < variant.hidden_before:
            return
        if at == variant.hidden_in:
            known = self._lexicon.unspaced.look_up(word, variant.hidden_characters)
        elif not any(term.depends_on_context for term in known.terms):
            variant.settled.add(word)
        for term in known.terms:
            self._note(term, variant, at, at + 1)

    def _other_words(self, variant: _Variant) -> float:
        """The number of words besides terms. Of many words, only that they are many."""
        others, covered_before = 0.0, 0
        for at, word in enumerate(variant.raw):
            covered_before = max(covered_before, variant.phrase_ends.get(at, 0))
            if at >= covered_before:
                others += self._counts_as(word)
                if others > OTHER_WORDS_MAX:
                    return others
        return others if self._is_searched_completely(variant.raw) else len(variant.raw)

    def _is_searched_completely(self, raw: Sequence[str]) -> bool:
        if not self._is_long(raw):
            return True
        reach = self._lexicon.words.phrase_words_max + 1
        windows = (raw[max(0, at - NEAR_WORDS) : at + reach] for at in range(len(raw)))
        return not any(map(self._plain.issuperset, windows))

    def _see(self, words: Set[str]) -> None:
        """Look up words, unless they were seen before."""
        new = words - self._seen
        self._seen.update(new)
        for word in self._lexicon.candidates(new):
            known = self._look_up(word)
            if known.terms or known.may_begin_phrase:
                self._telling[word] = known

    def _look_up(self, word: str) -> WordTerms:
        index = self._lexicon.words if word.isascii() or not is_unspaced(word) else self._lexicon.unspaced
        known = self._known[word] = index.look_up(word)
        return known

    def _counts_as(self, word: str) -> float:
        """The number of words that a word counts as, besides the terms in it."""
        known = self._known.get(word)
        if known is None:
            if word.isascii() or not is_unspaced(word):
                return 1
            known = self._look_up(word)
        return known.other_words

    def _note(self, term: Term, variant: _Variant, at: int, end: int) -> None:
        """Note the term at `raw[at:end]`, unless the plain variant had it too or its context cancels it."""
        if self._is_new(term, variant.raw, at, end) and not (
            term.depends_on_context and self._is_cancelled(term, variant.words, at, end)
        ):
            self._weigh(term, variant.raw[at:end], variant.found)

    def _weigh(self, term: Term, words: Sequence[str], found: Found) -> None:
        if self.evidence.is_doubtful(term, words):
            found.doubtful.append(term)
        else:
            found.note(term)

    def _is_new(self, term: Term, raw: Sequence[str], at: int, end: int) -> bool:
        if CUT_APART in term.concepts:
            # The new word may be a living being beside the term.
            at, end = max(0, at - NEAR_WORDS), end + NEAR_WORDS
        return not self._plain.issuperset(raw[at:end])

    def _is_cancelled(self, term: Term, words: Sequence[str], at: int, end: int) -> bool:
        if CUT_APART not in term.concepts:
            return self._lexicon.context.cancels(words, at, end, self._breaks)
        around = itertools.chain(
            words[at:end] if is_unspaced(words[at]) else (),
            before(words, at, NEAR_WORDS, self._breaks),
            after(words, end, NEAR_WORDS, self._breaks),
        )
        return not any(self._is_living(word) for word in around)

    def _is_living(self, word: str) -> bool:
        if word not in self._seen:
            self._see({word})
        known = self._telling.get(word)
        return known is not None and any(not LIVING.isdisjoint(term.concepts) for term in known.terms)

    def _note_phrases(self, variant: _Variant, at: int) -> None:
        """Note the phrases that begin at a word, up to the first that hides its words."""
        words = variant.words
        for term in self._phrases_at(words, at):
            end = at + 1 + len(term.rest)
            if self._is_overlapped(term, words, end):
                continue
            if term.hides and has_break(words[at:end], self._breaks):
                continue
            self._note(term, variant, at, end)
            variant.cover(term, at, end)
            if term.hides:
                # In other variants the same words may be joined, if they have hyphens.
                self._hidden.update(_joined(variant.raw[at:end]))
                return

    def _phrases_at(self, words: Sequence[str], at: int) -> list[Term]:
        """The phrases at an index. Of phrases with the same beginning, the longest comes first."""
        if at + 1 == len(words):
            return []
        pair = words[at], words[at + 1]
        begun = self._phrases.get(pair)
        if begun is None:
            begun = self._phrases[pair] = list(self._lexicon.words.phrases_beginning(*pair))
        return [term for term in begun if term.follows(words, at + 1)] if begun else []

    def _is_overlapped(self, term: Term, words: Sequence[str], end: int) -> bool:
        """Whether a phrase's last word begins a phrase that hides it: `homme nu` in `homme nu-pieds`."""
        if term.hides or words[end - 1] not in self._lexicon.words.beginnings or self._plain:
            # Only the plain variant has reliable breaks.
            return False
        following = self._phrases_at(words, end - 1)
        return any(
            other.hides and not has_break(words[end - 1 : end + len(other.rest)], self._breaks) for other in following
        )

    def in_spelled_out(self, text: str, variants: Iterable[str], shown: Set[str]) -> Found:
        """Search what single letters spell for terms that no variant has shown."""
        found = Found(other_words=len(text))
        words = self._lexicon.words
        for term in terms_across(text, words) if SPELLED_MARK in text else terms_within(text, words):
            phrase = f" {' '.join((term.first, *term.rest))}"
            is_shown = any(phrase in variant for variant in variants) if term.rest else term.first in shown
            if not is_shown:
                self._weigh(term, (term.first, *term.rest), found)
        return found


def _joined(words: Sequence[str]) -> Iterator[str]:
    """Every run of two or more neighbouring words, joined, and every word."""
    for start, end in itertools.combinations(range(len(words) + 1), 2):
        yield "".join(words[start:end])
