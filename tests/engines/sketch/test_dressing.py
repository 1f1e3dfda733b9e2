"""Placed pictures take the colours that the prompt says, and the light."""

import math
import re
from dataclasses import replace

import pytest

from easel.engines.sketch.composing.composer import compose
from easel.engines.sketch.composing.light import light_of
from easel.engines.sketch.composing.scene import Placed
from easel.engines.sketch.painting.colour import NAMED, oklab
from easel.engines.sketch.painting.dressing import LIT, dressed
from easel.engines.sketch.pictures.library import Library
from easel.engines.sketch.reading.reader import read


def colours(body: str) -> list[str]:
    return re.findall(r"#[0-9a-fA-F]{6}", body)


def placed(prompt: str, library: Library) -> Placed:
    return compose(read(prompt, library.emoji), 512, 512, 1, library).placed[0]


def painted(one: Placed, library: Library, time: str = "day") -> str:
    picture = library.picture(one.picture, one.clothes, one.trousers, one.pose)
    return dressed(picture.body, one, picture, light_of(time, None), time)


def test_a_red_fox_stays_a_fox_but_a_blue_cat_is_blue(library: Library) -> None:
    plain = replace(placed("a fox", library), colour=None)
    red = painted(replace(plain, colour="red"), library)
    assert red != painted(plain, library)
    blue = painted(placed("a blue cat", library), library)
    assert sum(oklab(colour)[2] < -0.1 for colour in colours(blue)) > 10


def test_a_red_flower_is_as_red_as_said_though_its_picture_is_nearly_red(library: Library) -> None:
    tulip = placed("a red tulip", library)
    wanted, got = oklab(NAMED["red"]), [oklab(colour) for colour in colours(painted(tulip, library))]
    assert not [
        lab for lab in got if lab[1] > 0.1 and abs(math.atan2(lab[2], lab[1]) - math.atan2(wanted[2], wanted[1])) > 0.3
    ]


@pytest.mark.parametrize(("time", "is_lit"), [("night", True), ("sunset", True), ("day", False)])
def test_windows_are_lit_in_the_dark(time: str, is_lit: bool, library: Library) -> None:
    assert (LIT in painted(placed("a house", library), library, time)) == is_lit


def test_a_part_gets_its_own_colour(library: Library) -> None:
    green = painted(placed("a snowman with a green scarf", library), library)
    goal = oklab(NAMED["green"])
    assert any(abs(oklab(one)[1] - goal[1]) < 0.05 and oklab(one)[2] > 0.05 for one in colours(green))


def test_who_wears_red_keeps_the_colour_of_the_skin(library: Library) -> None:
    for seed in range(1, 9):
        wish = read("a woman in a red dress", library.emoji)
        woman = compose(wish, 512, 512, seed, library).placed[0]
        picture = library.picture(woman.picture, woman.clothes, woman.trousers, woman.pose)
        assert woman.clothes == NAMED["red"]
        assert dressed(picture.body, woman, picture, light_of("day", None), "day") == picture.body
