"""Characters that look like a letter, or that people write in its place.

Characters that Unicode itself decomposes into letters are not listed. The lists are not complete.
"""

from collections.abc import Mapping
from typing import Final


def _pairs(text: str) -> dict[str, str]:
    """Pairs such as `ıi łl æ:ae`, of a character and what it stands for."""
    return {pair[0]: pair[1:].removeprefix(":") for pair in text.split()}


def _rows(letters: str, *starts: int) -> dict[str, str]:
    return {chr(start + number): letter for start in starts for number, letter in enumerate(letters)}


_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz"

LATIN_FORMS: Final[Mapping[str, str]] = {
    # Regional indicators, and letters in brackets, dark circles and squares.
    **_rows(_ALPHABET, 0x1F1E6, 0x249C, 0x1F110, 0x1F150, 0x1F170),
    # Small capitals, letters upside down, and letters that few languages have.
    **_pairs("ᴀa ʙb ᴄc ᴅd ᴇe ꜰf ɢg ʜh ɪi ᴊj ᴋk ʟl ᴍm ɴn ᴏo ᴘp ꞯq ʀr ꜱs ᴛt ᴜu ᴠv ᴡw ʏy ᴢz"),
    **_pairs("ɐa ɔc ǝe ɟf ƃg ɥh ᴉi ɾj ʞk ɯm ɹr ʇt ʌv ʍw ʎy"),
    **_pairs(
        "ıi łl øo đd ħh ŧt ƀb ƈc ɖd ɗd ɛe ƒf ɡg ɠg ɦh ɨi ɩi ɭl ɲn ɳn ŋn ɵo ƥp ʠq ɍr ɽr ʂs ƭt ʈt ʉu ʋv ɏy ʐz ɑa ʃs"
    ),
    **_pairs("æ:ae œ:oe"),
    **_pairs("ꓮa ꓐb ꓚc ꓓd ꓰe ꓝf ꓖg ꓧh ꓲi ꓙj ꓗk ꓡl ꓟm ꓠn ꓳo ꓑp ꓣr ꓢs ꓔt ꓴu ꓦv ꓪw ꓫx ꓬy ꓜz"),
    # Persian letters and forms, as the Arabic ones.
    **_pairs("ىي یي کك ةه ٱا ھه ہه ۀه"),
}
"""Other forms of a letter, whatever the language."""

LATIN_LOOKALIKES: Final[Mapping[str, str]] = {
    **_pairs("аa вb сc ԁd еe ѓf ґr һh іi јj кk ӏl мm нn оo рp ԛq гr ѕs тt џu ѵv ѡw ԝw хx уy ҳx зz ӡz"),
    **_pairs("αa βb ϲc δd εe ηn γy ιi κk λl μu νv οo πn ρp σo τt υu χx ωw ϳj ζz"),
    **_pairs("աw օo սu հh ոn ցg զq յj ցg տs ք:f"),
    **_pairs("ꭺa ꮯc ꭰd ꭼe ꭲi ꮻk ꮇm ꮲp ꭱr ꮪs ꭲi ꮃw ꮓz"),
}
"""Letters of other alphabets that look like Latin ones, in lower case."""

CYRILLIC_LOOKALIKES: Final[Mapping[str, str]] = {
    **_pairs("aа bв cс eе hн iі kк mм oо pр tт xх yу uи nп rг"),
    **_pairs("αа βв εе κк ορ οо ρр τт χх υу"),
    **_pairs("0о 3з 4ч 6б @а"),
}
"""Characters that look like Cyrillic letters, in lower case."""

LEET: Final[Mapping[str, str]] = _pairs("0o 3e 4a 5s 6g 7t 8b 9g 2z @a $s €e £l ¥y +t ¢c §s ¡i")
"""Digits and symbols that stand for letters."""
AMBIGUOUS_LEET: Final = "1!|"
"""Symbols that stand for `i` or `l`."""
LEET_SYMBOLS: Final = "".join(sorted({*LEET, *AMBIGUOUS_LEET} - set("0123456789")))

EMOJI_WORDS: Final[Mapping[str, str]] = {
    "👶": "baby", "🧒": "child", "👧": "little girl", "👦": "little boy", "🚼": "baby", "🔞": "nsfw",
    "👙": "bikini", "🍆": "eggplant", "🔪": "knife", "🩸": "blood", "👩": "woman", "👨": "man", "🏴": "flag",
}  # fmt: skip
"""What emoji show, in words of the lexicon."""
