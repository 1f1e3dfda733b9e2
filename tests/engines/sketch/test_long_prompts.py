"""A prompt of the greatest length is read in a moment, whatever stands in it."""

import random
import time
from typing import Final

import pytest

from easel.engines.sketch.pictures.library import Library
from easel.engines.sketch.reading.reader import read

CHARACTERS: Final = 2000
READING_S_MAX: Final = 0.15
"""Processor time, so that other programs on the machine do not count."""
LATIN: Final = "abcdefghijklmnopqrstuvwxyz"


def _letters(alphabet: str, spaces: int = 0) -> str:
    dice = random.Random(7)
    letters = "".join(dice.choice(alphabet) for _ in range(CHARACTERS))
    return " ".join(letters[at : at + spaces] for at in range(0, CHARACTERS, spaces + 1)) if spaces else letters


def _script(first: int, last: int) -> str:
    return "".join(map(chr, range(first, last)))


@pytest.mark.parametrize(
    "prompt",
    [
        _letters(LATIN),
        _letters(LATIN, spaces=7),
        _letters(LATIN, spaces=2),
        _letters(LATIN + "àéîöüßçñ", spaces=5),
        _letters(_script(0x4E00, 0x9FA5)),
        _letters(_script(0x3041, 0x3094)),
        _letters(_script(0x30A1, 0x30F7)),
        _letters(_script(0xAC00, 0xD7A4), spaces=3),
        _letters(_script(0x430, 0x450), spaces=5),
        _letters(_script(0x621, 0x64B), spaces=5),
        _letters(_script(0x905, 0x93A), spaces=5),
        ("người đàn ông cưỡi ngựa và " * 90)[:CHARACTERS],
        "猫" * CHARACTERS,
    ],
)
def test_a_prompt_of_the_greatest_length_is_read_in_a_moment(prompt: str, library: Library) -> None:
    read(prompt, library.emoji)  # the tables are read once
    times_s = []
    for _ in range(3):
        start_s = time.process_time()
        read(prompt, library.emoji)
        times_s.append(time.process_time() - start_s)
    assert min(times_s) < READING_S_MAX
