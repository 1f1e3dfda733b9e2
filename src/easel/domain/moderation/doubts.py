"""Doubts: whether a term is meant, where the same letters are an ordinary word of another language.

French `bites` is English in `a kid bites into an apple`, and Japanese `性的` is found between two Chinese words. Such a term
waits until something else says that its own language is spoken too: a function word, a term of that language that is
no word of another, or two of its terms together, in scripts that put blanks between words.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from easel.domain.moderation.languages import Spoken
from easel.domain.moderation.terms import Term, is_unspaced

UNCHARGED: Final = frozenset(
    {
        "person",
        "depiction",
        "display",
        "real_look",
        "invented",
        "adult",
        "innocent",
        "encourage",
        "glorify",
        "old_art",
        "creature",
    }
)
"""Concepts that say nothing by themselves, and so nothing of the language either."""
_NEVER_DOUBTED: Final = frozenset({"minor", "teen", "unclear_age"})
_IN_HAN: Final = frozenset({"ja", "zh"})
_SUPPORTING_MIN: Final = 2
STEM_CHARACTERS: Final = 5
"""How long the beginning of a word is by which many forms of it are known as ordinary."""


class Doubts:
    """What is in doubt in one prompt, and what speaks for it."""

    def __init__(self, spoken: Spoken, ordinary: Mapping[str, frozenset[str]]) -> None:
        """`ordinary` says of words in which languages they mean something else."""
        self._spoken = spoken
        self._ordinary = ordinary
        self._certain: set[str] = set()
        self._words: dict[str, set[tuple[str, ...]]] = defaultdict(set)
        self._concepts: dict[str, set[str]] = defaultdict(set)

    def has(self, term: Term, words: Sequence[str]) -> bool:
        """Whether a term that was found as these words is in doubt. Remembers what it says of its language."""
        languages = term.languages
        if term.hides or not languages.isdisjoint(self._spoken.evident):
            return False
        is_charged = not UNCHARGED.issuperset(term.concepts)
        if self._is_elsewhere(term, words):
            if is_charged and not is_unspaced(term.first):
                for language in languages:
                    self._words[language].add(tuple(words))
                    self._concepts[language].update(term.concepts)
            return languages.isdisjoint(self._spoken.heard)
        if is_charged:
            self._certain.update(languages)
        return False

    def is_supported(self, term: Term) -> bool:
        """Whether a term in doubt is meant after all. Asked when all terms were found."""
        return any(language in self._certain or self._are_several(language) for language in term.languages)

    def _are_several(self, language: str) -> bool:
        return min(len(self._words[language]), len(self._concepts[language])) >= _SUPPORTING_MIN

    def _is_elsewhere(self, term: Term, words: Sequence[str]) -> bool:
        if is_unspaced(term.first):
            return term.languages <= _IN_HAN and _NEVER_DOUBTED.isdisjoint(term.concepts)
        return all(not self._where_ordinary(word).isdisjoint(self._spoken.evident) for word in words)

    def _where_ordinary(self, word: str) -> frozenset[str]:
        whole = self._ordinary.get(word)
        return self._ordinary.get(f"{word[:STEM_CHARACTERS]}*", _NOWHERE) if whole is None else whole


_NOWHERE: Final[frozenset[str]] = frozenset()
