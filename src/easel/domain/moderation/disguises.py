"""Undoes disguises: rewrites a prompt as the words that a reader sees in it.

`folding` undoes what never changes a word. Changes that may be intended are undone here, in variants of the folded
prompt: spaces between letters (`n a k e d`), digits for letters (`n4k3d`), letters of other alphabets. Only judging
uses variants; the prompt is drawn as it is.

Time is linear in the prompt's length. Not undone: words that a space cuts into parts of several letters, words
written backwards or encoded, and code words.
"""

import functools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from easel.domain.moderation.folding import fold
from easel.domain.moderation.letter_rows import BETWEEN_ROWS, LETTER, SPELLED_MARK, SPLITS, SYMBOLS, LetterRows
from easel.domain.moderation.lookalikes import AMBIGUOUS_LEET, CYRILLIC_LOOKALIKES, LATIN_LOOKALIKES, LEET
from easel.domain.moderation.scripts import DEVANAGARI, HAN_OR_KANA, LETTER_MARKS, UNSPACED

_ONE_UNSPACED: Final = re.compile(f"[{UNSPACED}]")

_OF_WORD: Final = rf"[^\W_{UNSPACED}{DEVANAGARI}]+"
# The first two parts change nothing but the time: words begin with no ASCII sign, and most have only ASCII letters.
WORDS: Final = re.compile(rf"(?![\0-/])(?:[a-z][a-z0-9]*+(?:{_OF_WORD})?|[{UNSPACED}]+|\d+|[{DEVANAGARI}]+|{_OF_WORD})")
"""A word, a number, or a number that a word begins with, as in `12yo`."""
_INNER_SYMBOLS: Final = re.compile(
    rf"(?<=[^\W\d_])(?:[-\u2010-\u2015][ \t]{{0,2}}\n[ \t\n]{{0,3}}|(?:[^\w\s{LETTER_MARKS}]|_){{1,3}})(?={LETTER})"
)
"""Symbols within a word, and the hyphen of a word that continues in the next line."""
_BETWEEN_HAN: Final = re.compile(rf"(?<=[{HAN_OR_KANA}])[\s_*.·•|/\\~-]{{1,3}}(?=[{HAN_OR_KANA}])")
_BETWEEN_CLAUSES: Final = re.compile(rf"(?<=[{UNSPACED}]{{2}})[,;:.!?\u3001\u3002]+(?=[{UNSPACED}]{{2}})")
"""Punctuation between clauses in scripts without spaces, which separates words that would otherwise be joined."""
_THREADED: Final = re.compile(
    r"(?<![^\W_])(?:[^\W_][\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0]{1,8}){3,}[^\W_]"
)
"""Letters with invisible characters between all of them."""
_MARKED_WORDS: Final = re.compile(rf"{SPELLED_MARK}\S+|{WORDS.pattern}")
_CLOSING_SYMBOLS: Final = re.compile(rf"[!|+]+(?![\w{SYMBOLS}])")
_SYMBOL_IN_WORD: Final = re.compile(rf"[\d{SYMBOLS}](?:[^\W\d_]|(?<=[^\W\d_].))", re.DOTALL)
_AMBIGUOUS: Final = re.compile(f"[{AMBIGUOUS_LEET}]")
_REPEATED_AMBIGUOUS: Final = re.compile(rf"[{AMBIGUOUS_LEET}](?=\w{{0,12}}[{AMBIGUOUS_LEET}])")
_NUMBERS: Final = re.compile(rf"((?<![^\W{UNSPACED}])(?<![{SYMBOLS}])\d+(?![^\W{UNSPACED}])(?![{SYMBOLS}]))")
_IN_PLACE_OF_NUMBER: Final = "\0"
"""Does not occur in folded text."""
_CYRILLIC: Final = re.compile("[Ѐ-ӿ]")
_CYRILLIC_WORD: Final = re.compile(r"(?<!\w)(?=[а-я]*[бжзилфцчшщъыьэюя])[а-я]+(?!\w)")
"""Words with a letter that looks like no Latin one."""
_OTHER_WORD: Final = re.compile(r"(?<!\w)(?![а-я]+(?!\w))\w+")
_CYRILLIC_WORDS_MIN: Final = 3
_STRETCHED: Final = re.compile(rf"({LETTER})\1{{2,}}")
"""A letter three times or more, as in `naaaked`."""
_DOUBLED: Final = ("", "o", "eo")
_MASKED: Final = re.compile(r"(?<=[a-z])[*#]+(?=[a-z])")
"""Symbols that mask a vowel, as in `n*ked`."""
_BREAK: Final = re.compile(r"[\n,;:!?|\u3001\u3002\uff0c\u060c]")
_LETTER_ALONE: Final = re.compile(LETTER)
_BETWEEN_TEXTS: Final = "|"
_VOWELS: Final = "aeiou"
_FEW: Final = 100


class _Replacement:
    """Replaces characters by others. A translation asks about every character of a text that is not ASCII, so where few
    have to be replaced, searching for them is quicker."""

    def __init__(self, characters: Mapping[str, str]) -> None:
        assert characters.keys().isdisjoint("".join(characters.values()))
        self._characters = characters
        self._table = str.maketrans(dict(characters))
        self._pattern = re.compile(f"[{re.escape(''.join(characters))}]")

    def __call__(self, text: str) -> str:
        if text.isascii():
            return text.translate(self._table)
        found = self._pattern.findall(text)
        if len(found) > _FEW:
            return text.translate(self._table)
        for character in dict.fromkeys(found):
            text = text.replace(character, self._characters[character])
        return text


_TO_LATIN: Final = _Replacement(LATIN_LOOKALIKES)
_TO_CYRILLIC: Final = _Replacement(CYRILLIC_LOOKALIKES)
_WITHOUT_LEET: Final = _Replacement(LEET)
"""Turns digits and symbols into letters, except for ambiguous ones."""


Variants = Mapping[str, Sequence[str]]
"""The words of each variant, by its text, which has one space before and after every word."""


def variants(prompt: str) -> Variants:
    """A prompt as it is, and then without each disguise. Variants that show nothing new are left out."""
    return variants_of(LetterRows(fold(prompt)))


def variants_of(rows: LetterRows) -> Variants:
    """The variants of a folded prompt that has these rows of single letters."""
    found: dict[str, Sequence[str]] = {}
    for text in dict.fromkeys(_texts(rows)):
        words = WORDS.findall(text)
        found.setdefault(f" {' '.join(words)} ", words)
    return found


def spelled_rows(rows: LetterRows) -> list[str]:
    """What rows of single letters spell, such as `n a k e d`, whatever separates the letters.

    Each row becomes one word, and another one with letters for its digits and symbols. The last texts are the whole
    prompt with every spelled word marked. In these, wider gaps split a row into several words.
    """
    texts = [together for together in rows.together if not _ONE_UNSPACED.match(together)]
    if texts:
        texts.append(" ".join(_MARKED_WORDS.findall(rows.marked())))
    return list(dict.fromkeys(reading for text in texts for reading in (text, *_without_leet(text, _latin_of(text)))))


def invisibly_spelled_rows(prompt: str) -> list[str]:
    """What letters spell that have invisible characters between all of them.

    Folding removes these characters, after which `xnakedq` looks like any other word.
    """
    if prompt.isascii() or _THREADED.search(prompt) is None:
        return []
    return spelled_rows(LetterRows(fold(_THREADED.sub(_unthreaded, prompt))))


def _unthreaded(found: re.Match[str]) -> str:
    return f"{BETWEEN_ROWS}{' '.join(_LETTER_ALONE.findall(found[0]))}{BETWEEN_ROWS}"


def breaks(folded: str) -> frozenset[tuple[str, str]]:
    """Pairs of words that, wherever they are neighbours, have a comma or the like between them."""
    if _BREAK.search(folded) is None:
        return frozenset()
    broken: set[tuple[str, str]] = set()
    whole: set[tuple[str, str]] = set()
    last: re.Match[str] | None = None
    for word in WORDS.finditer(folded):
        if last is not None:
            between = folded[last.end() : word.start()]
            (broken if _BREAK.search(between) else whole).add((last[0], word[0]))
        last = word
    return frozenset(broken - whole)


def words_of_each(texts: Sequence[str]) -> list[list[str]]:
    """The words of each of Easel's own texts, such as the terms of a language, as in the plain variant."""
    assert not any(_BETWEEN_TEXTS in text for text in texts)
    # Folding thousands of texts one by one would make every start slow.
    return [WORDS.findall(text) for text in fold(_BETWEEN_TEXTS.join(texts)).split(_BETWEEN_TEXTS)]


def _texts(rows: LetterRows) -> Iterator[str]:
    folded = rows.folded
    to_latin = functools.cache(_latin_of(folded))
    whole = rows.spelled()
    joined = _INNER_SYMBOLS.sub("", whole if whole.isascii() else _BETWEEN_CLAUSES.sub(" ", whole))
    if not joined.isascii():
        joined = _BETWEEN_HAN.sub("", joined)
    plain = whole
    for text in dict.fromkeys((folded, joined, whole)):
        yield text
        if _CYRILLIC.search(text):
            yield _TO_CYRILLIC(text)
        if not text.isascii():
            yield to_latin(text)
        without_leet = _without_leet(text, to_latin)
        yield from without_leet
        if text == whole:
            plain = without_leet[0]
    if rows:
        yield from (rows.split(at) for at in SPLITS)
    yield from _unstretched(plain)
    if _MASKED.search(plain):
        pieces = _MASKED.split(plain)
        yield from (vowel.join(pieces) for vowel in _VOWELS)


def _unstretched(text: str) -> Iterator[str]:
    """The text with stretched letters shortened; nothing if there are none.

    `goood` may be `god` or `good`. One variant doubles every stretched letter. The others double none, only `o`, or `e`
    and `o`, which are the usual double letters of English.
    """
    pieces = _STRETCHED.split(text)
    if len(pieces) == 1:
        return
    letters = pieces[1::2]
    pieces[1::2] = [2 * letter for letter in letters]
    yield "".join(pieces)
    for doubled in _DOUBLED:
        pieces[1::2] = [2 * letter if letter in doubled else letter for letter in letters]
        yield "".join(pieces)


def _latin_of(folded: str) -> Callable[[str], str]:
    """A function that replaces letters by the Latin ones that they look like, except in a text with Cyrillic words."""
    if _CYRILLIC.search(folded) and len(_CYRILLIC_WORD.findall(folded)) >= _CYRILLIC_WORDS_MIN:
        return lambda text: _OTHER_WORD.sub(lambda word: _TO_LATIN(word[0]), text)
    return _TO_LATIN


def _without_leet(text: str, to_latin: Callable[[str], str]) -> Sequence[str]:
    """The text with Latin letters for lookalikes, digits and symbols; in several forms if a word has digits or
    symbols."""
    latin = _CLOSING_SYMBOLS.sub("", text)
    if not latin.isascii():
        latin = to_latin(latin)
    if not _SYMBOL_IN_WORD.search(latin):
        return [latin]
    # A number whose digits do not stand for letters stays as it is.
    pieces = _NUMBERS.split(latin)
    latin, numbers = _IN_PLACE_OF_NUMBER.join(pieces[::2]), pieces[1::2]
    letters = _WITHOUT_LEET(latin)
    readings = [_with_ambiguous_as(letter, letters) for letter in "il"] if _AMBIGUOUS.search(letters) else [letters]
    if _REPEATED_AMBIGUOUS.search(latin):
        # `g1r1`: `i` first and `l` last.
        readings.append(_with_ambiguous_as("l", _WITHOUT_LEET(_REPEATED_AMBIGUOUS.sub("i", latin))))
    return [_with_numbers(reading, numbers) for reading in readings] if numbers else readings


def _with_ambiguous_as(letter: str, text: str) -> str:
    for symbol in AMBIGUOUS_LEET:
        text = text.replace(symbol, letter)
    return text


def _with_numbers(text: str, numbers: Sequence[str]) -> str:
    pieces = [""] * (2 * len(numbers) + 1)
    pieces[::2], pieces[1::2] = text.split(_IN_PLACE_OF_NUMBER), numbers
    return "".join(pieces)
