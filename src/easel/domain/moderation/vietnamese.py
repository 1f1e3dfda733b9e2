"""Vietnamese syllables: words whose marks make other letters, and must not be taken for decoration.

It knows which syllables the script allows, not which of them are words. The same letters under marks in another
language, or as a disguise, are none of these.
"""

import re
import unicodedata
from typing import Final

_LETTERS: Final = "àáảãạăằắẳẵặâầấẩẫậđèéẻẽẹêềếểễệìíỉĩịòóỏõọôồốổỗộơờớởỡợùúủũụưừứửữựỳýỷỹỵ"
MARKED: Final = frozenset(_LETTERS)
"""The letters of Vietnamese that have marks, in lower case."""
_OWN: Final = frozenset("ảạăằắẳẵặầấẩẫậđẻẽẹềếểễệỉĩịỏọồốổỗộơờớởỡợủũụưừứửữựỷỹỵ")
"""Those that next to no other language writes."""
_VOWELS: Final = f"aeiouy{_LETTERS.replace('đ', '')}"
_ONSETS: Final = "ngh|ng|nh|gh|gi|ch|kh|ph|th|tr|qu|[bcdđghklmnprstvx]"
_CODAS: Final = "ng|nh|ch|[cmnpt]"
_SYLLABLE: Final = re.compile(f"(?:{_ONSETS})?[{_VOWELS}]{{1,3}}(?:{_CODAS})?")
_WORDS: Final = re.compile(r"[^\W\d_]+")
_STRETCHED: Final = re.compile(r"(\w)\1{2,}")
_SOME_MARKED: Final = re.compile(f"[{_LETTERS}]")
_SOME_OWN: Final = re.compile(f"[{''.join(sorted(_OWN))}]")
_LATIN_MARKED: Final = re.compile("[\u00c0-\u024f\u1e00-\u1eff]")
OWN_LETTERS_ONE_IN: Final = 100
_OWN_SYLLABLES_MIN: Final = 2
_SYLLABLES_MIN: Final = 2


def may_be_vietnamese(composed: str) -> bool:
    """Whether a composed text has some letters that next to no other language writes: too few are a disguise, or noise."""
    return not composed.isascii() and OWN_LETTERS_ONE_IN * len(_SOME_OWN.findall(composed.lower())) >= len(composed)


def is_syllable(word: str) -> bool:
    """Whether a word in lower case, composed, is a syllable that has marks, however its vowels are stretched."""
    return _SOME_MARKED.search(word) is not None and _SYLLABLE.fullmatch(_STRETCHED.sub(r"\1", word)) is not None


def syllables(text: str) -> frozenset[str]:
    """The marked syllables of a composed text in lower case, where it evidently has Vietnamese in it: none elsewhere."""
    marked = {word for word in _WORDS.findall(text) if _LATIN_MARKED.search(word)}
    found = frozenset(filter(is_syllable, marked))
    own = sum(not _OWN.isdisjoint(word) for word in found)
    is_all = own and len(found) == len(marked) >= _SYLLABLES_MIN
    return found if is_all or (own >= _OWN_SYLLABLES_MIN and 2 * len(found) >= len(marked)) else frozenset()


def without_marks(text: str) -> str:
    """As it is typed in haste: with the letters alone."""
    apart = unicodedata.normalize("NFD", text.replace("đ", "d"))
    return "".join(char for char in apart if unicodedata.category(char) != "Mn")
