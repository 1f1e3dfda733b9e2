"""Ordinary prompts, as the speakers of each language write them, are understood.

`prompts/LANGUAGE.txt` has a line for each: `prompt | what must be understood`. A thing is `picture*count:colour:size`,
of which the rest may be left out; counts are numbers, `some`, `many` or `field`. `picture relation picture` is a
relation. Places, times, weathers, seasons and styles stand alone, and `studio:white` is a plain background. `?word` has
no picture, and that is told. A comma may stand between.
"""

from pathlib import Path
from typing import Final

import pytest

from easel.engines.sketch.pictures.library import Library
from easel.engines.sketch.reading.reader import read
from easel.engines.sketch.reading.wish import AMOUNTS, Thing, Wish

PROMPTS: Final = Path(__file__).parent / "prompts"
RELATIONS: Final = frozenset(
    [
        "on",
        "under",
        "above",
        "behind",
        "in-front",
        "left",
        "right",
        "next",
        "with",
        "between",
        "holding",
        "riding",
        "wearing",
        "inside",
        "looking",
    ]
)


def _lines() -> list[tuple[str, str, str]]:
    found = []
    for file in sorted(PROMPTS.glob("*.txt")):
        for line in file.read_text(encoding="utf-8").splitlines():
            if line and not line.startswith("#"):
                prompt, _, expected = line.partition(" | ")
                found.append((file.stem, prompt, expected))
    return found


def missing(expected: str, wish: Wish) -> list[str]:
    """What of the expectation the wish lacks, and the words that were not understood."""
    words = [word for word in expected.replace(",", " ").split() if not word.startswith("?")]
    untold = set(expected.replace(",", " ").split()) - set(words)
    lacking = []
    for at, word in enumerate(words):
        if word in RELATIONS:
            if not _is_related(words[at - 1], word, words[at + 1], wish):
                lacking.append(" ".join(words[at - 1 : at + 2]))
        elif not _is_said(word, wish) and not _is_in_relation(words, at, wish):
            lacking.append(word)
    return lacking + sorted({f"?{word}" for word in wish.not_understood} ^ untold)


def _is_in_relation(words: list[str], at: int, wish: Wish) -> bool:
    """Whether a name only says again which things are related."""
    return bool(RELATIONS & {*words[max(at - 1, 0) : at + 2]}) and words[at] in {thing.picture for thing in wish.things}


def _is_said(word: str, wish: Wish) -> bool:
    settings = {wish.place, wish.time, wish.weather, wish.season, wish.style, f"{wish.place}:{wish.place_colour}"}
    return word in settings or any(_fits(word, thing) for thing in wish.things)


def _fits(word: str, thing: Thing) -> bool:
    head, *traits = word.split(":")
    picture, _, count = head.partition("*")
    counts = (AMOUNTS.get(count) or int(count),) if count else (1, thing.count if not thing.is_count_said else 1)
    return thing.picture == picture and thing.count in counts and {*traits} <= {thing.colour, thing.size}


def _is_related(subject: str, kind: str, other: str, wish: Wish) -> bool:
    pictures = [thing.picture for thing in wish.things]
    wanted = (subject.split(":")[0].split("*")[0], kind, other.split(":")[0].split("*")[0])
    return wanted in {
        (pictures[one.subject], one.kind, pictures[one.other]) for one in wish.relations if one.other is not None
    }


@pytest.mark.parametrize(("code", "prompt", "expected"), _lines())
def test_an_ordinary_prompt_is_understood(code: str, prompt: str, expected: str, library: Library) -> None:
    assert missing(expected, read(prompt, library.emoji)) == [], code


def test_every_language_has_forty_prompts() -> None:
    for file in PROMPTS.glob("*.txt"):
        assert sum(1 for code, _, _ in _lines() if code == file.stem) >= 40, file.stem
