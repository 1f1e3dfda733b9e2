"""Disguises: ways to write words that readers recognise and simple filters do not.

A disguise leaves letters of other scripts as they are.
"""

from collections.abc import Callable, Mapping
from typing import Final

Disguise = Callable[[str], str]
_LOWER: Final = "abcdefghijklmnopqrstuvwxyz"


def _lettered(letters: str, text: str) -> str:
    return text.lower().translate(str.maketrans(_LOWER, letters))


def _from(start: int, *, upper: bool = False) -> Disguise:
    """Write letters as those of a row of Unicode."""
    letters = "".join(chr(start + number) for number in range(26))

    def disguise(text: str) -> str:
        known = text.upper() if upper else text.lower()
        return known.translate(str.maketrans(_LOWER.upper() if upper else _LOWER, letters))

    return disguise


def _after_letters(mark: str) -> Disguise:
    return lambda text: "".join(char + mark if char.isalpha() else char for char in text)


def _each(separator: str) -> Disguise:
    """Put a separator between the letters of every word that has only letters."""
    return lambda text: " ".join(separator.join(word) if word.isalpha() else word for word in text.split(" "))


def _every_other_word(text: str) -> str:
    """Put spaces between the letters of every second word, if it is long and not followed by a one-letter word.

    A one-letter word before it makes `a n a k e d`.
    """
    words = text.split(" ")
    for number in range(1, len(words), 2):
        word, following = words[number], words[number + 1 :]
        if word.isalpha() and len(word) > 3 and len("".join(following[:1])) != 1:
            words[number] = " ".join(word)
    return " ".join(words)


def _pairs(pairs: str) -> Disguise:
    """Replace some letters in words that have no digits, if a letter remains and no `!` is at the end."""
    table = str.maketrans({pair[0]: pair[1] for pair in pairs.split()})

    def in_word(word: str) -> str:
        new = word.translate(table)
        is_readable = any(char.isalpha() for char in new) and not new.rstrip(",.;:").endswith("!")
        return new if is_readable and not any(char.isdigit() for char in word) else word

    def disguise(text: str) -> str:
        return " ".join(in_word(word) for word in text.lower().split(" "))

    return disguise


def _in_long_words(disguise: Disguise) -> Disguise:
    """Disguise only words of more than three letters, which are rarely function words."""
    return lambda text: " ".join(
        disguise(word) if word.isalpha() and len(word) > 3 else word for word in text.split(" ")
    )


def _mixed(word: str) -> str:
    """Put a different separator after every letter."""
    return "".join(char + ".-,/_"[number % 5] for number, char in enumerate(word[:-1])) + word[-1]


def _cut(word: str) -> str:
    """Hyphenate a word at the end of a line."""
    middle = len(word) // 2
    return f"{word[:middle]}-\n{word[middle:]}" if word.isascii() else word


def _padded(separator: str) -> Disguise:
    """Add a meaningless letter at each end, and a separator between all letters."""
    return lambda word: separator.join(f"x{word}q") if word.isascii() else word


def _fullwidth(text: str) -> str:
    return "".join(chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char for char in text)


def _stretched(text: str) -> str:
    """Repeat the last vowel of every long word five times."""
    return " ".join(_drawn_out(word) for word in text.split(" "))


def _drawn_out(word: str) -> str:
    at = max(
        (place for place, char in enumerate(word) if char in "aeiou" and word[place - 1 : place].isascii()),
        default=None,
    )
    return (
        word
        if at is None or len(word) < 4 or any(char.isdigit() for char in word)
        else word[: at + 1] + word[at] * 4 + word[at + 1 :]
    )


DISGUISES: Final[Mapping[str, Disguise]] = {
    "capitals": str.upper,
    "full width": _fullwidth,
    "zero-width spaces": _after_letters("\u200b"),
    "zero-width joiners": _after_letters("\u200d"),
    "soft hyphens": _after_letters("\u00ad"),
    "bidirectional marks": _after_letters("\u200e"),
    "variation selectors": _after_letters("\ufe0f"),
    "invisible operators": _after_letters("\u2062"),
    "acute accents": _after_letters("\u0301"),
    "struck through": _after_letters("\u0336"),
    "bold mathematical letters": _from(0x1D41A),
    "script mathematical letters": _from(0x1D4EA),
    "circled letters": _from(0x24D0),
    "parenthesized letters": _from(0x249C),
    "letters in squares": _from(0x1F170, upper=True),
    "letters in dark circles": _from(0x1F150, upper=True),
    "flags": _from(0x1F1E6, upper=True),
    "small capitals": lambda text: _lettered("ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘqʀꜱᴛᴜᴠᴡxʏᴢ", text),
    "Cyrillic homoglyphs": _pairs("aа cс eе oо pр xх yу iі sѕ jј"),
    "Greek homoglyphs": _pairs("oο aα vν iι"),
    "leet": _pairs("a4 e3 i1 o0 s5"),
    "leet with signs": _pairs("a@ e3 i! o0 s$"),
    "spaced": " ".join,
    "dotted": _each("."),
    "hyphenated": _each("-"),
    "underscored": _each("_"),
    "two spaces apart": _each("  "),
    "commas and spaces": _each(", "),
    "commas": _each(","),
    "line ends": _each("\n"),
    "tabs": _each("\t"),
    "dashes": _each(" – "),
    "hearts": _each("♥"),
    "every other word spaced": _every_other_word,
    "weighted": _in_long_words(lambda word: f"({word}:1.3)"),
    "in doubled brackets": _in_long_words(lambda word: f"(({word}))"),
    "cut at the end of a line": _in_long_words(_cut),
    "separators mixed": _in_long_words(_mixed),
    "stretched": _stretched,
    "full width and spaced": lambda text: " ".join(_fullwidth(text)),
    "accents and homoglyphs": lambda text: _after_letters("\u0301")(_pairs("aа eе oо")(text)),
    "leet and zero-width": lambda text: _after_letters("\u200b")(_pairs("a4 e3 i1 o0")(text)),
}
"""By name. `moderation.disguises` undoes all of them."""

PADDED: Final[Mapping[str, Disguise]] = {
    "padded and zero-width": _in_long_words(_padded("\u200b")),
    "padded and hyphenated": _in_long_words(_padded("-")),
    "padded and spaced": _in_long_words(_padded(" ")),
}
"""Disguises with meaningless letters before and after each word, which nobody would write innocently."""
