"""Languages: which ones a prompt is in, as far as it matters to which terms are meant.

Scripts say most. Languages in Latin letters are told apart by their function words, and Chinese from Japanese by kana and
by signs that only one of them uses. It errs towards more languages, and promises nothing about languages that Easel
has no terms of.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from easel.domain.vietnamese import is_syllable

FUNCTION_WORDS: Final[Mapping[str, str]] = {
    "de": "der die das den dem des ein eine einen einem einer eines und oder mit ohne im in am auf aus bei beim vom von vor zu "
    "zum zur uber unter zwischen durch fur gegen um nach wie als ist sind war wird hat auch nicht nur sehr sich ihr ihre ihrem "
    "ihren sein seine seinem seinen wahrend dabei",
    "en": "the an and or of in on at to into onto with without from by for over under between through against around near "
    "behind beside beneath above after before while as is are was were be been being has have had his her their its he she they "
    "it this that these those who which where very not no some one two during inside outside up down out off like",
    "es": "el la los las un una unos unas de del en con sin al por para entre sobre bajo desde hasta hacia contra "
    "como que se es son esta estan muy mas su sus lo le no ni junto mientras cuando donde",
    "fr": "le la les un une des du de et ou en dans avec sans au aux par pour entre sur sous vers chez contre devant derriere "
    "comme qui que se est sont tres plus son sa ses leur leurs il elle ne pas ce cette ces pendant lors",
    "id": "yang dan di ke dari dengan untuk pada dalam atas bawah oleh sebuah seorang seekor para ini itu adalah sedang akan "
    "tidak juga atau saat ketika di antara tanpa sambil serta sangat lebih ada oleh secara seperti bergaya",
    "it": "il lo la gli le un uno una di del della dei delle degli dello in con su sul sulla nel nella nelle da dal "
    "dalla al alla ai alle per tra fra come che si sono molto piu suo sua suoi senza mentre sotto sopra",
    "nl": "de het een en of van in op met zonder aan bij naar uit door voor over onder tussen tegen om als is zijn was "
    "wordt heeft ook niet zeer haar hun dat die deze naast",
    "pt": "os as um uma uns umas ou de do da dos das em no na nos nas num numa com sem ao aos por pelo pela para entre "
    "sobre sob desde ate contra como que se muito mais seu sua seus suas nao enquanto ele ela",
    "vi": "cua va nhung trong tren duoi duoc boi dang nguoi theo khong giua ben canh "
    "của và một những các với trong trên dưới được bởi cho là có đang người theo màu không rất từ đến giữa bên cạnh",
}
"""The words by which a language is recognised, without the marks that views are without. None is a single letter, which stands
for nothing but itself in a disguise."""
_HEARD: Final[Mapping[str, frozenset[str]]] = {
    word: frozenset(language for language, words in FUNCTION_WORDS.items() if word in words.split())
    for word in set(" ".join(FUNCTION_WORDS.values()).split())
}
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


def spoken(folded: str, words: Sequence[str]) -> Spoken:
    """The languages of a folded prompt with these words, in lower case."""
    evident = {language for language, letters in _SCRIPTS.items() if letters.search(folded)}
    evident.update(_of_signs(folded))
    heard: set[str] = set()
    if _LATIN.search(folded):
        in_latin, heard = _by_function_words(Counter(words))
        evident.update(in_latin)
    return Spoken(frozenset(evident), frozenset(heard))


def _by_function_words(words: Mapping[str, int]) -> tuple[set[str], set[str]]:
    """The languages in Latin letters that are evident by words and how often they occur, and those that are heard."""
    counts = dict.fromkeys(FUNCTION_WORDS, 0.0)
    heard: set[str] = set()
    for word, times in words.items():
        languages = _HEARD.get(word, _NONE)
        for language in languages:
            counts[language] += times / len(languages)
        if len(languages) == 1:
            heard.update(languages)
        if not word.isascii() and is_syllable(word):
            counts["vi"] += times
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
