"""Guesses the languages of a prompt from its script and from how many of its words each language knows.

To guess among languages in Latin letters, the words are first looked for among the words of the tables' text, which is
fast, and only the likeliest tables are read.
"""

import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from easel.engines.sketch.words.lexicon import TABLES, Language, language
from easel.engines.sketch.words.spelling import bare, normal

LETTER: Final = r"\w\u0300-\u036f\u0900-\u097f\u064b-\u0652"
"""What words are made of, with the signs that stand over, under and between letters."""
PIECE: Final = re.compile(rf"[{LETTER}'-]*[{LETTER}]|[^{LETTER}\s]")
HAN: Final = "\u3400-\u9fff\uf900-\ufaff"
LATIN: Final = ("en", "es", "fr", "de", "pt", "it", "id", "tr", "vi")
READ_MAX: Final = 3
"""How many tables in Latin letters are read to tell languages apart."""
KNOWN_MIN: Final = 0.8
"""The share of English words that makes a prompt English."""
_NAME: Final = re.compile("^[^\n=]*= ", re.MULTILINE)
PLAIN_BELOW: Final = 0.7
"""If no table has more of the words than this share, they may have been typed without accents."""
_SCRIPTS: Final = (
    (re.compile("[\u3040-\u30ff]"), ("ja", "zh")), (re.compile(f"[{HAN}]"), ("zh", "ja")),
    (re.compile("[\uac00-\ud7af]"), ("ko",)), (re.compile("[\u0400-\u04ff]"), ("ru",)),
    (re.compile("[\u0600-\u06ff]"), ("ar",)), (re.compile("[\u0900-\u097f]"), ("hi",)),
)  # fmt: skip


def guessed_languages(text: str) -> list[Language]:
    """The languages to look words up in, the likeliest first, and English among them."""
    for pattern, codes in _SCRIPTS:
        if pattern.search(text):
            return [*map(language, codes), language("en")]
    return _latin_languages(text)


def _latin_languages(text: str) -> list[Language]:
    words = [word for word in map(normal, PIECE.findall(text)) if word[:1].isalpha()]
    english = language("en")
    known_in_english = sum(1 for word in words if english.meanings(word))
    if known_in_english >= KNOWN_MIN * len(words):
        return [english]
    most, weigh = _having(words, _words), _weight
    if not most or most[0][1] <= PLAIN_BELOW * len(words):
        most, weigh = _having([bare(word) for word in words], _plain_words), _weight_without_accents
    codes = dict.fromkeys([*(code for code, _ in most[:READ_MAX]), "en"]) if most else LATIN
    scores = [(-sum(weigh(language(code), word) for word in words), LATIN.index(code)) for code in codes]
    likeliest = language(LATIN[min(scores)[1]])
    if likeliest is english:
        return [english]
    is_unmarked = likeliest.grammar.are_marks_needed and bare(normal(text)) == normal(text)
    return [likeliest.plain if is_unmarked else likeliest, english]


@dataclass(frozen=True, slots=True)
class _Words:
    """The words of a table's text: those at the end of its entries, and those before another one."""

    last: frozenset[str]
    earlier: frozenset[str]


def _having(words: Sequence[str], of_table: Callable[[str], _Words]) -> list[tuple[str, int]]:
    """The languages that have any of the words, with how many, those with most first."""
    asked = set(words)
    found = {code: len(asked & of_table(code).last) for code in LATIN}
    return sorted(
        ((code, many) for code, many in found.items() if many), key=lambda one: (-one[1], LATIN.index(one[0]))
    )


@functools.cache
def _words(code: str) -> _Words:
    return _split(_entries(code))


@functools.cache
def _plain_words(code: str) -> _Words:
    """The same without accents."""
    return _split(bare(_entries(code)))


def _split(entries: str) -> _Words:
    words = entries.split()
    last = frozenset(word.removesuffix(",") for word in words if word.endswith(","))
    return _Words(last, frozenset(word for word in words if not word.endswith(",")))


def _entries(code: str) -> str:
    """The text of a table, with a space before and a comma after each entry."""
    text = (TABLES / f"{code}.txt").read_text(encoding="utf-8")
    return _NAME.sub(" ", text).replace("\n", ", ")


def _weight(candidate: Language, word: str) -> float:
    """How much a word says for a language: most if it only joins others, least if it is part of phrases."""
    found = candidate.exact(word)
    if found:
        return 1.2 if found[0].kind in ("ignored", "relations", "counts") else 1.0
    if candidate.has(word):
        return 0.9
    return 0.5 if word in _words(candidate.code).earlier else 0.0


def _weight_without_accents(candidate: Language, word: str) -> float:
    """The same, and a little if the word has accents in that language."""
    return _weight(candidate, word) or (0.6 if bare(word) in _plain_words(candidate.code).last else 0.0)
