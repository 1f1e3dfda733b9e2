"""The measure of `make eval-sketch` finds what is wrong in a scene, and nothing else."""

import pytest
from tools.sketch_evaluation.expectation import parsed
from tools.sketch_evaluation.judging import Judge

from easel.engines.sketch.composing.scene import Placed, Scene
from easel.engines.sketch.pictures.library import Library
from easel.engines.sketch.reading.wish import Thing, Wish

SIDE_PX = 1000


def _scene(*placed: Placed, place: str = "meadow", time: str = "day") -> Scene:
    """A scene in which each picture is a thing of its own."""
    things = tuple(Thing(one.picture, one.picture) for one in placed)
    numbered = tuple(_numbered(one, at) for at, one in enumerate(placed))
    return Scene(
        wish=Wish(things=things), width_px=SIDE_PX, height_px=SIDE_PX, seed=1, place=place, place_colour=None, time=time,
        weather=None, season=None, style=None, horizon=600, placed=numbered, not_drawn=(),
    )  # fmt: skip


def _numbered(one: Placed, at: int) -> Placed:
    return Placed(
        one.picture, at, one.x, one.y, one.height, one.depth, one.colour, one.is_mirrored, has_shadow=one.has_shadow
    )


def _at(picture: str, x: float, y: float, height: float, depth: float = 0.0, *, in_air: bool = False) -> Placed:
    return Placed(picture, 0, x, y, height, depth, has_shadow=not in_air)


def _wrong(expected: str, scene: Scene, library: Library) -> list[str]:
    expectation = parsed(expected)
    verdicts = Judge(library).verdicts(expectation, scene, scene.wish)
    return [verdict.asked for verdict in verdicts if not verdict.is_right]


LEFT = _at("dog", 250, 900, 300)
MIDDLE = _at("horse", 500, 900, 500)
RIGHT = _at("cat", 750, 900, 300)
RELATIONS = {
    "dog left cat": ([LEFT, RIGHT], [_at("dog", 750, 900, 300), _at("cat", 250, 900, 300)]),
    "dog right cat": ([_at("dog", 750, 900, 300), _at("cat", 250, 900, 300)], [LEFT, RIGHT]),
    "dog next cat": ([_at("dog", 350, 900, 300), _at("cat", 700, 900, 300)], [_at("dog", 120, 900, 200), _at("cat", 880, 900, 200)]),
    "cat on table": ([_at("table", 500, 900, 350), _at("cat", 500, 560, 200)], [_at("table", 350, 900, 350), _at("cat", 800, 900, 200)]),
    "cat under table": ([_at("table", 500, 900, 500), _at("cat", 500, 900, 200)], [_at("table", 500, 900, 350), _at("cat", 500, 560, 200)]),
    "umbrella above cat": ([_at("cat", 500, 900, 250), _at("umbrella", 500, 600, 250, in_air=True)], [_at("umbrella", 500, 980, 200), _at("cat", 500, 700, 250)]),
    "dog behind horse": ([_at("dog", 330, 820, 300, 0.4), MIDDLE], [MIDDLE, _at("dog", 330, 950, 300)]),
    "dog in-front horse": ([_at("horse", 500, 820, 500, 0.4), _at("dog", 400, 950, 300)], [_at("dog", 330, 820, 300, 0.4), MIDDLE]),
    "horse between dog+cat": ([LEFT, MIDDLE, RIGHT], [_at("horse", 200, 900, 300), _at("dog", 500, 900, 200), _at("cat", 800, 900, 200)]),
    "man riding horse": ([_at("man", 500, 750, 400), _at("horse", 500, 950, 450)], [_at("man", 150, 950, 400), _at("horse", 600, 950, 450)]),
    "man holding balloon": ([_at("man", 500, 950, 500), _at("balloon", 600, 700, 250)], [_at("man", 200, 950, 500), _at("balloon", 800, 700, 250)]),
    "man wearing top-hat": ([_at("man", 500, 950, 600), _at("top-hat", 500, 400, 120)], [_at("man", 500, 950, 600), _at("top-hat", 800, 950, 120)]),
    "cat inside basket": ([_at("cat", 500, 780, 200), _at("basket", 500, 900, 250)], [_at("cat", 200, 900, 200), _at("basket", 700, 900, 250)]),
    "dog looking cat": ([Placed("dog", 0, 250, 900, 300, is_mirrored=True), RIGHT], [LEFT, RIGHT]),
    "balloon aloft": ([_at("balloon", 500, 400, 200, in_air=True)], [_at("balloon", 500, 900, 200)]),
}  # fmt: skip


@pytest.mark.parametrize("relation", RELATIONS)
def test_a_relation_that_holds_is_found_to_hold(relation: str, library: Library) -> None:
    assert _wrong(_with_things(relation), _scene(*RELATIONS[relation][0]), library) == []


@pytest.mark.parametrize("relation", RELATIONS)
def test_a_relation_that_does_not_hold_is_found_wrong(relation: str, library: Library) -> None:
    assert relation in _wrong(_with_things(relation), _scene(*RELATIONS[relation][1]), library)


def _with_things(relation: str) -> str:
    subject, _, *others = relation.split()
    return ", ".join([subject, *(others[0].split("+") if others else []), relation])


def test_what_another_thing_hides_is_not_there(library: Library) -> None:
    scene = _scene(_at("mouse", 500, 900, 80, 0.4), _at("elephant", 500, 950, 700))
    assert _wrong("mouse, elephant", scene, library) == ["mouse"]


def test_what_is_outside_of_the_picture_is_not_there(library: Library) -> None:
    assert _wrong("dog", _scene(_at("dog", 1150, 900, 300)), library) == ["dog"]


def test_a_thing_that_is_there_twice_is_not_one_thing(library: Library) -> None:
    assert _wrong("dog", _scene(LEFT, _at("dog", 750, 900, 300)), library) == ["dog"]


def test_a_count_is_what_can_be_seen(library: Library) -> None:
    scene = _scene(LEFT, _at("dog", 600, 900, 300), _at("dog", 1200, 900, 300))
    assert _wrong("dog*3", scene, library) == ["dog*3"]
    assert _wrong("dog*2", scene, library) == []


def test_a_colour_is_the_things_own_and_not_another_things(library: Library) -> None:
    red = Placed("automobile", 0, 250, 900, 200, colour="red")
    blue = Placed("umbrella", 0, 750, 900, 300, colour="blue")
    assert _wrong("car:red, umbrella:blue", _scene(red, blue), library) == []
    assert _wrong("car:blue, umbrella:red", _scene(red, blue), library) == ["car:blue", "umbrella:red"]


def test_a_thing_may_have_its_colour_by_nature(library: Library) -> None:
    assert _wrong("lemon:yellow", _scene(_at("lemon", 500, 900, 300)), library) == []
    assert _wrong("lemon:blue", _scene(_at("lemon", 500, 900, 300)), library) == ["lemon:blue"]


def test_places_and_times_are_compared(library: Library) -> None:
    scene = _scene(LEFT, place="beach", time="night")
    assert _wrong("dog, @beach/sea, @night", scene, library) == []
    assert _wrong("dog, @forest, @day", scene, library) == ["@forest", "@day"]


def test_what_nothing_asked_for_is_told(library: Library) -> None:
    assert Judge(library).unasked(parsed("dog"), _scene(LEFT, RIGHT)) == ["cat"]
