"""Languages: which ones a prompt is in, and whether a term is meant or is an ordinary word of another language.

The French term `bites` is an English word in `a kid bites into an apple`, and the Japanese term `性的` occurs across
two Chinese words. Such a term counts only with evidence of its language: a function word, a term that is no word
elsewhere, or two doubtful terms of a spaced script. Scripts and function words tell languages apart. When in doubt, a
prompt counts as more languages. Languages without terms or function words in the rules are not recognised.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from easel.domain.moderation.concepts import NEUTRAL, YOUNG
from easel.domain.moderation.scripts import is_unspaced
from easel.domain.moderation.terms import Term
from easel.domain.moderation.vietnamese import is_syllable, may_have_syllables

_VIETNAMESE: Final = "vi"
_NONE: Final[frozenset[str]] = frozenset()
_EVIDENT_SHARE_MIN: Final = 0.5
"""A language is evident if it has at least this share of the function words of the most frequent one."""
_CHINESE_FUNCTION_CHARACTERS: Final = frozenset(
    "在是了这個个她們们你妳我您與与着著把被裡里很都也就吧呢吗嗎从從让讓给給這那哪"
)
_CHINESE_SCORE_MIN: Final = 2
_JAPANESE_KANA_SHARE_MIN: Final = 0.3
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
"""In EUC-JP, characters with this first byte or a higher one are in JIS X 0208's second level, which is rarely used."""
_IN_HAN: Final = frozenset({"ja", "zh"})
_CONFIRMING_TERMS_MIN: Final = 2
ORDINARY_STEM_CHARACTERS: Final = 5
"""Length of the stems that mark all forms of a word as ordinary."""


class DetectedLanguages(NamedTuple):
    """The languages that a prompt evidently is in, and those that only a function word suggests."""

    evident: frozenset[str]
    hinted: frozenset[str]


class LanguageDetector:
    """Detects the languages of prompts."""

    def __init__(self, function_words: Mapping[str, Sequence[str]]) -> None:
        """`function_words` are those of each language in Latin letters."""
        self._known = tuple(function_words)
        self._languages_of = {
            word: frozenset(language for language, own in function_words.items() if word in own)
            for words in function_words.values()
            for word in words
        }

    def detect(self, folded: str, words: Sequence[str]) -> DetectedLanguages:
        """The languages of a folded prompt, which has these words."""
        evident: set[str] = set()
        if not folded.isascii():
            evident.update(language for language, letters in _SCRIPTS.items() if letters.search(folded))
            evident.update(_chinese_and_japanese(folded))
        hinted: set[str] = set()
        if _LATIN.search(folded):
            telling = words if may_have_syllables(folded) else filter(self._languages_of.__contains__, words)
            in_latin, hinted = self._by_function_words(Counter(telling))
            evident.update(in_latin)
        return DetectedLanguages(frozenset(evident), frozenset(hinted))

    def _by_function_words(self, words: Mapping[str, int]) -> tuple[set[str], set[str]]:
        """The evident and the hinted languages in Latin letters, by words and how often they occur."""
        counts = dict.fromkeys(self._known, 0.0)
        hinted: set[str] = set()
        for word, times in words.items():
            languages = self._languages_of.get(word)
            if languages is not None:
                for language in languages:
                    counts[language] += times / len(languages)
                if len(languages) == 1:
                    hinted.update(languages)
            if not word.isascii() and is_syllable(word):
                counts[_VIETNAMESE] += times
        most = max(counts.values())
        if not most:
            # Prompts in any language contain English words.
            return {"en"}, hinted
        return {language for language, count in counts.items() if count and count >= _EVIDENT_SHARE_MIN * most}, hinted


class LanguageEvidence:
    """The evidence in one prompt that its terms are meant in their own languages."""

    def __init__(self, detected: DetectedLanguages, ordinary: Mapping[str, frozenset[str]]) -> None:
        """`ordinary` has the languages in which a word means something harmless."""
        self._detected = detected
        self._ordinary = ordinary
        self._certain: set[str] = set()
        self._words: dict[str, set[tuple[str, ...]]] = defaultdict(set)
        self._concepts: dict[str, set[str]] = defaultdict(set)

    def is_doubtful(self, term: Term, words: Sequence[str]) -> bool:
        """Whether a term found as these words may belong to another language. Adds it to the evidence."""
        languages = term.languages
        if term.hides or not languages.isdisjoint(self._detected.evident):
            return False
        is_charged = not NEUTRAL.issuperset(term.concepts)
        if self._may_be_foreign(term, words):
            if is_charged and not is_unspaced(term.first):
                for language in languages:
                    self._words[language].add(tuple(words))
                    self._concepts[language].update(term.concepts)
            return languages.isdisjoint(self._detected.hinted)
        if is_charged:
            self._certain.update(languages)
        return False

    def confirms(self, term: Term) -> bool:
        """Whether a doubtful term is meant after all. Call this after all terms have been found."""
        return any(language in self._certain or self._has_several(language) for language in term.languages)

    def _has_several(self, language: str) -> bool:
        return min(len(self._words[language]), len(self._concepts[language])) >= _CONFIRMING_TERMS_MIN

    def _may_be_foreign(self, term: Term, words: Sequence[str]) -> bool:
        if is_unspaced(term.first):
            return term.languages <= _IN_HAN and YOUNG.isdisjoint(term.concepts)
        return all(not self._where_ordinary(word).isdisjoint(self._detected.evident) for word in words)

    def _where_ordinary(self, word: str) -> frozenset[str]:
        whole = self._ordinary.get(word)
        return self._ordinary.get(f"{word[:ORDINARY_STEM_CHARACTERS]}*", _NONE) if whole is None else whole


def _chinese_and_japanese(folded: str) -> Iterator[str]:
    """Chinese, Japanese, both or none, by the characters. Chinese may contain kana for decoration."""
    han, kana = _HAN.findall(folded), _KANA.findall(folded)
    rare_score = int(not kana)
    if kana or (han and not _is_chinese(han, rare_score)):
        yield "ja"
    if han and (len(kana) < _JAPANESE_KANA_SHARE_MIN * (len(kana) + len(han)) or _is_chinese(han, rare_score)):
        yield "zh"


def _is_chinese(han: Sequence[str], rare_score: int) -> bool:
    """Whether characters are certainly Chinese. One that is rare in Japanese scores `rare_score`."""
    score = 0
    for character in dict.fromkeys(han):
        score += _chinese_score(character, rare_score)
        if score >= _CHINESE_SCORE_MIN:
            return True
    return False


def _chinese_score(character: str, rare_score: int) -> int:
    """How strongly a character suggests Chinese: 2 if Japanese lacks it, or writes the same word in kana."""
    if character in _CHINESE_FUNCTION_CHARACTERS:
        return 2
    try:
        encoded = character.encode("euc_jp")
    except UnicodeEncodeError:
        return 2
    return rare_score if encoded[0] >= _FIRST_RARE_IN_JAPANESE or len(encoded) > 2 else 0
