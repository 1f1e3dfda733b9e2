"""Colours are mixed and things recoloured in Oklab."""

import pytest

from easel.engines.sketch.painting.colour import NAMED, from_oklab, lighter, mapped, mix, oklab, painted


@pytest.mark.parametrize("colour", ["#000000", "#ffffff", "#123456", "#fe0188", *NAMED.values()])
def test_a_colour_survives_the_way_to_oklab_and_back(colour: str) -> None:
    assert from_oklab(oklab(colour)) == colour


def test_mixing_goes_from_one_colour_to_the_other() -> None:
    assert mix("#ff0000", "#0000ff", 0) == "#ff0000"
    assert mix("#ff0000", "#0000ff", 1) == "#0000ff"
    assert mix("#000000", "#ffffff", 0.5) == "#636363"


def test_painting_keeps_the_order_of_light_and_dark() -> None:
    change = painted("#d28b4c", NAMED["blue"])
    shades = [change(lighter("#d28b4c", by)) for by in (-0.15, 0.0, 0.15)]
    lightness = [oklab(shade)[0] for shade in shades]
    assert lightness == sorted(lightness)
    assert all(oklab(shade)[2] < -0.05 for shade in shades), "all of them are blue"


def test_painting_leaves_other_hues_and_the_eyes_as_they_are() -> None:
    change = painted("#d28b4c", NAMED["blue"])
    assert change("#2fa36b") == "#2fa36b"
    assert change("#1c1c1c") == "#1c1c1c"


def test_a_grey_thing_can_be_painted() -> None:
    assert oklab(painted("#9a9aa0", NAMED["pink"])("#9a9aa0"))[1] > 0.08


def test_all_colours_of_markup_are_mapped_even_short_ones() -> None:
    assert mapped('<a fill="#fff" b="#000000"/>', lambda colour: mix(colour, "#ff0000", 1)) == (
        '<a fill="#ff0000" b="#ff0000"/>'
    )
