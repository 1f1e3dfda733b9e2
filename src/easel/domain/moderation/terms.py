"""A term of the lexicon: what words it has, which concepts it names, and what stands for ages in it.

How terms are found stands in `concepts`.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from easel.domain.moderation.views import UNSPACED

ADULT_AGE: Final = 18
AGE_MAX: Final = 99
AGE_OF_MINOR: Final = "ageofminor"
AGE_OF_ADULT: Final = "ageofadult"
"""Words that stand in terms for every number that is such an age."""
_STAND_FOR_AGES: Final = frozenset({AGE_OF_MINOR, AGE_OF_ADULT})
AGES: Final = {
    number: AGE_OF_MINOR if age < ADULT_AGE else AGE_OF_ADULT
    for age in range(AGE_MAX + 1)
    for number in (str(age), f"{age:02}", f"{age:03}")
}
"""What stands for each number, which may be written with zeros before it."""
_UNSPACED_SIGN: Final = re.compile(f"[{UNSPACED}]")
_FIRST_UNSPACED: Final = "\u0e01"


def is_unspaced(word: str) -> bool:
    """Whether a view's word is of a script without blanks."""
    return word[0] >= _FIRST_UNSPACED and _UNSPACED_SIGN.match(word) is not None


def is_hangul(sign: str) -> bool:
    """Whether it is a Korean syllable."""
    return "\uac00" <= sign <= "\ud7a3"


class Term(NamedTuple):
    """A term's first word and the others, the concepts that it names, whether it hides what it covers, and the languages
    that it is a term of.

    Where it `is_open` its last word may go on.
    """

    text: str
    first: str
    rest: tuple[str, ...]
    is_open: bool
    concepts: tuple[str, ...]
    hides: bool
    languages: frozenset[str]
    looks_around: bool
    """Whether the words beside it may take its meaning away."""

    @property
    def is_aged(self) -> bool:
        """Whether a word that stands for ages is in the rest."""
        return not _STAND_FOR_AGES.isdisjoint(self.rest)

    def follows(self, words: Sequence[str], at: int) -> bool:
        """Whether the rest stands in `words` from `at` on; in it a word may stand for ages."""
        rest = self.rest
        if not rest:
            return True
        end = at + len(rest)
        if self.is_aged:
            words, at, end = [AGES.get(word, word) for word in words[at:end]], 0, len(rest)
        if end > len(words) or any(words[at + number] != word for number, word in enumerate(rest[:-1])):
            return False
        return words[end - 1].startswith(rest[-1]) if self.is_open else words[end - 1] == rest[-1]
