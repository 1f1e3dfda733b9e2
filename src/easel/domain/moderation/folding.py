"""Folds a prompt: undoes what never changes a word, such as width, case, accents, invisible and decorated characters.

`Ｎáｋéｄ` becomes `naked`. Changes that may be intended are left to `disguises`.
"""

import re
import unicodedata
from typing import Final

from easel.domain.moderation.lookalikes import EMOJI_WORDS, LATIN_FORMS, LATIN_LOOKALIKES
from easel.domain.moderation.scripts import DEVANAGARI, LETTER_MARKS, THAI
from easel.domain.moderation.vietnamese import MARKED, may_be_vietnamese, syllables

_FOLDED_CHARACTERS_MAX: Final = 65_536
_MARKS_AND_FORMATS: Final = frozenset({"Mn", "Me", "Cf", "Cc", "Sk"})
_VOICING_MARKS: Final = "\u3099\u309a"
_LINE_ENDS: Final = frozenset("\n\r\v\f\x85\u2028\u2029")
_INVISIBLE: Final = frozenset("\u115f\u1160\u3164\uffa0\u2800\u0640")
"""Invisible characters in the categories of letters and symbols: fillers, the Braille blank, the Arabic dash."""
_OTHER_LETTERS: Final = _INVISIBLE.union(LATIN_FORMS)
EXPANSION_MAX: Final = 3
_NO_CHARACTERS: Final = frozenset({"Cn", "Co", "Cs"})
"""Categories of code points that are unassigned, private or surrogates."""
_UNCHANGED: Final = (
    f"{_VOICING_MARKS}{THAI}{DEVANAGARI}\uac00-\ud7a3\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua48c\U00020000-\U0002f7ff"
)
_AS_IT_IS: Final = re.compile(f"[{_UNCHANGED}]")
"""Characters of other scripts that folding leaves unchanged."""
_CHANGEABLE: Final = re.compile(f"[^{_UNCHANGED} -@\\[\\\\\\]_a-~]+")
"""Characters that folding may change: not those of ASCII, except capitals, controls and the accents `^` and `` ` ``."""
_KANA: Final = re.compile("[\u3041-\u30ff\uff61-\uff9f]")
_MARKS: Final = re.compile(f"[{_VOICING_MARKS}{LETTER_MARKS}]")
_STRAY_MARKS: Final = re.compile(rf"(?<![\u3041-\u30ff])[{_VOICING_MARKS}]+|(?<![{THAI}{DEVANAGARI}])[{LETTER_MARKS}]+")
_BEFORE_MARK: Final = re.compile(rf"(?<=[{THAI}{DEVANAGARI}])\s+(?=[{LETTER_MARKS}])")
_NO_AGE: Final = "".join(f"(?<!{word}:)" for word in ("age", "aged", "alter", "edad", "idade", "umur", "usia", "раст"))
# The colon comes first: the search then skips from colon to colon.
_WEIGHTS: Final = re.compile(
    rf":(?<=[^\W\d]:|[)\]}}\"' ]:){_NO_AGE}[ \t]{{0,2}}(?:\d{{0,2}}\.\d{{1,4}}|[0-3])(?=[)\]}}>])"
)
"""The weight of a word in the syntax of Stable Diffusion: `(word:1.3)`. Larger whole numbers may be ages."""
ODD_MARKS_ONE_IN: Final = 10
_ODD_MARKS: Final = re.compile(
    f"(?![{''.join(sorted(MARKED | {char.upper() for char in MARKED}))}])[\u0300-\u036f\u00c0-\u024f\u1e00-\u1eff]"
)
"""Marks that Vietnamese does not use, such as those on consonants. Many of them are a disguise."""
_LETTERS: Final = re.compile(r"([^\W\d_]+)")
_TO_LATIN: Final = str.maketrans(dict(LATIN_LOOKALIKES))


def fold(prompt: str) -> str:
    """Undo what makes no difference to the words: width, case, accents, invisible and decorated characters.

    The names of emoji are appended. Without them the result has at most EXPANSION_MAX times as many characters. Folding
    is idempotent.
    """
    if prompt.isascii():
        return _without_weights(prompt.translate(_FOLDED))
    composed = unicodedata.normalize("NFC", prompt)
    text = _folded_vietnamese(composed) if may_be_vietnamese(composed) else None
    if text is None and _AS_IT_IS.search(composed):
        text = _CHANGEABLE.sub(lambda row: row[0].translate(_FOLDED), composed)
    elif text is None:
        text = composed.translate(_FOLDED)
    named = [words for emoji, words in EMOJI_WORDS.items() if emoji in prompt]
    text = " ".join([text, *named])
    if _MARKS.search(text):
        text = _STRAY_MARKS.sub("", _BEFORE_MARK.sub("", text))
    return _without_weights(unicodedata.normalize("NFC", text))


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
        if _AS_IT_IS.match(char):
            folded = char
        else:
            folded = lower if (lower := char.lower()) in self._kept else _fold_character(char)
        self[code_point] = folded
        return folded


_FOLDED: Final = _Folded()
_FOLDED_BUT_MARKED: Final = _Folded(MARKED)


def _fold_character(char: str) -> str:
    """What a character folds to that is not one of _AS_IT_IS."""
    category = unicodedata.category(char)
    if category == "Lo" and char not in _OTHER_LETTERS and unicodedata.is_normalized("NFKD", char):
        return char
    if char in _LINE_ENDS:
        return "\n"
    if char == "\t":
        return char
    if char in EMOJI_WORDS or category in _NO_CHARACTERS or char.isspace():
        return " "
    if char in LATIN_FORMS:
        return LATIN_FORMS[char]
    if _KANA.match(char):
        # Decomposed kana would lose the marks that make them other sounds.
        parts = unicodedata.normalize("NFKC", char)
    else:
        parts = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", char).casefold())
    if parts == char:
        folded = _fold_part(char, category)
    else:
        folded = "".join(_fold_part(part, unicodedata.category(part)) for part in parts)
    if len(folded) > EXPANSION_MAX:
        # Characters that stand for whole words, such as units, would make a prompt many times as long.
        return " "
    return folded if folded == char else "".join(_FOLDED[ord(part)] for part in folded)


def _fold_part(char: str, category: str) -> str:
    if char in _VOICING_MARKS:
        return char
    if category in _MARKS_AND_FORMATS or char in _INVISIBLE:
        return " " if char.isspace() else ""
    digit = unicodedata.decimal(char, None) if category == "Nd" else None
    return LATIN_FORMS.get(char, char) if digit is None else str(digit)
