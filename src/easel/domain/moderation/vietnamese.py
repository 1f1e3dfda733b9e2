"""Vietnamese: recognises marked syllables. Folding must keep their marks, which distinguish letters.

`nụ` (a bud) is not `nu`. This module knows the form of a syllable, not whether it is a word. Marked letters of another
language, or of a disguise, rarely form such syllables.
"""

import re
import unicodedata
from typing import Final

_LETTERS: Final = "àáảãạăằắẳẵặâầấẩẫậđèéẻẽẹêềếểễệìíỉĩịòóỏõọôồốổỗộơờớởỡợùúủũụưừứửữựỳýỷỹỵ"
MARKED: Final = frozenset(_LETTERS)
"""The marked letters of Vietnamese, in lower case."""
_OWN: Final = frozenset("ảạăằắẳẵặầấẩẫậđẻẽẹềếểễệỉĩịỏọồốổỗộơờớởỡợủũụưừứửữựỷỹỵ")
"""The marked letters that hardly any other language uses."""
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
    """Whether enough characters of an NFC text are letters of Vietnamese alone. A few may be a disguise or noise."""
    return OWN_LETTERS_ONE_IN * len(_SOME_OWN.findall(composed.lower())) >= len(composed)


def may_have_syllables(text: str) -> bool:
    """Whether any word of an NFC text in lower case may be a marked syllable."""
    return _SOME_MARKED.search(text) is not None


def is_syllable(word: str) -> bool:
    """Whether an NFC word in lower case is a marked syllable, however its vowels are stretched."""
    return _SOME_MARKED.search(word) is not None and _SYLLABLE.fullmatch(_STRETCHED.sub(r"\1", word)) is not None


def syllables(text: str) -> frozenset[str]:
    """The marked syllables of an NFC text in lower case, if it evidently has Vietnamese in it; otherwise none."""
    marked = {word for word in _WORDS.findall(text) if _LATIN_MARKED.search(word)}
    found = frozenset(filter(is_syllable, marked))
    own = sum(not _OWN.isdisjoint(word) for word in found)
    is_all = own and len(found) == len(marked) >= _SYLLABLES_MIN
    return found if is_all or (own >= _OWN_SYLLABLES_MIN and 2 * len(found) >= len(marked)) else frozenset()


def without_marks(text: str) -> str:
    """The text in plain letters, as many people type it."""
    apart = unicodedata.normalize("NFD", text.replace("đ", "d"))
    return "".join(char for char in apart if unicodedata.category(char) != "Mn")
