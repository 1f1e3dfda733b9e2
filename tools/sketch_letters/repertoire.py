"""Which shapes of each script are written: of Chinese and Korean the commonest characters, by the national standards.

GB 2312 has 3,755 characters in its first level, JIS X 0208 has 2,965, and KS X 1001 has 2,350 syllables. Of Devanagari
there are all syllables of one consonant, and those with several that the Hindi words of the engine have.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from easel.engines.sketch.painting.scripts import JOINER, SYLLABLES

HINDI: Final = Path("src/easel/engines/sketch/words/tables/hi.txt")
CONSONANTS: Final = [chr(code) for code in (*range(0x915, 0x93A), *range(0x958, 0x960))]
VOWEL_SIGNS: Final = [
    "",
    *(chr(code) for code in (*range(0x93E, 0x945), 0x945, 0x947, 0x948, 0x949, 0x94B, 0x94C, 0x94D)),
]
NASALS: Final = ("", "\u0901", "\u0902")
PUNCTUATION: Final = "、。・「」『』！？：，（）ー々〜"


def arabic() -> Iterator[str]:
    """Each letter in each of its forms, and the marks and digits."""
    letters = [chr(code) for code in (*range(0x621, 0x64B), 0x67E, 0x686, 0x698, 0x6A9, 0x6AF, 0x6CC)]
    for letter in (*letters, *(f"\u0644{alef}" for alef in "\u0622\u0623\u0625\u0627")):
        for before in ("", JOINER):
            for after in ("", JOINER):
                yield before + letter + after
    yield from "\u060c\u061b\u061f\u0660\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668\u0669"


def devanagari() -> Iterator[str]:
    """Each syllable of one consonant, those of several that words have, with each vowel, and the rest."""
    found = set(SYLLABLES.findall(re.sub("[^\u0900-\u097f]", " ", HINDI.read_text(encoding="utf-8"))))
    stems = {re.sub("[\u093e-\u094c\u0900-\u0903]", "", syllable) for syllable in found if "\u094d" in syllable}
    for consonant in (*CONSONANTS, *sorted(stem for stem in stems if not stem.endswith("\u094d"))):
        for vowel in VOWEL_SIGNS:
            yield from (consonant + vowel + nasal for nasal in NASALS)
    for code in range(0x904, 0x915):
        yield from (chr(code) + nasal for nasal in NASALS)
    yield from (chr(code) for code in (*range(0x966, 0x970), 0x964))


def chinese() -> Iterator[str]:
    """The first level of GB 2312."""
    yield from _coded("gb2312", range(0xB0, 0xD8))
    yield from PUNCTUATION


def japanese() -> Iterator[str]:
    """Kana and the first level of JIS X 0208."""
    yield from (chr(code) for code in (*range(0x3041, 0x3097), *range(0x30A1, 0x30FB), 0x30FC))
    yield from _coded("euc_jp", range(0xB0, 0xD0))


def korean() -> Iterator[str]:
    """The syllables of KS X 1001."""
    yield from _coded("euc_kr", range(0xB0, 0xC9))


def _coded(codec: str, rows: range) -> Iterator[str]:
    for row in rows:
        for column in range(0xA1, 0xFF):
            character = bytes((row, column)).decode(codec, "ignore")
            if character:
                yield character


EAST_ASIAN: Final[dict[str, Callable[[], Iterator[str]]]] = {"sc": chinese, "jp": japanese, "kr": korean}
"""What is taken from each font, the first before the others."""
