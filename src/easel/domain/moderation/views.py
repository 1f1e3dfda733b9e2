"""Views of a prompt: the same words without the disguises that they may come in.

`fold` undoes what never changes a word: width, case, accents, invisible and decorated characters. The other views
undo what might (blanks between letters, digits for letters, foreign alphabets), and stand beside it, so that nothing
that was plain gets lost. Only judging looks at views; what is drawn is the prompt.

Time is linear in the prompt's length. Not undone: words broken by a blank into parts of several letters, words written
backwards or enciphered, and words that stand for others.
"""

import functools
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from easel.domain.moderation.lookalikes import (
    CYRILLIC_LOOKALIKES,
    EMOJI_WORDS,
    LATIN_LOOKALIKES,
    LATIN_VARIANTS,
    LEET,
    LEET_OF_TWO,
    LEET_SIGNS,
)
from easel.domain.moderation.vietnamese import MARKED, may_be_vietnamese, syllables

_FOLDED_CHARACTERS_MAX: Final = 65_536
_MARKS_AND_FORMATS: Final = frozenset({"Mn", "Me", "Cf", "Cc", "Sk"})
_VOICING_MARKS: Final = "\u3099\u309a"
_LINE_ENDS: Final = "\n\r\v\f\x85\u2028\u2029"
_INVISIBLE: Final = frozenset("\u115f\u1160\u3164\uffa0\u2800\u0640")
"""What is a letter or a sign by its category, and shows nothing: fillers, a blank in Braille, a lengthening dash."""
EXPANSION_MAX: Final = 3
_NO_CHARACTERS: Final = frozenset({"Cn", "Co", "Cs"})
_THAI: Final = "\u0e01-\u0e3a\u0e40-\u0e4e"
_DEVANAGARI: Final = "\u0900-\u0963"
_LETTER_MARKS: Final = "\u0900-\u0903\u093a-\u094f\u0951-\u0957\u0962\u0963\u0e31\u0e34-\u0e3a\u0e47-\u0e4e"
"""Marks of Thai and Devanagari, which are letters there: vowels, tones, and what joins consonants."""
_AS_IT_IS: Final = re.compile(
    f"[{_VOICING_MARKS}{_THAI}{_DEVANAGARI}\uac00-\ud7a3\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua48c\U00020000-\U0002f7ff]"
)
_KANA: Final = re.compile("[\u3041-\u30ff\uff61-\uff9f]")

_HAN_OR_KANA: Final = "\u2e80-\u2fdf\u3005-\u3007\u3041-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
UNSPACED: Final = f"{_HAN_OR_KANA}{_THAI}\uac00-\ud7a3"
"""Signs whose scripts put no blanks between words, or write endings in one with them; for a character class."""
_ONE_UNSPACED: Final = re.compile(f"[{UNSPACED}]")
_LETTER: Final = r"[^\W_]"
_SIGNS: Final = re.escape(LEET_SIGNS + LEET_OF_TWO[1:])
_SINGLE: Final = rf"(?:{_LETTER}[{_LETTER_MARKS}]*|[{_SIGNS}])"

_STRAY_MARKS: Final = re.compile(
    rf"(?<![\u3041-\u30ff])[{_VOICING_MARKS}]+|(?<![{_THAI}{_DEVANAGARI}])[{_LETTER_MARKS}]+"
)
_BEFORE_MARK: Final = re.compile(rf"(?<=[{_THAI}{_DEVANAGARI}])\s+(?=[{_LETTER_MARKS}])")
WORDS: Final = re.compile(rf"[{UNSPACED}]+|\d+|[{_DEVANAGARI}]+|[^\W_{UNSPACED}{_DEVANAGARI}]+")
"""Numbers that a word begins with stand by themselves: `12yo`."""
_INNER_SIGNS: Final = re.compile(
    rf"(?<=[^\W\d_])(?:[-\u2010-\u2015][ \t]{{0,2}}\n[ \t\n]{{0,3}}|(?:[^\w\s{_LETTER_MARKS}]|_){{1,3}})(?={_LETTER})"
)
"""Signs within a word, and the hyphen of one that goes on in the next line."""
_NO_AGE: Final = "".join(f"(?<!{word})" for word in ("age", "aged", "alter", "edad", "idade", "umur", "usia", "раст"))
_WEIGHTS: Final = re.compile(
    rf"(?<=[^\W\d]|[)\]}}\"' ]){_NO_AGE}:[ \t]{{0,2}}(?:\d{{0,2}}\.\d{{1,4}}|[0-3])(?=[)\]}}>])"
)
"""How much a word counts, as Stable Diffusion's users write it: `(word:1.3)`. Larger whole numbers may be ages."""
_SEPARATOR: Final = rf"(?:[^\w{_SIGNS}{_LETTER_MARKS}]|_)"
# What may stand for a letter is no separator, so that there is one way only to take a text apart.
_SINGLES: Final = re.compile(
    rf"(?<![\w{_SIGNS}{_LETTER_MARKS}])(?:{_SINGLE}{_SEPARATOR}{{1,8}}){{2,}}{_SINGLE}(?![\w{_SIGNS}{_LETTER_MARKS}])"
)
_TAKEN_ALONG: Final = (1, 2, -1, -2)
"""Where a row of single letters is taken apart, since it may have taken a neighbour along: `a` of `a n a k e d`."""
_ROW_CHARACTERS_MAX: Final = 120
_BETWEEN_HAN: Final = re.compile(rf"(?<=[{_HAN_OR_KANA}])[\s_*.·•|/\\~-]{{1,3}}(?=[{_HAN_OR_KANA}])")
_BETWEEN_CLAUSES: Final = re.compile(rf"(?<=[{UNSPACED}]{{2}})[,;:.!?\u3001\u3002]+(?=[{UNSPACED}]{{2}})")
"""What ends a clause between words of scripts without blanks, which nobody puts together across it."""
_THREADED: Final = re.compile(
    r"(?<![^\W_])(?:[^\W_][\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0]{1,8}){3,}[^\W_]"
)
"""Letters with invisible characters between all of them."""
_BETWEEN_ROWS: Final = 9 * "\n"
"""More than may stand between the letters of one row."""
SPELLED_MARK: Final = "\ue010"
_MARKED_WORDS: Final = re.compile(rf"{SPELLED_MARK}\S+|{WORDS.pattern}")
_SEPARATORS: Final = re.compile(f"{_SEPARATOR}+")
_CLOSING_SIGNS: Final = re.compile(rf"[!|+]+(?![\w{_SIGNS}])")
_SIGN_IN_WORD: Final = re.compile(rf"[^\W\d_][\d{_SIGNS}]|[\d{_SIGNS}][^\W\d_]")
_SIGNS_OF_TWO: Final = re.compile(rf"[{LEET_OF_TWO}](?=\w{{0,12}}[{LEET_OF_TWO}])")
_NUMBERS: Final = re.compile(rf"(?<![^\W{UNSPACED}])(?<![{_SIGNS}])\d+(?![^\W{UNSPACED}])(?![{_SIGNS}])")
_CYRILLIC: Final = re.compile("[Ѐ-ӿ]")
_CYRILLIC_ALONE: Final = re.compile(r"(?<!\w)(?=[а-я]*[бжзилфцчшщъыьэюя])[а-я]+(?!\w)")
"""Words that have a letter that no Latin one looks like."""
_NOT_CYRILLIC_ALONE: Final = re.compile(r"(?<!\w)(?![а-я]+(?!\w))\w+")
_CYRILLIC_WORDS_MIN: Final = 3
_STRETCHED: Final = re.compile(rf"({_LETTER})\1{{2,}}")
_DOUBLED: Final = tuple(re.compile(rf"([{letters}])\1{{2,}}") for letters in ("#", "o", "eo"))
_MASKED: Final = re.compile(r"(?<=[a-z])[*#]+(?=[a-z])")
_BREAK: Final = re.compile(r"[\n,;:!?|\u3001\u3002\uff0c\u060c]")
ODD_MARKS_ONE_IN: Final = 10
_ODD_MARKS: Final = re.compile(
    f"(?![{''.join(sorted(MARKED | {char.upper() for char in MARKED}))}])[\u0300-\u036f\u00c0-\u024f\u1e00-\u1eff]"
)
"""Marks that Vietnamese has none of, such as those of consonants: where they are many, they are a disguise."""
_LETTER_ALONE: Final = re.compile(_LETTER)
_LETTERS: Final = re.compile(r"([^\W\d_]+)")
_BETWEEN_TEXTS: Final = "|"
_VOWELS: Final = "aeiou"

_TO_LATIN: Final = str.maketrans(dict(LATIN_LOOKALIKES))
_TO_CYRILLIC: Final = str.maketrans(dict(CYRILLIC_LOOKALIKES))
_ASIDE: Final = {ord("0") + digit: 0xE000 + digit for digit in range(10)}
_LEET: Final = tuple(
    str.maketrans(
        {**LEET, **dict.fromkeys(LEET_OF_TWO, letter), **{chr(aside): chr(digit) for digit, aside in _ASIDE.items()}}
    )
    for letter in "il"
)
"""Letters for digits and signs, with either letter for those that stand for two, and numbers as they were."""


def fold(prompt: str) -> str:
    """The prompt without what makes no difference to its words, at most EXPANSION_MAX times as long and a few words more,
    which are those of its emoji. Folding twice is folding once."""
    composed = unicodedata.normalize("NFC", prompt)
    text = _folded_vietnamese(composed) if may_be_vietnamese(composed) else None
    if text is None:
        text = composed.translate(_FOLDED)
    if text.isascii() and prompt.isascii():
        return _without_weights(text)
    named = [words for emoji, words in EMOJI_WORDS.items() if emoji in prompt]
    text = _BEFORE_MARK.sub("", " ".join([text, *named]))
    return _without_weights(unicodedata.normalize("NFC", _STRAY_MARKS.sub("", text)))


def _without_weights(text: str) -> str:
    return _WEIGHTS.sub("", text) if ":" in text else text


def _folded_vietnamese(composed: str) -> str | None:
    """Folded, but for the words of Vietnamese whose marks make other letters; None where it evidently is no Vietnamese."""
    if len(_ODD_MARKS.findall(composed)) > len(composed) // ODD_MARKS_ONE_IN:
        return None
    marked = unicodedata.normalize("NFC", composed.translate(_FOLDED_BUT_MARKED)).translate(_TO_LATIN)
    kept = syllables(marked)
    if not kept:
        return None
    return "".join(piece if piece in kept else piece.translate(_FOLDED) for piece in _LETTERS.split(marked))


def views(prompt: str) -> list[str]:
    """The prompt's words, with a blank before, between and after them: plainly first, then without each disguise.

    Views that show nothing new are left out.
    """
    return views_of(fold(prompt))


def views_of(folded: str) -> list[str]:
    """The views of a prompt that is folded already."""
    return list(dict.fromkeys(_blanked(text) for text in dict.fromkeys(_texts(folded))))


def spelled(folded: str) -> list[str]:
    """What letters that stand alone spell, whatever separates them: each row of them as one word, with the letters that
    its digits and signs may stand for. Then the prompt with the rows in it, taken apart where they are wider, each word
    of theirs after a mark."""
    together = dict.fromkeys(_SEPARATORS.sub("", found[0]) for found in _SINGLES.finditer(folded))
    rows = [row for row in together if not _ONE_UNSPACED.match(row)]
    if rows:
        rows.append(" ".join(_MARKED_WORDS.findall(_SINGLES.sub(_marked, folded))))
    return list(dict.fromkeys(reading for row in rows for reading in (row, *_without_leet(row, _latin_of(row)))))


def threaded(prompt: str) -> list[str]:
    """What letters spell that have invisible characters between them, which folding leaves out: a word with letters of no
    meaning before and after looks like any other then."""
    if prompt.isascii() or _THREADED.search(prompt) is None:
        return []
    return spelled(fold(_THREADED.sub(_unthreaded, prompt)))


def _unthreaded(found: re.Match[str]) -> str:
    return f"{_BETWEEN_ROWS}{' '.join(_LETTER_ALONE.findall(found[0]))}{_BETWEEN_ROWS}"


def breaks(folded: str) -> frozenset[tuple[str, str]]:
    """The words that have a comma or the like between them, wherever they are neighbours."""
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
    """The words of texts of ours, such as the terms of a language, as the plain view shows them."""
    assert not any(_BETWEEN_TEXTS in text for text in texts)
    # Folded together: one by one, ten thousands of them would take long at every start.
    return [WORDS.findall(text) for text in fold(_BETWEEN_TEXTS.join(texts)).split(_BETWEEN_TEXTS)]


def _texts(folded: str) -> Iterator[str]:
    to_latin = _latin_of(folded)
    whole = _SINGLES.sub(_together, folded)
    joined = _INNER_SIGNS.sub("", whole if whole.isascii() else _BETWEEN_CLAUSES.sub(" ", whole))
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
        yield from (_SINGLES.sub(functools.partial(_apart, taken), folded) for taken in _TAKEN_ALONG)
    plain = next(_without_leet(whole, to_latin))
    if _STRETCHED.search(plain):
        # Nobody can tell whether `goood` is `god` or `good`, so all are tried, with English's favourites.
        yield _STRETCHED.sub(_twice, plain)
        yield from (_STRETCHED.sub(_once, doubled.sub(_twice, plain)) for doubled in _DOUBLED)
    if _MASKED.search(plain):
        yield from (_MASKED.sub(vowel, plain) for vowel in _VOWELS)


def _once(stretched: re.Match[str]) -> str:
    return stretched[1]


def _twice(stretched: re.Match[str]) -> str:
    return 2 * stretched[1]


def _latin_of(folded: str) -> Callable[[str], str]:
    """What reads letters as the Latin ones that they look like. Where Cyrillic evidently is written, its words are words."""
    if len(_CYRILLIC_ALONE.findall(folded)) >= _CYRILLIC_WORDS_MIN:
        return lambda text: _NOT_CYRILLIC_ALONE.sub(lambda word: word[0].translate(_TO_LATIN), text)
    return lambda text: text.translate(_TO_LATIN)


def _without_leet(text: str, to_latin: Callable[[str], str]) -> Iterator[str]:
    """In Latin letters where these are meant, with either letter for signs that stand for two."""
    latin = _CLOSING_SIGNS.sub("", text)
    if not latin.isascii():
        latin = to_latin(latin)
    if _SIGN_IN_WORD.search(latin):
        latin = _NUMBERS.sub(_aside, latin)
        yield from (latin.translate(leet) for leet in _LEET)
        if _SIGNS_OF_TWO.search(latin):
            # `g1r1`: now the one letter, now the other.
            yield _SIGNS_OF_TWO.sub("i", latin).translate(_LEET[1])
    else:
        yield latin


def _aside(number: re.Match[str]) -> str:
    """A number by itself, whose digits stand for none of the letters around it."""
    return number[0].translate(_ASIDE)


def _blanked(text: str) -> str:
    return f" {' '.join(WORDS.findall(text))} "


def _together(found: re.Match[str]) -> str:
    """Words again, from single letters: what separates most of them stands within words, and what else there is between."""
    separators = _SEPARATORS.findall(found[0])
    inner = _inner(separators)
    if inner is None:
        return _SEPARATORS.sub(_any_blank, found[0])
    return _SEPARATORS.sub(lambda separator: "" if separator[0] == inner else " ", found[0])


def _inner(separators: Sequence[str]) -> str | None:
    """What separates most of the letters, if it does."""
    usual, times = Counter(separators).most_common(1)[0]
    if len(usual) > 1 and 2 * times >= len(separators):
        return usual
    if 2 * sum(separator.isspace() and len(separator) == 1 for separator in separators) >= len(separators):
        return usual if usual.isspace() else " "
    return None


def _marked(found: re.Match[str]) -> str:
    """The words that single letters spell, marked; one word where what separates them changes all the time."""
    separators = _SEPARATORS.findall(found[0])
    is_mixed = 2 * Counter(separators).most_common(1)[0][1] < len(separators)
    words = _SEPARATORS.sub("", found[0]) if is_mixed else _together(found)
    return f" {SPELLED_MARK}{f' {SPELLED_MARK}'.join(words.split())} "


def _apart(at: int, found: re.Match[str]) -> str:
    """The same without the letters before or after a place, which are a word of their own or part of a neighbour."""
    if len(found[0]) > _ROW_CHARACTERS_MAX:
        # No word; another view has it in one.
        return found[0]
    words = _together(found)
    return f"{words[:at]} {words[at:]}"


def _any_blank(separator: re.Match[str]) -> str:
    return " " if any(char.isspace() for char in separator[0]) else ""


class _Folded(dict[int, str]):
    """What each code point folds to, found when it is first seen. As large as a plane of Unicode at most."""

    def __init__(self, kept: frozenset[str] = frozenset()) -> None:
        """`kept` stay as they are, in lower case."""
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
    if char in LATIN_VARIANTS:
        return LATIN_VARIANTS[char]
    if _KANA.match(char):
        # Taken apart they would lose the marks by which they are other sounds.
        parts = unicodedata.normalize("NFKC", char)
    else:
        parts = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", char).casefold())
    folded = "".join(_fold_part(part) for part in parts)
    if len(folded) > EXPANSION_MAX:
        # Words in one character, such as units and greetings, would make a prompt many times as long.
        return " "
    return folded if folded == char else "".join(_FOLDED[ord(part)] for part in folded)


def _fold_part(char: str) -> str:
    if char in _VOICING_MARKS:
        return char
    if char in _INVISIBLE or unicodedata.category(char) in _MARKS_AND_FORMATS:
        return " " if char.isspace() else ""
    digit = unicodedata.decimal(char, None)
    return LATIN_VARIANTS.get(char, char) if digit is None else str(digit)
