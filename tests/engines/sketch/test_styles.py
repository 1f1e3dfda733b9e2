"""Every style changes the picture, keeps its size, and is the same for the same seed."""

from dataclasses import replace

import pytest
from PIL import Image

from easel.engines.sketch.composing.composer import compose
from easel.engines.sketch.composing.scene import Scene
from easel.engines.sketch.pictures.library import Library
from easel.engines.sketch.reading.wish import Wish
from easel.engines.sketch.styles import style

NAMES = tuple(style.names())


def gradient(width: int, height: int) -> Image.Image:
    across = Image.linear_gradient("L").rotate(90).resize((width, height))
    down = Image.linear_gradient("L").resize((width, height))
    return Image.merge("RGB", (across, down, across.point(lambda value: 255 - value)))


def scene(name: str | None, library: Library) -> Scene:
    return replace(compose(Wish(place="meadow"), 97, 61, 1, library), style=name)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "logo"])
def test_a_style_changes_the_picture_and_keeps_its_size(name: str, library: Library) -> None:
    for size in ((97, 61), (700, 1400)):
        image = gradient(*size)
        finished = style.finish(image, scene(name, library))
        assert (finished.size, finished.mode) == (size, "RGB")
        assert finished.tobytes() != image.tobytes()
        assert finished.tobytes() == style.finish(image, scene(name, library)).tobytes()


def test_without_a_style_the_picture_stays_as_it_is(library: Library) -> None:
    image = gradient(97, 61)
    assert style.finish(image, scene(None, library)) is image


def test_black_and_white_has_no_colour(library: Library) -> None:
    red, green, blue = style.finish(gradient(97, 61), scene("black-and-white", library)).split()
    assert red.tobytes() == green.tobytes() == blue.tobytes()
