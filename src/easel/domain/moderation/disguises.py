"""Undoes disguises: rewrites a prompt as the words that a reader sees in it.

`fold` undoes what never changes a word: width, case, accents, invisible and decorated characters. It turns `Ｎáｋéｄ` into
`naked`. Changes that may be intended are undone in variants of the folded prompt: spaces between letters (`n a k e d`),
digits for letters (`n4k3d`), letters of other alphabets. Only judging uses variants; the prompt is drawn as it is.

Time is linear in the prompt's length. Not undone: words that a space cuts into parts of several letters, words
written backwards or encoded, and code words.
"""

import functools
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from easel.domain.moderation.lookalikes import (
    AMBIGUOUS_LEET,
    CYRILLIC_LOOKALIKES,
    EMOJI_WORDS,
    LATIN_FORMS,
    LATIN_LOOKALIKES,
    LEET,
    LEET_SYMBOLS,
)
from easel.domain.moderation.scripts import DEVANAGARI, HAN_OR_KANA, LETTER_MARKS, THAI, UNSPACED
from easel.domain.moderation.vietnamese import MARKED, may_be_vietnamese, syllables

_FOLDED_CHARACTERS_MAX: Final = 65_536
_MARKS_AND_FORMATS: Final = frozenset({"Mn", "Me", "Cf", "Cc", "Sk"})
_VOICING_MARKS: Final = "\u3099\u309a"
_LINE_ENDS: Final = "\n\r\v\f\x85\u2028\u2029"
_INVISIBLE: Final = frozenset("\u115f\u1160\u3164\uffa0\u2800\u0640")
"""Invisible characters in the categories of letters and symbols: fillers, the Braille blank, the Arabic dash."""
EXPANSION_MAX: Final = 3
_NO_CHARACTERS: Final = frozenset({"Cn", "Co", "Cs"})
"""Categories of code points that are unassigned, private or surrogates."""
_AS_IT_IS: Final = re.compile(
    f"[{_VOICING_MARKS}{THAI}{DEVANAGARI}\uac00-\ud7a3\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua48c\U00020000-\U0002f7ff]"
)
"""Characters that folding leaves unchanged."""
_KANA: Final = re.compile("[\u3041-\u30ff\uff61-\uff9f]")
_ONE_UNSPACED: Final = re.compile(f"[{UNSPACED}]")
_LETTER: Final = r"[^\W_]"
_SYMBOLS: Final = re.escape(LEET_SYMBOLS + AMBIGUOUS_LEET[1:])
_ROW_LETTER: Final = rf"(?:{_LETTER}[{LETTER_MARKS}]*|[{_SYMBOLS}])"

_STRAY_MARKS: Final = re.compile(rf"(?<![\u3041-\u30ff])[{_VOICING_MARKS}]+|(?<![{THAI}{DEVANAGARI}])[{LETTER_MARKS}]+")
_BEFORE_MARK: Final = re.compile(rf"(?<=[{THAI}{DEVANAGARI}])\s+(?=[{LETTER_MARKS}])")
WORDS: Final = re.compile(rf"[{UNSPACED}]+|\d+|[{DEVANAGARI}]+|[^\W_{UNSPACED}{DEVANAGARI}]+")
"""A word, a number, or a number that a word begins with, as in `12yo`."""
_INNER_SYMBOLS: Final = re.compile(
    rf"(?<=[^\W\d_])(?:[-\u2010-\u2015][ \t]{{0,2}}\n[ \t\n]{{0,3}}|(?:[^\w\s{LETTER_MARKS}]|_){{1,3}})(?={_LETTER})"
)
"""Symbols within a word, and the hyphen of a word that continues in the next line."""
_NO_AGE: Final = "".join(f"(?<!{word})" for word in ("age", "aged", "alter", "edad", "idade", "umur", "usia", "раст"))
_WEIGHTS: Final = re.compile(
    rf"(?<=[^\W\d]|[)\]}}\"' ]){_NO_AGE}:[ \t]{{0,2}}(?:\d{{0,2}}\.\d{{1,4}}|[0-3])(?=[)\]}}>])"
)
"""The weight of a word in the syntax of Stable Diffusion: `(word:1.3)`. Larger whole numbers may be ages."""
_SEPARATOR: Final = rf"(?:[^\w{_SYMBOLS}{LETTER_MARKS}]|_)"
# A symbol that may stand for a letter is no separator, so a text can be divided in one way only.
_ROWS: Final = re.compile(
    rf"(?<![\w{_SYMBOLS}{LETTER_MARKS}])(?:{_ROW_LETTER}{_SEPARATOR}{{1,8}}){{2,}}{_ROW_LETTER}(?![\w{_SYMBOLS}{LETTER_MARKS}])"
)
_SPLITS: Final = (1, 2, -1, -2)
"""Where a row of single letters is split, since its ends may be other words, like the first `a` of `a n a k e d`."""
_ROW_CHARACTERS_MAX: Final = 120
_BETWEEN_HAN: Final = re.compile(rf"(?<=[{HAN_OR_KANA}])[\s_*.·•|/\\~-]{{1,3}}(?=[{HAN_OR_KANA}])")
_BETWEEN_CLAUSES: Final = re.compile(rf"(?<=[{UNSPACED}]{{2}})[,;:.!?\u3001\u3002]+(?=[{UNSPACED}]{{2}})")
"""Punctuation between clauses in scripts without spaces, which separates words that would otherwise be joined."""
_THREADED: Final = re.compile(
    r"(?<![^\W_])(?:[^\W_][\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0]{1,8}){3,}[^\W_]"
)
"""Letters with invisible characters between all of them."""
_BETWEEN_ROWS: Final = 9 * "\n"
"""A gap too wide to be within a row."""
SPELLED_MARK: Final = "\ue010"
"""Precedes each word that single letters spell, in a text with the rest of the prompt around it."""
_MARKED_WORDS: Final = re.compile(rf"{SPELLED_MARK}\S+|{WORDS.pattern}")
_SEPARATORS: Final = re.compile(f"{_SEPARATOR}+")
_CLOSING_SYMBOLS: Final = re.compile(rf"[!|+]+(?![\w{_SYMBOLS}])")
_SYMBOL_IN_WORD: Final = re.compile(rf"[^\W\d_][\d{_SYMBOLS}]|[\d{_SYMBOLS}][^\W\d_]")
_REPEATED_AMBIGUOUS: Final = re.compile(rf"[{AMBIGUOUS_LEET}](?=\w{{0,12}}[{AMBIGUOUS_LEET}])")
_NUMBERS: Final = re.compile(rf"(?<![^\W{UNSPACED}])(?<![{_SYMBOLS}])\d+(?![^\W{UNSPACED}])(?![{_SYMBOLS}])")
_CYRILLIC: Final = re.compile("[Ѐ-ӿ]")
_CYRILLIC_WORD: Final = re.compile(r"(?<!\w)(?=[а-я]*[бжзилфцчшщъыьэюя])[а-я]+(?!\w)")
"""Words with a letter that looks like no Latin one."""
_OTHER_WORD: Final = re.compile(r"(?<!\w)(?![а-я]+(?!\w))\w+")
_CYRILLIC_WORDS_MIN: Final = 3
_STRETCHED: Final = re.compile(rf"({_LETTER})\1{{2,}}")
"""A letter three times or more, as in `naaaked`."""
_DOUBLED: Final = tuple(re.compile(rf"([{letters}])\1{{2,}}") for letters in ("#", "o", "eo"))
_MASKED: Final = re.compile(r"(?<=[a-z])[*#]+(?=[a-z])")
"""Symbols that mask a vowel, as in `n*ked`."""
_BREAK: Final = re.compile(r"[\n,;:!?|\u3001\u3002\uff0c\u060c]")
ODD_MARKS_ONE_IN: Final = 10
_ODD_MARKS: Final = re.compile(
    f"(?![{''.join(sorted(MARKED | {char.upper() for char in MARKED}))}])[\u0300-\u036f\u00c0-\u024f\u1e00-\u1eff]"
)
"""Marks that Vietnamese does not use, such as those on consonants. Many of them are a disguise."""
_LETTER_ALONE: Final = re.compile(_LETTER)
_LETTERS: Final = re.compile(r"([^\W\d_]+)")
_BETWEEN_TEXTS: Final = "|"
_VOWELS: Final = "aeiou"

_TO_LATIN: Final = str.maketrans(dict(LATIN_LOOKALIKES))
_TO_CYRILLIC: Final = str.maketrans(dict(CYRILLIC_LOOKALIKES))
_SET_ASIDE: Final = {ord("0") + digit: 0xE000 + digit for digit in range(10)}
_LEET: Final = tuple(
    str.maketrans(
        {
            **LEET,
            **dict.fromkeys(AMBIGUOUS_LEET, letter),
            **{chr(aside): chr(digit) for digit, aside in _SET_ASIDE.items()},
        }
    )
    for letter in "il"
)
"""Turn digits and symbols into letters, ambiguous ones into `i` or `l`, and restore the numbers set aside."""


def fold(prompt: str) -> str:
    """Undo what makes no difference to the words: width, case, accents, invisible and decorated characters.

    The names of emoji are appended. Without them the result has at most EXPANSION_MAX times as many characters. Folding
    is idempotent.
    """
    if prompt.isascii():
        return _without_weights(prompt.translate(_FOLDED))
    composed = unicodedata.normalize("NFC", prompt)
    text = _folded_vietnamese(composed) if may_be_vietnamese(composed) else None
    if text is None:
        text = composed.translate(_FOLDED)
    named = [words for emoji, words in EMOJI_WORDS.items() if emoji in prompt]
    text = _BEFORE_MARK.sub("", " ".join([text, *named]))
    return _without_weights(unicodedata.normalize("NFC", _STRAY_MARKS.sub("", text)))


def _without_weights(text: str) -> str:
    return _WEIGHTS.sub("", text) if ":" in text else text


def _folded_vietnamese(composed: str) -> str | None:
    """Folded, except for the marks of Vietnamese syllables; None if there are none."""
    if len(_ODD_MARKS.findall(composed)) > len(composed) // ODD_MARKS_ONE_IN:
        return None
    marked = unicodedata.normalize("NFC", composed.translate(_FOLDED_BUT_MARKED)).translate(_TO_LATIN)
    kept = syllables(marked)
    if not kept:
        return None
    return "".join(piece if piece in kept else piece.translate(_FOLDED) for piece in _LETTERS.split(marked))


def variants(prompt: str) -> list[str]:
    """The words of a prompt as they are, and then without each disguise, with one space before and after every word.

    Variants that show nothing new are left out.
    """
    return variants_of(fold(prompt))


def variants_of(folded: str) -> list[str]:
    """The variants of a prompt that is folded already."""
    return list(dict.fromkeys(_spaced(text) for text in dict.fromkeys(_texts(folded))))


def spelled_rows(folded: str) -> list[str]:
    """What rows of single letters spell, such as `n a k e d`, whatever separates the letters.

    Each row becomes one word, and another one with letters for its digits and symbols. The last texts are the whole
    prompt with every spelled word marked. In these, wider gaps split a row into several words.
    """
    together = dict.fromkeys(_SEPARATORS.sub("", found[0]) for found in _ROWS.finditer(folded))
    rows = [row for row in together if not _ONE_UNSPACED.match(row)]
    if rows:
        rows.append(" ".join(_MARKED_WORDS.findall(_ROWS.sub(_marked, folded))))
    return list(dict.fromkeys(reading for row in rows for reading in (row, *_without_leet(row, _latin_of(row)))))


def invisibly_spelled_rows(prompt: str) -> list[str]:
    """What letters spell that have invisible characters between all of them.

    Folding removes these characters, after which `xnakedq` looks like any other word.
    """
    if prompt.isascii() or _THREADED.search(prompt) is None:
        return []
    return spelled_rows(fold(_THREADED.sub(_unthreaded, prompt)))


def _unthreaded(found: re.Match[str]) -> str:
    return f"{_BETWEEN_ROWS}{' '.join(_LETTER_ALONE.findall(found[0]))}{_BETWEEN_ROWS}"


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


def _texts(folded: str) -> Iterator[str]:
    to_latin = _latin_of(folded)
    whole = _ROWS.sub(_joined, folded)
    joined = _INNER_SYMBOLS.sub("", whole if whole.isascii() else _BETWEEN_CLAUSES.sub(" ", whole))
    if not joined.isascii():
        joined = _BETWEEN_HAN.sub("", joined)
    for text in dict.fromkeys((folded, joined, whole)):
        yield text
        if _CYRILLIC.search(text):
            yield text.translate(_TO_CYRILLIC)
        if not text.isascii():
            yield to_latin(text)
        yield from _without_leet(text, to_latin)
    if whole != folded:
        yield from (_ROWS.sub(functools.partial(_split, taken), folded) for taken in _SPLITS)
    plain = next(_without_leet(whole, to_latin))
    if _STRETCHED.search(plain):
        # `goood` may be `god` or `good`. One variant doubles every stretched letter. The others double none, only
        # `o`, or `e` and `o`, which are the usual double letters of English.
        yield _STRETCHED.sub(_twice, plain)
        yield from (_STRETCHED.sub(_once, doubled.sub(_twice, plain)) for doubled in _DOUBLED)
    if _MASKED.search(plain):
        yield from (_MASKED.sub(vowel, plain) for vowel in _VOWELS)


def _once(stretched: re.Match[str]) -> str:
    return stretched[1]


def _twice(stretched: re.Match[str]) -> str:
    return 2 * stretched[1]


def _latin_of(folded: str) -> Callable[[str], str]:
    """A function that replaces letters by the Latin ones that they look like, except in a text with Cyrillic words."""
    if len(_CYRILLIC_WORD.findall(folded)) >= _CYRILLIC_WORDS_MIN:
        return lambda text: _OTHER_WORD.sub(lambda word: word[0].translate(_TO_LATIN), text)
    return lambda text: text.translate(_TO_LATIN)


def _without_leet(text: str, to_latin: Callable[[str], str]) -> Iterator[str]:
    """The text with Latin letters for lookalikes, digits and symbols; in several forms if a word has digits or symbols."""
    latin = _CLOSING_SYMBOLS.sub("", text)
    if not latin.isascii():
        latin = to_latin(latin)
    if _SYMBOL_IN_WORD.search(latin):
        latin = _NUMBERS.sub(_set_aside, latin)
        yield from (latin.translate(leet) for leet in _LEET)
        if _REPEATED_AMBIGUOUS.search(latin):
            # `g1r1`: `i` first and `l` last.
            yield _REPEATED_AMBIGUOUS.sub("i", latin).translate(_LEET[1])
    else:
        yield latin


def _set_aside(number: re.Match[str]) -> str:
    """Set aside a number whose digits do not stand for letters."""
    return number[0].translate(_SET_ASIDE)


def _spaced(text: str) -> str:
    return f" {' '.join(WORDS.findall(text))} "


def _joined(found: re.Match[str]) -> str:
    """The words that a row spells. The most frequent separator stands within words, and the others between them."""
    separators = _SEPARATORS.findall(found[0])
    frequent = _frequent_separator(separators)
    if frequent is None:
        return _SEPARATORS.sub(_space_if_any, found[0])
    return _SEPARATORS.sub(lambda separator: "" if separator[0] == frequent else " ", found[0])


def _frequent_separator(separators: Sequence[str]) -> str | None:
    """The separator that stands between at least half of the letters, if there is one."""
    usual, times = Counter(separators).most_common(1)[0]
    if len(usual) > 1 and 2 * times >= len(separators):
        return usual
    if 2 * sum(separator.isspace() and len(separator) == 1 for separator in separators) >= len(separators):
        return usual if usual.isspace() else " "
    return None


def _marked(found: re.Match[str]) -> str:
    """The words that a row spells, marked; one word if no separator is frequent."""
    separators = _SEPARATORS.findall(found[0])
    is_mixed = 2 * Counter(separators).most_common(1)[0][1] < len(separators)
    words = _SEPARATORS.sub("", found[0]) if is_mixed else _joined(found)
    return f" {SPELLED_MARK}{f' {SPELLED_MARK}'.join(words.split())} "


def _split(at: int, found: re.Match[str]) -> str:
    """The words that a row spells, split at an index, since letters at its ends may be words of their own."""
    if len(found[0]) > _ROW_CHARACTERS_MAX:
        # The row is too long to split. Another variant joins all of it.
        return found[0]
    words = _joined(found)
    return f"{words[:at]} {words[at:]}"


def _space_if_any(separator: re.Match[str]) -> str:
    return " " if any(char.isspace() for char in separator[0]) else ""


class _Folded(dict[int, str]):
    """A cache of what each code point folds to. It never has more entries than a plane of Unicode."""

    def __init__(self, kept: frozenset[str] = frozenset()) -> None:
        """The `kept` characters are only made lower case."""
        super().__init__()
        self._kept = kept

    def __missing__(self, code_point: int) -> str:
        if len(self) >= _FOLDED_CHARACTERS_MAX:
            self.clear()
        char = chr(code_point)
        lower = char.lower()
        self[code_point] = folded = lower if lower in self._kept else _fold_character(char)
        return folded


_FOLDED: Final = _Folded()
_FOLDED_BUT_MARKED: Final = _Folded(MARKED)


def _fold_character(char: str) -> str:
    if _AS_IT_IS.match(char):
        return char
    if char in _LINE_ENDS or char == "\t":
        return "\n" if char in _LINE_ENDS else char
    if char in EMOJI_WORDS or char.isspace() or unicodedata.category(char) in _NO_CHARACTERS:
        return " "
    if char in LATIN_FORMS:
        return LATIN_FORMS[char]
    if _KANA.match(char):
        # Decomposed kana would lose the marks that make them other sounds.
        parts = unicodedata.normalize("NFKC", char)
    else:
        parts = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", char).casefold())
    folded = "".join(_fold_part(part) for part in parts)
    if len(folded) > EXPANSION_MAX:
        # Characters that stand for whole words, such as units, would make a prompt many times as long.
        return " "
    return folded if folded == char else "".join(_FOLDED[ord(part)] for part in folded)


def _fold_part(char: str) -> str:
    if char in _VOICING_MARKS:
        return char
    if char in _INVISIBLE or unicodedata.category(char) in _MARKS_AND_FORMATS:
        return " " if char.isspace() else ""
    digit = unicodedata.decimal(char, None)
    return LATIN_FORMS.get(char, char) if digit is None else str(digit)
