"""Who is in something is seen: behind the window of a vehicle, before a tent, in an open box, counted in a bowl."""

import pytest
from tools.sketch_evaluation.sight import Sight

from easel.engines.sketch.composing.composer import compose
from easel.engines.sketch.composing.scene import Placed, Scene
from easel.engines.sketch.pictures.library import Library
from easel.engines.sketch.reading.reader import read

SIDE_PX = 512


def scene(prompt: str, library: Library, seed: int = 1) -> Scene:
    return compose(read(prompt, library.emoji), SIDE_PX, SIDE_PX, seed, library)


def of(found: Scene, picture: str) -> list[Placed]:
    return [one for one in found.placed if one.thing >= 0 and one.picture.startswith(picture)]


def top(one: Placed) -> float:
    return one.y - one.height


@pytest.mark.parametrize("seed", range(1, 6))
@pytest.mark.parametrize(
    ("prompt", "who", "vehicle", "count"),
    [
        ("a dog in a car", "dog-face", "automobile", 1),
        ("a fox driving a car", "fox", "automobile", 1),
        ("eine Familie im Bus", "", "bus", 4),
        ("three people in a taxi", "", "taxi", 3),
        ("un homme dans un train", "man", "train", 1),
    ],
)
def test_who_is_in_a_vehicle_looks_out_of_its_window(
    prompt: str, who: str, vehicle: str, count: int, seed: int, library: Library
) -> None:
    found = scene(prompt, library, seed)
    (car,) = of(found, vehicle)
    faces = [one for one in of(found, who) if one.picture != car.picture]
    assert len(faces) == count
    for face in faces:
        assert top(car) < top(face) < face.y < car.y
        assert found.placed.index(face) > found.placed.index(car)


@pytest.mark.parametrize(
    ("prompt", "who", "building"),
    [
        ("a man in a tent", "man", "tent"),
        ("a penguin in an igloo", "penguin", "igloo"),
        ("a dog in a doghouse", "dog", "doghouse"),
    ],
)
def test_who_is_in_a_closed_building_is_seen_before_it(prompt: str, who: str, building: str, library: Library) -> None:
    found = scene(prompt, library)
    (person,), (closed,) = of(found, who)[-1:], of(found, building)
    assert found.placed.index(person) > found.placed.index(closed)
    assert person.y > closed.y


@pytest.mark.parametrize("prompt", ["a cat in a box", "箱の中の猫", "un chat dans une boîte"])
def test_a_box_in_which_something_is_is_open(prompt: str, library: Library) -> None:
    found = scene(prompt, library)
    (box,), (cat,) = of(found, "open-box"), of(found, "cat")
    assert found.placed.index(cat) < found.placed.index(box)
    assert top(cat) < top(box)


@pytest.mark.parametrize(
    ("prompt", "picture", "count"),
    [
        ("six eggs in a basket", "egg", 6), ("eight apples in a bowl", "red-apple", 8),
        ("seven candles on a birthday cake", "cake-candle", 7), ("a birthday cake with five candles", "cake-candle", 5),
        ("ein Geburtstagskuchen mit zehn Kerzen", "cake-candle", 10), ("three ducks on a pond", "duck", 3),
    ],
)  # fmt: skip
def test_small_things_that_are_counted_can_be_counted(prompt: str, picture: str, count: int, library: Library) -> None:
    found, sight = scene(prompt, library), Sight(library)
    own = of(found, picture)
    assert len(own) == count
    assert len([one for one in sight.look(found) if one.placed in own and one.visible > 0.2]) == count


@pytest.mark.parametrize("prompt", ["a birthday cake with candles", "candles on a birthday cake"])
def test_candles_that_are_not_counted_are_those_of_the_cake(prompt: str, library: Library) -> None:
    assert {one.picture for one in scene(prompt, library).placed} == {"birthday-cake"}
