"""Words that only WordNet has are drawn as what they are kinds of, in English prompts."""

import subprocess
import sys

import pytest

from easel.engines.sketch.backgrounds import background
from easel.engines.sketch.pictures.library import Library
from easel.engines.sketch.reading.reader import read
from easel.engines.sketch.words.kinds import KINDS, PLACE, kind_of

READING_KB_MAX = 1000
SCRIPT = """
import tracemalloc
from easel.engines.sketch.words.kinds import kind_of
tracemalloc.start()
assert kind_of("macaque") == "monkey"
print(tracemalloc.get_traced_memory()[1] // 1000)
"""


@pytest.mark.parametrize(
    ("prompt", "picture", "count"),
    [
        ("a macaque", "monkey", 1),
        ("two cormorants on a pier", "bird", 2),
        ("a flock of curlews", "bird", 3),
        ("the sailor steers a windjammer", "sailboat", 1),
        ("a bowl of gazpacho", "pot-of-food", 1),
        ("a Clydesdale in a stable", "horse", 1),
    ],
)
def test_a_thing_is_drawn_as_what_it_is_a_kind_of(prompt: str, picture: str, count: int, library: Library) -> None:
    wish = read(prompt, library.emoji)
    assert (picture, count) in {(thing.picture, thing.count) for thing in wish.things}


@pytest.mark.parametrize(
    ("prompt", "place"), [("a cat in Lisbon", "city"), ("a boat on a tarn", "lake"), ("a bistro", "cafe")]
)
def test_a_place_is_drawn_as_what_it_is_a_kind_of(prompt: str, place: str, library: Library) -> None:
    assert read(prompt, library.emoji).place == place


def test_words_of_other_languages_are_not_taken_for_english_ones(library: Library) -> None:
    wish = read("la volpe pone il gatto nella foresta", library.emoji)
    assert [thing.picture for thing in wish.things] == ["fox", "cat"]


@pytest.mark.parametrize("word", ["justice", "idea", "dick", "einstein", "zzyzx", "felis domesticus", "elbow"])
def test_what_is_no_kind_of_thing_has_no_picture(word: str) -> None:
    assert kind_of(word) is None


def test_every_kind_has_a_picture_or_a_place(library: Library) -> None:
    rows = [row.split("\t") for row in KINDS.read_text(encoding="utf-8").splitlines()]
    assert [word for word, _ in rows] == sorted({word for word, _ in rows})
    names = {name for _, name in rows}
    assert {name for name in names if name.startswith(PLACE)} <= {PLACE + place for place in background.names()}
    assert [name for name in names if not name.startswith(PLACE) and not library.has(name)] == []


def test_every_kind_is_found() -> None:
    rows = [row.split("\t") for row in KINDS.read_text(encoding="utf-8").splitlines()]
    assert all(kind_of(word) == name for word, name in (rows[0], rows[-1], *rows[:: len(rows) // 500]))


def test_reading_the_table_takes_little_memory() -> None:
    told = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert int(told.stdout) <= READING_KB_MAX
