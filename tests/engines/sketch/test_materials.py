"""What things are made of, other words for colours, and words for several things are understood."""

import pytest

from easel.engines.sketch.pictures.library import Library
from easel.engines.sketch.reading.reader import read


@pytest.mark.parametrize(
    ("prompt", "colour"),
    [
        ("a bronze horse", "brown"),
        ("a robot made of steel", "gray"),
        ("a large marble lion", "white"),
        ("a red metal chair", "red"),
        ("a metal chair that is red", "red"),
        ("a crimson dragon", "red"),
        ("a midnight blue car", "dark-blue"),
        ("a gold-plated watch", "gold"),
    ],
)
def test_a_thing_has_the_colour_that_is_said_or_else_that_of_its_material(
    prompt: str, colour: str, library: Library
) -> None:
    assert [thing.colour for thing in read(prompt, library.emoji).things] == [colour]


@pytest.mark.parametrize("prompt", ["a cat and metal", "wooden"])
def test_a_material_of_nothing_colours_nothing(prompt: str, library: Library) -> None:
    assert {thing.colour for thing in read(prompt, library.emoji).things} <= {None}


@pytest.mark.parametrize(
    ("prompt", "count"),
    [
        ("a couple of penguins", 2),
        ("a trio of penguins", 3),
        ("half a dozen penguins", 6),
        ("a baker's dozen penguins", 13),
        ("two dozen penguins", 24),
        ("a gaggle of geese", 3),
        ("scores of penguins", 9),
        ("a pair of jeans", 1),
    ],
)
def test_words_for_several_are_counted(prompt: str, count: int, library: Library) -> None:
    assert [thing.count for thing in read(prompt, library.emoji).things] == [count]
