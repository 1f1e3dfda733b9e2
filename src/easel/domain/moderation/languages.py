"""Languages: which ones a prompt is in, as far as it matters to which terms are meant.

Scripts say most. Languages in Latin letters are told apart by their function words, and Chinese from Japanese by kana and
by signs that only one of them uses. It errs towards more languages, and promises nothing about languages that Easel
has no terms of.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from easel.domain.moderation.vietnamese import is_syllable

_VIETNAMESE: Final = "vi"
_NONE: Final[frozenset[str]] = frozenset()
_COMPARED_TO_MOST: Final = 0.5
"""A language is evident whose function words are at least so many of those of the most frequent language."""
_CHINESE_FUNCTION_SIGNS: Final = frozenset(
    "在是了这個个她們们你妳我您與与着著把被裡里很都也就吧呢吗嗎从從让讓给給這那哪"
)
_SIGNS_OF_CHINESE_MIN: Final = 2
_KANA_OF_JAPANESE_MIN: Final = 0.3
_KANA: Final = re.compile("[ぁ-ヺー]")
_HAN: Final = re.compile("[\u3400-\u9fff]")
_SCRIPTS: Final[Mapping[str, re.Pattern[str]]] = {
    "ar": re.compile("[\u0620-\u064a]"),
    "hi": re.compile("[\u0904-\u0939]"),
    "ko": re.compile("[\uac00-\ud7a3]"),
    "ru": re.compile("[\u0430-\u044f]"),
    "th": re.compile("[\u0e01-\u0e2e]"),
}
_LATIN: Final = re.compile("[a-z]")
_FIRST_RARE_IN_JAPANESE: Final = 0xD0


class Spoken(NamedTuple):
    """The languages that a prompt evidently is in, and those that it may have a few words of."""

    evident: frozenset[str]
    heard: frozenset[str]


class Languages:
    """Tells what a prompt is in."""

    def __init__(self, function_words: Mapping[str, Sequence[str]]) -> None:
        """`function_words` are those of each language in Latin letters."""
        self._known = tuple(function_words)
        self._heard = {
            word: frozenset(language for language, own in function_words.items() if word in own)
            for words in function_words.values()
            for word in words
        }

    def spoken(self, folded: str, words: Sequence[str]) -> Spoken:
        """The languages of a folded prompt with these words, in lower case."""
        evident = {language for language, letters in _SCRIPTS.items() if letters.search(folded)}
        evident.update(_of_signs(folded))
        heard: set[str] = set()
        if _LATIN.search(folded):
            in_latin, heard = self._by_function_words(Counter(words))
            evident.update(in_latin)
        return Spoken(frozenset(evident), frozenset(heard))

    def _by_function_words(self, words: Mapping[str, int]) -> tuple[set[str], set[str]]:
        """The languages in Latin letters that are evident by words and how often they occur, and those that are heard."""
        counts = dict.fromkeys(self._known, 0.0)
        heard: set[str] = set()
        for word, times in words.items():
            languages = self._heard.get(word, _NONE)
            for language in languages:
                counts[language] += times / len(languages)
            if len(languages) == 1:
                heard.update(languages)
            if not word.isascii() and is_syllable(word):
                counts[_VIETNAMESE] += times
        most = max(counts.values())
        if not most:
            # Prompts are full of English, whatever else they are in.
            return {"en"}, heard
        return {language for language, count in counts.items() if count and count >= _COMPARED_TO_MOST * most}, heard


def _of_signs(folded: str) -> Iterator[str]:
    """Chinese, Japanese, or both, by what signs there are. Chinese may have a kana or two for decoration."""
    if folded.isascii():
        return
    han, kana = _HAN.findall(folded), _KANA.findall(folded)
    rare = int(not kana)
    if kana or (han and not _is_chinese(han, rare)):
        yield "ja"
    if han and (len(kana) < _KANA_OF_JAPANESE_MIN * (len(kana) + len(han)) or _is_chinese(han, rare)):
        yield "zh"


def _is_chinese(han: Sequence[str], rare: int) -> bool:
    """Whether signs are Chinese for certain. One that is rare in Japanese counts as much as said."""
    seen = 0
    for sign in dict.fromkeys(han):
        seen += _counts_for_chinese(sign, rare)
        if seen >= _SIGNS_OF_CHINESE_MIN:
            return True
    return False


def _counts_for_chinese(sign: str, rare: int) -> int:
    """How much a sign says that a text is no Japanese: 2 for what Japanese has no character for, or writes in kana."""
    if sign in _CHINESE_FUNCTION_SIGNS:
        return 2
    try:
        encoded = sign.encode("euc_jp")
    except UnicodeEncodeError:
        return 2
    return rare if encoded[0] >= _FIRST_RARE_IN_JAPANESE or len(encoded) > 2 else 0
