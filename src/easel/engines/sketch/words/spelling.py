"""How words are written: what of them is compared, and the ways in which people type them.

`normal` folds what writers leave to chance in every language, `folded` what they do in one: traditional characters in
Chinese, the dot below and the nasal signs in Hindi, the seats of hamza in Arabic. `bare` takes every accent away.
"""

import functools
import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Final

TRADITIONAL: Final = Path(__file__).parent / "traditional.txt"
"""Pairs of a traditional character and the simplified one, of those that the tables use."""
_SIGNS: Final[Mapping[str, Mapping[int, int | str | None]]] = {
    "hi": {0x93C: None, 0x901: 0x902},
    "ar": {ord(written): meant for written, meant in zip("أإآٱىئؤ", "ااااييو", strict=True)},
}
_UNMARKED: Final = (("ı", "i"), ("đ", "d"), ("ø", "o"), ("ł", "l"), ("æ", "ae"), ("œ", "oe"))
_WRITTEN: Final = (("\u0307", ""), ("ё", "е"), ("’", "'"), ("ـ", ""))
_VOWEL_MARKS: Final = re.compile("[\u064b-\u0652]")
UMLAUTS: Final = str.maketrans({umlaut: f"{vowel}e" for umlaut, vowel in zip("äöü", "aou", strict=True)})


def letters(text: str) -> str:
    """Text with compatible characters, in lower case, without marks that writers leave out. Spaces are kept."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    for written, meant in _WRITTEN:
        folded = folded.replace(written, meant)
    return _VOWEL_MARKS.sub("", folded)


def normal(text: str) -> str:
    """Text as it is compared: its letters, with single spaces."""
    return " ".join(letters(text).split())


def bare(text: str) -> str:
    """Latin text without accents, as it is typed on a keyboard that has none."""
    for written, meant in _UNMARKED:
        text = text.replace(written, meant)
    return unicodedata.normalize("NFD", text).encode("ascii", "ignore").decode()


def folded(text: str, language: str) -> str:
    """Text with the signs of a language as its tables have them."""
    signs = _signs(language)
    return text.translate(signs) if signs else text


@functools.cache
def _signs(language: str) -> Mapping[int, int | str | None]:
    if language != "zh":
        return _SIGNS.get(language, {})
    pairs = TRADITIONAL.read_text(encoding="utf-8").split()
    return {ord(pair[0]): pair[1] for pair in pairs if len(pair) == 2}
