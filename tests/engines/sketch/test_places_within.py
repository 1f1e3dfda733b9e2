"""A place within another one is shown before it, snow lies in any place outdoors, known planets have their colour."""

import pytest

from easel.engines.sketch.composing.composer import compose
from easel.engines.sketch.painting.colour import lighter
from easel.engines.sketch.painting.painter import layers
from easel.engines.sketch.pictures.library import Library
from easel.engines.sketch.reading.reader import read
from easel.engines.sketch.reading.wish import Wish


@pytest.mark.parametrize(
    ("prompt", "place", "backdrop"),
    [
        ("a road through the mountains", "road", "mountains"),
        ("in den Bergen ein Fluss", "river", "mountains"),
        ("a river through the forest", "river", "forest"),
        ("沙漠里的公路", "road", "desert"),
        ("a lake in the city", "lake", "city"),
    ],
)
def test_the_larger_place_is_seen_behind_its_part(prompt: str, place: str, backdrop: str, library: Library) -> None:
    wish = read(prompt, library.emoji)
    assert (wish.place, wish.backdrop, wish.not_understood) == (place, backdrop, ())


@pytest.mark.parametrize("place", ["road", "river", "lake", "meadow", "farm"])
@pytest.mark.parametrize("backdrop", ["mountains", "forest", "jungle", "city", "desert"])
def test_a_backdrop_changes_the_picture(place: str, backdrop: str, library: Library) -> None:
    if (place, backdrop) == ("lake", "mountains"):
        pytest.skip("A lake lies before mountains anyway.")
    alone = compose(Wish(place=place, time="day"), 96, 96, 1, library)
    within = compose(Wish(place=place, time="day", backdrop=backdrop), 96, 96, 1, library)
    assert list(layers(alone, library)) != list(layers(within, library))


@pytest.mark.parametrize(
    ("prompt", "place"),
    [
        ("a street at night with snow", "street"),
        ("a cabin with snow at night", "snow"),
        ("a forest in the snow", "forest"),
    ],
)
def test_snow_lies_and_falls_in_a_place_outdoors(prompt: str, place: str, library: Library) -> None:
    wish = read(prompt, library.emoji)
    assert (wish.place, wish.season, wish.weather, wish.not_understood) == (place, "winter", "snowfall", ())


def test_snow_is_told_where_there_is_no_window(library: Library) -> None:
    assert read("a library in the snow", library.emoji).not_understood
    assert not read("a kitchen in the snow", library.emoji).not_understood


@pytest.mark.parametrize(
    ("prompt", "colour"),
    [
        ("an astronaut on the moon", "#a7a9b3"),
        ("a rover on mars", "#c4623f"),
        ("ein Astronaut auf dem Mars", "#c4623f"),
    ],
)
def test_the_moon_is_grey_and_mars_is_red(prompt: str, colour: str, library: Library) -> None:
    scene = compose(read(prompt, library.emoji), 96, 96, 1, library)
    assert scene.place == "planet"
    assert lighter(colour, 0.03) in "".join(layers(scene, library))


@pytest.mark.parametrize(
    ("prompt", "thing"), [("a cup of coffee on a café table", "table"), ("a cat on a garden bench", "bench")]
)
def test_a_place_before_a_noun_says_where_that_stands(prompt: str, thing: str, library: Library) -> None:
    wish = read(prompt, library.emoji)
    (relation,) = [one for one in wish.relations if one.kind == "on"]
    assert relation.other is not None
    assert wish.things[relation.other].picture == thing


def test_a_colour_after_on_is_not_that_of_the_thing_before(library: Library) -> None:
    assert read("a dragon on a florp of gold", library.emoji).things[0].colour is None
