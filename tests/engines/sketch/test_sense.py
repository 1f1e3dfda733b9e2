"""Scenes make sense: trees have their season, statues are grey, riders one pair of legs, and rooms fireplaces."""

import pytest

from easel.engines.sketch.composing.composer import compose
from easel.engines.sketch.composing.scene import Placed, Scene
from easel.engines.sketch.pictures.library import Library
from easel.engines.sketch.reading.reader import read

SEEDS = range(1, 5)


def scene(prompt: str, library: Library, seed: int = 1) -> Scene:
    return compose(read(prompt, library.emoji), 512, 512, seed, library)


def of(found: Scene, picture: str) -> list[Placed]:
    return [one for one in found.placed if one.thing >= 0 and one.picture.startswith(picture)]


@pytest.mark.parametrize(
    ("prompt", "picture", "colour"),
    [
        ("a tree in autumn", "deciduous-tree", "orange"),
        ("a tree in winter", "leafless-tree", None),
        ("a green tree in autumn", "deciduous-tree", "green"),
    ],
)
def test_a_tree_looks_as_in_its_season(prompt: str, picture: str, colour: str | None, library: Library) -> None:
    (tree,) = of(scene(prompt, library), picture)
    assert tree.colour == colour


@pytest.mark.parametrize(
    ("prompt", "picture", "colour"),
    [
        ("a statue of a lion in a park", "lion", "gray"), ("a golden statue of an elephant", "elephant", "gold"),
        ("una estatua dorada de un caballo", "horse", "gold"), ("une statue de lion", "lion", "gray"),
        ("狮子雕像", "lion", "gray"), ("ライオンの像", "lion", "gray"), ("aslan heykeli", "lion", "gray"),
        ("статуя льва", "lion", "gray"), ("a fire truck toy", "fire-engine", None),
    ],
)  # fmt: skip
def test_a_likeness_is_drawn_as_what_it_is_of(prompt: str, picture: str, colour: str | None, library: Library) -> None:
    (thing,) = read(prompt, library.emoji).things
    assert (thing.picture, thing.colour) == (picture, colour)


def test_the_statue_of_a_person_stays_a_statue(library: Library) -> None:
    assert read("a marble statue of a man", library.emoji).things[0].picture == "statue"


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("prompt", "who"), [("a knight riding a horse", "knight"), ("a cowboy on a horse in the desert", "cowboy")]
)
def test_the_legs_of_a_rider_are_hidden_by_the_horse(prompt: str, who: str, seed: int, library: Library) -> None:
    (rider,) = of(scene(prompt, library, seed), who)
    assert rider.sunk > 0.2


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    "prompt", ["a grandfather reading to two children by the fireplace", "a dog and a boy next to a sofa"]
)
def test_furniture_is_in_a_room(prompt: str, seed: int, library: Library) -> None:
    assert scene(prompt, library, seed).place == "room"


def test_coloured_clothes_are_worn_while_walking(library: Library) -> None:
    (woman,) = of(scene("a woman in a red coat walking in the rain", library), "woman")
    assert (woman.pose, woman.colour) == ("walking", "red")


@pytest.mark.parametrize("prompt", ["a goldfish in a bowl", "a cat looking at a goldfish in a bowl"])
def test_a_fish_in_a_bowl_is_in_a_fishbowl(prompt: str, library: Library) -> None:
    found = scene(prompt, library)
    assert of(found, "fishbowl")
    assert not [one for one in found.placed if one.picture in ("fish", "bowl")]


@pytest.mark.parametrize(
    ("prompt", "upper", "lower"),
    [
        ("a vase of sunflowers on a windowsill", "vase", "window"),
        ("a bowl of cherries on a chair", "bowl", "chair"),
        ("a picnic with sandwiches in the park", "sandwich", "picnic-blanket"),
        ("a dragon sleeping on a pile of gold", "dragon", "treasure"),
    ],
)
def test_a_vessel_with_its_content_is_where_the_prompt_says(
    prompt: str, upper: str, lower: str, library: Library
) -> None:
    found = scene(prompt, library)
    (below,) = of(found, lower)
    above = of(found, upper)[0]
    assert above.y < below.y
    assert abs(above.x - below.x) < 1.5 * below.height


def test_a_treasure_chest_shows_its_coins(library: Library) -> None:
    assert {one.picture for one in scene("a treasure chest full of gold coins", library).placed} == {"treasure-chest"}


def test_a_plant_in_a_pot_is_in_a_flower_pot(library: Library) -> None:
    assert {one.picture for one in scene("a cactus in a pot", library).placed} == {"cactus", "flower-pot"}


def test_the_number_of_what_a_likeness_is_of_is_kept(library: Library) -> None:
    (frogs,) = read("a totem of three frogs", library.emoji).things
    assert (frogs.picture, frogs.count, frogs.colour) == ("frog", 3, "gray")
