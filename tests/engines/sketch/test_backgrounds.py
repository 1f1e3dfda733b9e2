"""Every background covers the picture at every ratio, time and weather, and differs with the seed."""

import pytest

from easel.engines.sketch.backgrounds import background
from easel.engines.sketch.composing.composer import compose
from easel.engines.sketch.painting.painter import layers
from easel.engines.sketch.painting.vector_canvas import VectorCanvas
from easel.engines.sketch.pictures.library import Library
from easel.engines.sketch.reading.wish import Wish

NAMES = tuple(background.names())
CORNERS = ((376, 376), (96, 192), (192, 96))


def painted(
    place: str, library: Library, size: tuple[int, int] = (96, 96), seed: int = 1, *, time: str = "day",
    weather: str | None = None,
) -> bytes:  # fmt: skip
    scene = compose(Wish(place=place, time=time, weather=weather), *size, seed, library)
    with VectorCanvas(*size) as canvas:
        for svg in layers(scene, library):
            canvas.paint(svg)
        assert canvas.image().getchannel("A").getextrema() == (255, 255), "it covers every pixel"
        return canvas.opaque_image().tobytes()


@pytest.mark.parametrize("size", CORNERS)
@pytest.mark.parametrize("name", NAMES)
def test_a_background_covers_the_picture(name: str, size: tuple[int, int], library: Library) -> None:
    assert len(painted(name, library, size)) == size[0] * size[1] * 3


@pytest.mark.parametrize("name", NAMES)
def test_a_background_differs_with_the_seed(name: str, library: Library) -> None:
    assert painted(name, library, seed=1) != painted(name, library, seed=2)
    assert painted(name, library, seed=1) == painted(name, library, seed=1)


@pytest.mark.parametrize("name", [name for name in NAMES if background.find(name).is_outdoors])
def test_outdoors_time_weather_and_season_can_be_seen(name: str, library: Library) -> None:
    pictures = {painted(name, library, time=time) for time in ("dawn", "day", "sunset", "night")}
    pictures |= {
        painted(name, library, time="day", weather=weather) for weather in ("rain", "snowfall", "fog", "storm")
    }
    assert len(pictures) == 8


@pytest.mark.parametrize("name", ["cafe", "kitchen", "room"])
def test_indoors_the_weather_is_seen_through_the_window(name: str, library: Library) -> None:
    weathers = (None, "rain", "storm", "snowfall", "cloudy")
    assert len({painted(name, library, time="day", weather=weather) for weather in weathers}) == len(weathers)


def test_a_name_without_a_background_is_known_to_have_none() -> None:
    assert background.has("beach")
    assert not background.has("atlantis")
