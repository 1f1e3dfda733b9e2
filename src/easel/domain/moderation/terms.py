"""Terms: the words and phrases that name concepts, as written in the lexicon and as searched for.

A term is a word (`nude`), the beginning of a word (`nak*`), a phrase (`under age`), or characters of a script without
spaces (`裸体`). This module does not search for them; `lexicon` does.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from easel.domain.moderation.concepts import CANCELLABLE, CUT_APART, URGED
from easel.domain.moderation.disguises import words_of_each
from easel.domain.moderation.scripts import is_unspaced, to_hiragana

ADULT_AGE: Final = 18
AGE_MAX: Final = 99
AGE_OF_MINOR: Final = "ageofminor"
AGE_OF_ADULT: Final = "ageofadult"
"""Placeholders in terms. Each stands for every number that is such an age."""
_AGE_PLACEHOLDERS: Final = frozenset({AGE_OF_MINOR, AGE_OF_ADULT})
AGES: Final = {
    number: AGE_OF_MINOR if age < ADULT_AGE else AGE_OF_ADULT
    for age in range(AGE_MAX + 1)
    for number in (str(age), f"{age:02}", f"{age:03}")
}
"""The placeholder of each number, which may have leading zeros."""
STEM_CHARACTERS_MIN: Final = 3

Lexemes = Mapping[str, Mapping[str, Sequence[str]]]
"""Terms as they are written, by language and concept."""


class Term(NamedTuple):
    """A term as it is searched for: its first word, and the `rest` of a phrase."""

    text: str
    first: str
    rest: tuple[str, ...]
    is_open: bool
    """Whether the last word may continue, as in `straw*`."""
    concepts: tuple[str, ...]
    hides: bool
    """Whether the words that it covers do not count as other terms, as in `naked mole rat`."""
    languages: frozenset[str]
    depends_on_context: bool
    """Whether nearby words may cancel it."""

    @property
    def has_age(self) -> bool:
        """Whether the rest has a placeholder for ages."""
        return not _AGE_PLACEHOLDERS.isdisjoint(self.rest)

    def follows(self, words: Sequence[str], at: int) -> bool:
        """Whether `words` continue with the rest of the phrase at this index."""
        rest = self.rest
        end = at + len(rest)
        if end > len(words):
            return False
        for number, expected in enumerate(rest, at):
            word = words[number]
            if word == expected or AGES.get(word) == expected:
                continue
            return number == end - 1 and self.is_open and word.startswith(expected)
        return True


class WordTerms(NamedTuple):
    """What a lexicon knows about a single word."""

    terms: Sequence[Term]
    other_words: float
    """Number of words in it besides terms. In scripts without spaces, two characters count as a word."""
    may_begin_phrase: bool


def parse(written: Lexemes, hiding: frozenset[str]) -> Iterator[Term]:
    """Parse written terms. Those of the `hiding` concepts hide the words that they cover.

    Raises ValueError for a term that has no letters or matches too many words.
    """
    shared: dict[frozenset[str], frozenset[str]] = {}
    for text, words, concepts, languages in _merged(written):
        if not words:
            raise ValueError(f"the term {text!r} has no letters")
        first, *rest = words
        is_open = text.endswith("*") or is_unspaced(words[-1])
        if is_open and not rest and not is_unspaced(first) and len(first) < STEM_CHARACTERS_MIN:
            raise ValueError(f"the term {text!r} begins too many words")
        hides = not hiding.isdisjoint(concepts)
        depends = CUT_APART in concepts or _is_cancellable(concepts, hides=hides)
        # Many thousands of terms share a few sets of languages.
        shared_languages = shared.setdefault(languages, languages)
        yield Term(text, first, tuple(rest), is_open, concepts, hides, shared_languages, depends)


def _is_cancellable(concepts: Sequence[str], *, hides: bool) -> bool:
    return not hides and not CANCELLABLE.isdisjoint(concepts) and URGED not in concepts


def _merged(written: Lexemes) -> Iterator[tuple[str, tuple[str, ...], tuple[str, ...], frozenset[str]]]:
    """Each text with its words and concepts, and all languages in which it names exactly these."""
    languages: dict[tuple[str, tuple[str, ...], tuple[str, ...]], list[str]] = defaultdict(list)
    for language, of_language in written.items():
        concepts: dict[str, dict[str, None]] = defaultdict(dict)
        for concept, texts in of_language.items():
            for text in texts:
                concepts[text][concept] = None
        words = words_of_each([to_hiragana(text.removesuffix("*")) for text in concepts])
        for (text, names), own_words in zip(concepts.items(), words, strict=True):
            languages[text, tuple(own_words), tuple(names)].append(language)
    for (text, text_words, text_names), own in languages.items():
        yield text, text_words, text_names, frozenset(own)
