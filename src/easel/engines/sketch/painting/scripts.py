"""Splits a line of text into what is drawn as one shape, from left to right as it is seen.

That is a character in most scripts, a letter in one of its joined forms in Arabic, and a syllable in Devanagari. A
joined form is named by the letter with U+200D at each side where it is joined. Arabic runs from right to left, but
numbers and Latin words in it do not. Vowel marks of Arabic are left out, as on signs. Other scripts that need shaping
are not known here; `lettering.py` has no shapes for them.
"""

import re
import unicodedata
from typing import Final

JOINER: Final = "\u200d"
ARABIC_MARKS: Final = re.compile("[\u0610-\u061a\u0640\u064b-\u065f\u0670]")
ARABIC: Final = re.compile("[\u0600-\u06ff]")
TO_THE_LEFT: Final = "[\u0600-\u065f\u066a-\u06ef\u06fa-\u06ff]"
RUNS: Final = re.compile(
    f"{TO_THE_LEFT}+(?:\\s+{TO_THE_LEFT}+)*|\\s+|[^\u0600-\u06ff\\s]+|[\u0660-\u0669\u06f0-\u06f9]+"
)
"""Runs of Arabic, of what runs to the right, and the spaces between these."""
LIGATURES: Final = re.compile("\u0644[\u0622\u0623\u0625\u0627]|.", re.DOTALL)
"""Lam and alef are one shape."""
NOT_ON_THE_LEFT: Final = frozenset("\u0622\u0623\u0624\u0625\u0627\u0629\u062f\u0630\u0631\u0632\u0648\u0698\u0649")
"""Letters that are joined to the one before them alone."""
NOT_JOINED: Final = frozenset("\u0621\u060c\u061b\u061f")
_CONSONANT: Final = "[\u0915-\u0939\u0958-\u095f]\u093c?"
SYLLABLES: Final = re.compile(
    f"(?:{_CONSONANT}\u094d)*{_CONSONANT}[\u093e-\u094d]?[\u0900-\u0903]*|[\u0904-\u0914][\u0900-\u0903]*|.", re.DOTALL
)
"""Consonants that are written together with their vowel and its signs, or another character."""
DEVANAGARI: Final = re.compile("[\u0900-\u097f]")


def shapes(text: str) -> list[str]:
    """The names of the shapes of a line, from left to right."""
    text = ARABIC_MARKS.sub("", unicodedata.normalize("NFC", text))
    if DEVANAGARI.search(text):
        return SYLLABLES.findall(text)
    if not ARABIC.search(text):
        return list(text)
    runs = [_joined(run) if re.match(TO_THE_LEFT, run) else list(run) for run in RUNS.findall(text)]
    return [shape for run in reversed(runs) for shape in run]


def _joined(run: str) -> list[str]:
    """The letters of an Arabic run in their joined forms, the last one first."""
    letters = LIGATURES.findall(run)
    found = []
    for at, letter in enumerate(letters):
        before = at > 0 and _joins_on(letters[at - 1]) and _is_joined(letter)
        after = _joins_on(letter) and at + 1 < len(letters) and _is_joined(letters[at + 1])
        found.append(JOINER * before + letter + JOINER * after)
    return found[::-1]


def _is_joined(letter: str) -> bool:
    return letter[0] not in NOT_JOINED and not letter.isspace()


def _joins_on(letter: str) -> bool:
    """Whether a letter is joined to the one after it."""
    return _is_joined(letter) and letter[-1] not in NOT_ON_THE_LEFT
