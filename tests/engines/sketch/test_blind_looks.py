"""Pictures show what somebody who does not know the prompt must see: who sits, what is in a vessel, whose young it
is."""

import pytest
from tools.sketch_evaluation.sight import Seen, Sight

from easel.engines.sketch.composing.composer import compose
from easel.engines.sketch.composing.scene import Placed, Scene
from easel.engines.sketch.pictures.library import Library
from easel.engines.sketch.reading.reader import read

SEEDS = range(1, 4)
SEEN_MIN = 0.4


@pytest.fixture(scope="module")
def sight(library: Library) -> Sight:
    return Sight(library)


def scene(prompt: str, library: Library, seed: int = 1) -> Scene:
    return compose(read(prompt, library.emoji), 512, 512, seed, library)


def of(found: Scene, picture: str) -> list[Placed]:
    return [
        one
        for one in found.placed
        if one.thing >= 0 and (one.picture + "-").startswith((picture + "-", "man-" + picture))
    ]


def seen(found: Scene, picture: str, sight: Sight) -> list[Seen]:
    own = of(found, picture)
    return [one for one in sight.look(found) if one.placed in own and one.visible >= SEEN_MIN]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("prompt", "who", "seat"),
    [
        ("a grandmother knitting in an armchair next to a fireplace", "old-woman", "armchair"),
        ("ein alter Mann im Sessel neben dem Kamin", "old-man", "armchair"),
        ("une femme dans un fauteuil", "woman", "armchair"),
        ("a boy reading on a sofa", "boy", "sofa"),
    ],
)
def test_who_is_in_a_chair_sits_in_front_of_its_back(
    prompt: str, who: str, seat: str, seed: int, library: Library, sight: Sight
) -> None:
    found = scene(prompt, library, seed)
    (person,) = seen(found, who, sight)
    assert "seated" in person.placed.pose or person.placed.pose == "sitting"
    (below,) = of(found, seat)
    assert found.placed.index(below) < found.placed.index(person.placed)


@pytest.mark.parametrize(
    ("prompt", "vessel", "content"),
    [
        ("a bowl of strawberries on a kitchen table", "bowl", "strawberry"),
        ("a vase with sunflowers next to a window", "vase", "sunflower"),
        ("a basket of kittens", "basket", "cat"),
        ("un panier de pommes rouges", "basket", "red-apple"),
        ("eine Schüssel Erdbeeren", "bowl", "strawberry"),
        ("una cesta de manzanas", "basket", "red-apple"),
    ],
)
def test_a_vessel_is_shown_with_what_is_in_it(
    prompt: str, vessel: str, content: str, library: Library, sight: Sight
) -> None:
    found = scene(prompt, library)
    (around,) = seen(found, vessel, sight)
    inside = seen(found, content, sight)
    assert len(inside) >= 2
    for one in inside:
        assert around.left - 0.15 * around.width < one.placed.x < around.right + 0.15 * around.width
        assert one.top < around.top + 0.5 * around.height


def test_a_bottle_of_milk_is_a_bottle_and_a_cup_of_tea_needs_no_second_cup(library: Library) -> None:
    assert [one.picture for one in read("a bottle of milk", library.emoji).things] == ["milk-bottle"]
    assert [one.picture for one in read("a bowl of ramen", library.emoji).things] == ["steaming-bowl"]


@pytest.mark.parametrize(
    "prompt",
    ["a couple kissing under an umbrella in the rain", "deux enfants sous un parapluie", "a man under an umbrella"],
)
def test_people_stand_under_the_canopy_of_their_umbrella(prompt: str, library: Library, sight: Sight) -> None:
    found = scene(prompt, library)
    (umbrella,) = seen(found, "umbrella", sight)
    below = [one for one in found.placed if one.thing == 0]
    assert below
    for person in below:
        assert umbrella.top < person.y - person.height < umbrella.bottom < person.y


@pytest.mark.parametrize(
    ("prompt", "picture", "young"),
    [
        ("a polar bear with two cubs", "polar-bear", 2),
        ("ein Elefant mit zwei Jungen", "elephant", 2),
        ("une chatte avec trois chatons", "cat", 3),
        ("an owl with two chicks", "owl", 2),
        ("a cow with her calf in a field", "cow", 1),
    ],
)
def test_the_young_are_smaller_ones_of_the_same_kind(prompt: str, picture: str, young: int, library: Library) -> None:
    found = scene(prompt, library)
    grown, *others = sorted(of(found, picture), key=lambda one: -one.height)
    assert len(others) == young
    assert all(other.height < 0.8 * grown.height for other in others)


def test_a_word_that_means_the_young_of_one_animal_keeps_its_other_meanings(library: Library) -> None:
    assert [one.picture for one in read("ein Junge und ein Hund", library.emoji).things] == ["boy", "dog"]
    assert [(one.picture, one.size) for one in read("un petit chien", library.emoji).things] == [("dog", "small")]


@pytest.mark.parametrize(
    ("prompt", "below", "topping"),
    [
        ("a cupcake with a cherry on top", "cupcake", "cherries"),
        ("un gâteau avec une fraise dessus", "birthday-cake", "strawberry"),
        ("a cake topped with cherries", "birthday-cake", "cherries"),
    ],
)
def test_what_is_on_top_of_food_lies_on_it(prompt: str, below: str, topping: str, library: Library) -> None:
    found = scene(prompt, library)
    (cake,), (above,) = of(found, below), of(found, topping)
    assert abs(above.y - (cake.y - cake.height)) < 0.1 * cake.height
    assert abs(above.x - cake.x) < 0.2 * cake.height


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("prompt", "who", "window"),
    [
        ("a cat looking out of a window at the city", "cat", "window-city"),
        ("a woman looking out of the window at the sea", "woman", "window-sea"),
        ("a cat on a windowsill watching the rain", "cat", "window-rain"),
        ("кот на подоконнике смотрит на снегопад", "cat", "window-snow"),
        ("ein Hund schaut aus dem Fenster", "dog", "window"),
    ],
)
def test_who_looks_out_of_a_window_is_seen_before_it_in_a_room(
    prompt: str, who: str, window: str, seed: int, library: Library, sight: Sight
) -> None:
    found = scene(prompt, library, seed)
    assert found.place == "room"
    (person,), (behind,) = seen(found, who, sight), of(found, window)
    assert abs(person.placed.x - behind.x) < 0.3 * behind.height


def test_a_logo_shows_both_things_that_it_names(library: Library) -> None:
    found = scene("a logo of a mountain and a sun", library)
    assert of(found, "sun")
    assert of(found, "snow-capped-mountain")


def test_a_scarf_is_around_the_neck(library: Library) -> None:
    for prompt in ("a penguin with a red scarf", "un chien avec une écharpe rouge", "une femme à l'écharpe rouge"):
        found = scene(prompt, library)
        (scarf,) = of(found, "scarf-around-neck")
        wearer = next(one for one in found.placed if one.thing == 0)
        assert 0.15 < (scarf.y - (wearer.y - wearer.height)) / wearer.height < 0.75, prompt


@pytest.mark.parametrize("prompt", ["un homme au chapeau", "un homme au grand chapeau noir", "a man with a hat"])
def test_a_hat_is_on_the_head_of_who_wears_it(prompt: str, library: Library) -> None:
    found = scene(prompt, library)
    (hat,), (man,) = of(found, "top-hat"), [one for one in found.placed if one.thing == 0]
    assert hat.y - hat.height < man.y - man.height < hat.y
    assert abs(hat.x - man.x) < 0.1 * man.height


def test_a_parrot_stands_on_the_shoulder(library: Library) -> None:
    found = scene("a parrot on a pirate's shoulder", library)
    (parrot,), (pirate,) = of(found, "parrot"), of(found, "pirate")
    assert 0.5 < (pirate.y - parrot.y) / pirate.height < 0.8
    assert abs(parrot.x - pirate.x) > 0.1 * pirate.height


@pytest.mark.parametrize("seed", range(1, 9))
def test_no_modern_city_is_behind_a_castle(seed: int, library: Library) -> None:
    assert scene("a princess in front of a castle", library, seed).place not in ("city", "street")


def test_sheep_without_a_number_are_several(library: Library) -> None:
    assert [one.count for one in read("sheep on a hill", library.emoji).things] == [3]
    assert [one.count for one in read("a sheep on a hill", library.emoji).things] == [1]
