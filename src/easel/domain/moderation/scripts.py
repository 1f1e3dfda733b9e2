"""Writing systems: which script a character belongs to, and whether it puts spaces between words.

The constants are contents of character classes, from which regular expressions are built. A script is not a language:
`languages` tells Chinese from Japanese.
"""

import re
from typing import Final

THAI: Final = "\u0e01-\u0e3a\u0e40-\u0e4e"
DEVANAGARI: Final = "\u0900-\u0963"
LETTER_MARKS: Final = "\u0900-\u0903\u093a-\u094f\u0951-\u0957\u0962\u0963\u0e31\u0e34-\u0e3a\u0e47-\u0e4e"
"""Marks that are letters in Thai and Devanagari: vowels, tones and consonant joiners."""
HAN_OR_KANA: Final = "\u2e80-\u2fdf\u3005-\u3007\u3041-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
UNSPACED: Final = f"{HAN_OR_KANA}{THAI}\uac00-\ud7a3"
"""Scripts without spaces between words, and Korean, which attaches endings to words."""
ARABIC: Final = frozenset(map(chr, range(0x600, 0x700)))
_FIRST_UNSPACED: Final = "\u0e01"
_UNSPACED_START: Final = re.compile(f"[{UNSPACED}]")
_KANA: Final = re.compile("[\u3041-\u30fc]")
_KATAKANA: Final = range(0x30A1, 0x30FD)
_KATAKANA_WITH_HIRAGANA: Final = re.compile("[\u30a1-\u30f6]+")
_TO_HIRAGANA: Final = {code_point: code_point - 0x60 for code_point in range(0x30A1, 0x30F7)}
_TO_KATAKANA: Final = {chr(hiragana): chr(katakana) for katakana, hiragana in _TO_HIRAGANA.items()}


def is_unspaced(word: str) -> bool:
    """Whether a word begins in a script that `UNSPACED` describes."""
    return word[0] >= _FIRST_UNSPACED and _UNSPACED_START.match(word) is not None


def is_hangul(character: str) -> bool:
    """Whether a character is a Korean syllable."""
    return "\uac00" <= character <= "\ud7a3"


def is_arabic(word: str) -> bool:
    """Whether a word begins with an Arabic letter."""
    return word[0] in ARABIC


def has_kana(text: str) -> bool:
    """Whether any of the text is in Hiragana or Katakana."""
    return _KANA.search(text) is not None


def has_katakana(text: str) -> bool:
    """Whether `to_hiragana` changes the text."""
    return _KATAKANA_WITH_HIRAGANA.search(text) is not None


def is_katakana(text: str, at: int) -> bool:
    """Whether the text has a Katakana character at this index; False beyond its ends."""
    return 0 <= at < len(text) and ord(text[at]) in _KATAKANA


def as_katakana(character: str) -> str:
    """A Hiragana character as Katakana; any other as it is."""
    return _TO_KATAKANA.get(character, character)


def to_hiragana(text: str) -> str:
    """The text with Katakana converted to Hiragana."""
    return _KATAKANA_WITH_HIRAGANA.sub(lambda row: row[0].translate(_TO_HIRAGANA), text)
