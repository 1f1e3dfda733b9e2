"""Word boundaries in Chinese and Japanese, which put no spaces between words.

A term does not count if its characters belong to other words: `色情` in `特色情况` (`特色` and `情况`), `グロ` in
`グローバル`. Only listed words are considered. If a text can be divided in more than one way, the term counts.
"""

import re
from collections.abc import Callable
from typing import Final

from easel.domain.moderation.scripts import is_katakana, to_hiragana

_CHINESE_WORD_CHARACTERS_MAX: Final = 4
_CHINESE_WORDS_OF_ONE: Final = frozenset("中人她他入头頭")
"""Single characters that are common words."""

_PARTICLES: Final = frozenset("のなでとがをにはもやいさ")
_LONG_TERM_CHARACTERS_MIN: Final = 4
"""A term of at least this length counts at either end of a run of Katakana, whatever the rest is."""
_SHORT_TERM_CHARACTERS_MAX: Final = 3
_ENDS_A_WORD: Final = re.compile(f"[\u3041-\u3096\u3400-\u9fff](?<![{''.join(sorted(_PARTICLES))}])[\u3041-\u3096]+$")
"""Matches the end of a verb, which is Hiragana after anything but a particle: `えろ` in `考えろ`."""
_RUN_CHARACTERS_MAX: Final = 40
_PART_CHARACTERS_MAX: Final = 8


class ChineseWords:
    """Common Chinese words. A term that spans two of them does not count."""

    def __init__(self, words: frozenset[str] = frozenset()) -> None:
        self._words = words

    def cross(self, text: str, start: int, end: int, *, is_minor: bool, since: int, until: int) -> bool:
        """Whether `text[start:end]` is the end of one word and the beginning of the next.

        At least one of the words must extend beyond the term, or both if the term denotes a minor. Ignores words that
        begin before `since` or do not extend past `until`, because these limits belong to neighbouring terms.
        """
        # Plain loops: a prompt may have a thousand such places, and generators would double the time.
        for at in range(start + 1, end) if self._words else ():
            if self._are_two_words(text, start, at, end, is_minor=is_minor, since=since, until=until):
                return True
        return False

    def _are_two_words(
        self, text: str, start: int, at: int, end: int, *, is_minor: bool, since: int, until: int
    ) -> bool:
        if self._extends_before(text, start, at, since):
            if self._extends_after(text, at, until):
                return True
            second = text[at:end]
            return not is_minor and (second in self._words or second in _CHINESE_WORDS_OF_ONE)
        return not is_minor and text[start:at] in self._words and self._extends_after(text, at, until)

    def _extends_before(self, text: str, start: int, at: int, since: int) -> bool:
        for first in range(max(since, at - _CHINESE_WORD_CHARACTERS_MAX), start):
            if text[first:at] in self._words:
                return True
        return False

    def _extends_after(self, text: str, at: int, end: int) -> bool:
        for last in range(end + 1, min(len(text), at + _CHINESE_WORD_CHARACTERS_MAX) + 1):
            if text[at:last] in self._words:
                return True
        return False


def is_part_of_kana_word(text: str, start: int, end: int, is_word: Callable[[str], bool]) -> bool:
    """Whether `text[start:end]` is only a part of a longer word in kana.

    Short terms occur in many foreign words, which are written in Katakana: `エロ` in `イエロー`. The term counts if the
    run of Katakana is a compound, which means that `is_word` accepts the rest in Hiragana. It also counts if the run is
    too long to be a word.
    """
    if not (is_katakana(text, start) or is_katakana(text, end - 1)):
        is_short = end - start <= _SHORT_TERM_CHARACTERS_MAX
        return is_short and start > 0 and _ENDS_A_WORD.match(text[start - 1 : end]) is not None
    first, last = start, end
    while is_katakana(text, start) and is_katakana(text, first - 1) and start - first < _RUN_CHARACTERS_MAX:
        first -= 1
    while is_katakana(text, end - 1) and is_katakana(text, last) and last - end < _RUN_CHARACTERS_MAX:
        last += 1
    if last - first >= _RUN_CHARACTERS_MAX or (first == start and last == end):
        return False
    if end - start >= _LONG_TERM_CHARACTERS_MIN and (first == start or last == end):
        return False
    before, after = to_hiragana(text[first:start]), to_hiragana(text[end:last])
    return not (_is_compound(before, is_word) and _is_compound(after, is_word))


def is_particle_and_word(term: str, text: str, start: int) -> bool:
    """Whether the text only sounds like a term in Katakana, because it is a Hiragana particle and a Katakana word.
    `のエロ` sounds like `ノエロ`, the end of a name."""
    return is_katakana(term, 0) and not is_katakana(text, start) and is_katakana(text, start + 1)


def _is_compound(hiragana: str, is_word: Callable[[str], bool]) -> bool:
    reached = {0}
    for end in range(1, len(hiragana) + 1):
        for start in range(max(0, end - _PART_CHARACTERS_MAX), end):
            part = hiragana[start:end]
            if start in reached and (part in _PARTICLES or (len(part) > 1 and is_word(part))):
                reached.add(end)
                break
    return len(hiragana) in reached
