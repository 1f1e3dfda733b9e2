"""Writes the list of Chinese words with which moderation tells a term from two adjacent words.

    python -m tools.chinese_words JIEBA_DICT ST_PHRASES ST_CHARACTERS

The first file is `dict.txt` of the package jieba. The others are OpenCC's tables from simplified to traditional
characters. Run this again after adding Chinese terms. It keeps only common words that a term may overlap.
"""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from easel.outside.judges.rulebook import CHINESE_WORDS, FOLDER

FREQUENCY_MIN: Final = 100
LINE_SIGNS_MAX: Final = 110
NAMES: Final = frozenset({"nr", "nrt", "nz"})
"""Parts of speech that are names."""
ALONE: Final = "中人她他入头"
GENDERED: Final = frozenset({"女性", "男性", "两性", "异性", "同性", "女体", "男体"})
"""Splitting at these words would often be wrong: `少女性交`."""
UNCHARGED: Final = frozenset({"person", "depiction", "display", "innocent", "adult", "real_look", "invented"})
_WORD: Final = re.compile("[\u4e00-\u9fff]{2,4}")
_TERM: Final = re.compile("[\u4e00-\u9fff]{2,5}")


def common_words(dictionary: Path) -> frozenset[str]:
    """The common words in jieba's dictionary, without names."""
    rows = (line.split() for line in dictionary.read_text(encoding="utf-8").splitlines())
    return frozenset(
        row[0]
        for row in rows
        if _WORD.fullmatch(row[0]) and int(row[1]) >= FREQUENCY_MIN and NAMES.isdisjoint(row[2:3])
    )


def terms() -> frozenset[str]:
    """The Chinese terms that adjacent words can be mistaken for."""
    concepts = tomllib.loads((FOLDER / "zh.toml").read_text(encoding="utf-8"))["concepts"]
    listed = (own.split(",") for concept, own in concepts.items() if concept not in UNCHARGED)
    return frozenset(term.strip() for own in listed for term in own if _TERM.fullmatch(term.strip()))


def across(term: str, words: frozenset[str]) -> Iterator[str]:
    """The words that meet inside a term and of which at least one extends beyond it."""
    for at in range(1, len(term)):
        first, second = term[:at], term[at:]
        before = {word for word in words if word.endswith(first) and word != first}
        following = {word for word in words if word.startswith(second) and word != second}
        if before and (following or second in words or second in ALONE):
            yield from before | following | ({second} & words)
        if following and first in words:
            yield from following | {first}


def traditional(word: str, phrases: dict[str, str], characters: dict[str, str]) -> str:
    """The word in traditional characters."""
    return phrases.get(word) or "".join(characters.get(sign, sign) for sign in word)


def table(file: Path) -> dict[str, str]:
    """One of OpenCC's tables, with the first of several variants."""
    rows = (line.split("\t") for line in file.read_text(encoding="utf-8").splitlines() if line)
    return {row[0]: row[1].split()[0] for row in rows}


def main() -> None:
    """Write the list to the folder of the rules."""
    dictionary, phrases, characters = (Path(argument) for argument in sys.argv[1:4])
    words, own = common_words(dictionary), terms()
    simplified = {word for term in own for word in across(term, words)} - own - GENDERED
    tables = table(phrases), table(characters)
    listed = sorted(simplified | {traditional(word, *tables) for word in simplified})
    lines = [""]
    for word in listed:
        if len(lines[-1]) + len(word) >= LINE_SIGNS_MAX:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".lstrip()
    (FOLDER / CHINESE_WORDS).write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
