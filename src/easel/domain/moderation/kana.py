"""Kana: where words in it begin and end.

A row of Katakana is a word, or a few of them put together. Foreign words are written in it, so that short ones are found in
many others: `グロ` in `グローバル`, `エロ` in `イエロー`. What is found in Hiragana may be the end of a verb.
"""

import re
from collections.abc import Callable
from typing import Final

_KATAKANA: Final = range(0x30A1, 0x30FD)
_TO_HIRAGANA: Final = {code_point: code_point - 0x60 for code_point in range(0x30A1, 0x30F7)}
_SOME: Final = re.compile("[\u30a1-\u30f6]+")
_KANA: Final = re.compile("[\u3041-\u30fc]")
_PARTICLES: Final = frozenset("のなでとがをにはもやいさ")
_LONG_SIGNS_MIN: Final = 4
"""A term of so many signs is found at either end of a row, whatever the rest is."""
_SHORT_SIGNS_MAX: Final = 3
_ENDS_A_WORD: Final = re.compile(f"[\u3041-\u3096\u3400-\u9fff](?<![{''.join(sorted(_PARTICLES))}])[\u3041-\u3096]+$")
"""What goes on in Hiragana after a sign that is no particle: the end of a verb, as `えろ` of `考えろ`."""
_ROW_SIGNS_MAX: Final = 40
_PART_SIGNS_MAX: Final = 8


def to_hiragana(text: str) -> str:
    """The text with Hiragana for Katakana."""
    return _SOME.sub(lambda row: row[0].translate(_TO_HIRAGANA), text)


def has_kana(text: str) -> bool:
    """Whether some of it is in kana."""
    return _KANA.search(text) is not None


def is_cut_out(word: str, start: int, end: int, is_part: Callable[[str], bool]) -> bool:
    """Whether what stands there in a word is in Katakana and only a piece of a longer word.

    `is_part` says of signs in Hiragana whether words are put together with them. Rows too long for words are cut anywhere.
    """
    if not (_is_katakana(word, start) or _is_katakana(word, end - 1)):
        return end - start <= _SHORT_SIGNS_MAX and start > 0 and _ENDS_A_WORD.match(word[start - 1 : end]) is not None
    first, last = start, end
    while _is_katakana(word, start) and _is_katakana(word, first - 1) and start - first < _ROW_SIGNS_MAX:
        first -= 1
    while _is_katakana(word, end - 1) and _is_katakana(word, last) and last - end < _ROW_SIGNS_MAX:
        last += 1
    if last - first >= _ROW_SIGNS_MAX or (first == start and last == end):
        return False
    if end - start >= _LONG_SIGNS_MIN and (first == start or last == end):
        return False
    before, after = to_hiragana(word[first:start]), to_hiragana(word[end:last])
    return not (_is_put_together(before, is_part) and _is_put_together(after, is_part))


def is_particle_and_word(text: str, word: str, start: int) -> bool:
    """Whether a term in Katakana is only found there by its sound: a particle in Hiragana, and then a word in Katakana, as
    in `のエロ` for the end of a name, `ノエロ`."""
    return _is_katakana(text, 0) and not _is_katakana(word, start) and _is_katakana(word, start + 1)


def _is_katakana(word: str, at: int) -> bool:
    return 0 <= at < len(word) and ord(word[at]) in _KATAKANA


def _is_put_together(signs: str, is_part: Callable[[str], bool]) -> bool:
    reached = {0}
    for end in range(1, len(signs) + 1):
        for start in range(max(0, end - _PART_SIGNS_MAX), end):
            own = signs[start:end]
            if start in reached and (own in _PARTICLES or (len(own) > 1 and is_part(own))):
                reached.add(end)
                break
    return len(signs) in reached
