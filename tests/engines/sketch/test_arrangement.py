"""Things stand where an illustrator would put them: in their vase, in a mouth, on their desk, at the horizon."""

import math

import pytest

from easel.engines.sketch.composing.composer import compose
from easel.engines.sketch.composing.scene import Placed, Scene
from easel.engines.sketch.pictures.library import Library
from easel.engines.sketch.reading.reader import read


def scene(prompt: str, library: Library, size: tuple[int, int] = (512, 512), seed: int = 1) -> Scene:
    return compose(read(prompt, library.emoji), *size, seed, library)


def one(found: Scene, picture: str) -> Placed:
    return next(placed for placed in found.placed if placed.picture.startswith(picture))


def width(placed: Placed, library: Library) -> float:
    shown = library.picture(placed.picture, pose=placed.pose)
    return placed.height * shown.width / shown.height


@pytest.mark.parametrize("seed", range(1, 4))
def test_flowers_stand_in_their_vase_with_their_blossoms_above_it(seed: int, library: Library) -> None:
    found = scene("three roses in a vase", library, seed=seed)
    vase = one(found, "vase")
    roses = [placed for placed in found.placed if placed.picture == "rose"]
    assert found.place in ("table-top", "room")
    for rose in roses:
        stem = rose.height / 2 * math.cos(math.radians(rose.turn))
        assert rose.y - rose.height < vase.y - vase.height < rose.y - rose.height / 2 + stem
        assert found.placed.index(rose) < found.placed.index(vase)
    assert len({round(rose.turn) for rose in roses}) == 3
    assert len({round(rose.y) for rose in roses}) > 1


@pytest.mark.parametrize("seed", range(1, 6))
def test_an_animal_holds_a_thing_in_its_mouth_and_not_at_its_tail(seed: int, library: Library) -> None:
    found = scene("a dog holding a bone", library, seed=seed)
    dog, bone = one(found, "dog"), one(found, "bone")
    assert (bone.x > dog.x) == dog.is_mirrored
    assert abs(bone.x - dog.x) > 0.2 * width(dog, library)


def test_everything_of_a_list_stands_on_the_desk(library: Library) -> None:
    found = scene("a desk with a laptop, a lamp and a cup of tea", library)
    desk = one(found, "desk")
    for picture in ("laptop", "desk-lamp", "hot-beverage"):
        assert abs(one(found, picture).y - (desk.y - desk.height)) < 0.15 * desk.height


@pytest.mark.parametrize("size", [(512, 512), (1024, 512), (512, 1024)])
def test_a_mountain_rises_at_the_horizon_behind_everything(size: tuple[int, int], library: Library) -> None:
    found = scene("Mount Fuji with cherry trees", library, size)
    fuji = one(found, "mount-fuji")
    assert found.placed[0] is fuji
    assert fuji.y == pytest.approx(found.horizon, abs=0.03 * size[1])
    assert width(fuji, library) > 0.4 * size[0]


def test_boats_are_on_a_lake_and_not_on_grass(library: Library) -> None:
    assert scene("two sailboats in the mountains", library).place == "lake"


@pytest.mark.parametrize("prompt", ["a hamburger, fries and a cola", "a fireplace, a sofa and a cat"])
def test_tall_pictures_are_filled_by_things_that_stand_farther_back(prompt: str, library: Library) -> None:
    found = scene(prompt, library, (512, 1024))
    assert len({placed.depth for placed in found.placed}) == 2
    assert sum(width(placed, library) for placed in found.placed) > 0.8 * 512


def test_what_stands_below_a_thing_in_the_air_does_not_reach_up_to_it(library: Library) -> None:
    for seed in range(1, 6):
        found = scene("a flying saucer over a cow", library, (1024, 576), seed)
        saucer, cow = one(found, "flying-saucer"), one(found, "cow")
        assert saucer.y < cow.y - 0.8 * cow.height


def test_who_rides_a_skateboard_stands_on_it(library: Library) -> None:
    found = scene("a boy riding a skateboard", library)
    boy, board = one(found, "boy"), one(found, "skateboard")
    assert boy.pose == "standing"
    assert board.y - board.height < boy.y < board.y


@pytest.mark.parametrize(
    ("prompt", "place"),
    [("abstract waves in blue", "abstract"), ("an abstract city", "city"), ("a tiger in the jungle", "jungle"),
     ("абстракция", "abstract"), ("热带雨林里的猴子", "jungle")],
)  # fmt: skip
def test_abstract_shapes_and_jungles_are_places(prompt: str, place: str, library: Library) -> None:
    assert scene(prompt, library).place == place


def test_boats_come_without_the_water_of_their_pictures(library: Library) -> None:
    for prompt in ("a canoe on a river", "a canoe in a room"):
        canoe = one(scene(prompt, library), "canoe")
        assert canoe.sunk == library.traits("canoe").sunk > 0


def test_mushrooms_on_a_pizza_are_small_and_on_the_table(library: Library) -> None:
    found = scene("a pizza with mushrooms and basil", library)
    assert found.place == "table-top"
    assert one(found, "mushroom").height < 1.2 * one(found, "pizza").height


def test_what_is_held_leaves_the_face_to_be_seen(library: Library) -> None:
    found = scene("a grandmother holding a paella", library)
    woman, pan = one(found, "old-woman"), one(found, "shallow-pan-of-food")
    assert abs(pan.x - woman.x) > 0.45 * width(pan, library)


def test_the_portrait_of_a_knight_shows_the_upper_part(library: Library) -> None:
    knight = one(scene("portrait of a knight", library), "knight")
    assert knight.y > 1.2 * 512


@pytest.mark.parametrize("size", [(512, 512), (1024, 512), (512, 1024)])
def test_small_things_stand_in_front_of_large_ones(size: tuple[int, int], library: Library) -> None:
    for seed in range(1, 4):
        found = scene("a farmer with a cow and three chickens on a farm", library, size, seed)
        cow = one(found, "cow")
        assert all(placed.depth <= cow.depth for placed in found.placed if placed.picture == "chicken")


def test_all_who_are_under_an_umbrella_can_be_seen(library: Library) -> None:
    found = scene("a dog and a cat under an umbrella", library)
    assert abs(one(found, "dog").x - one(found, "cat").x) > 0.4 * width(one(found, "cat"), library)


def test_a_couple_is_two_people_and_not_a_number(library: Library) -> None:
    assert one(scene("a couple walking under the street lamps", library), "people-holding-hands").thing == 0
