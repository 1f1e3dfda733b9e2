"""A wish becomes a scene: everything is there, where the prompt says, inside the picture."""

from collections import Counter

import pytest

from easel.engines.sketch.composing.composer import compose
from easel.engines.sketch.composing.posing import POSES
from easel.engines.sketch.composing.scene import Placed, Scene
from easel.engines.sketch.painting.painter import layers
from easel.engines.sketch.pictures.library import PEOPLE, Library, untoned
from easel.engines.sketch.reading.reader import read
from easel.engines.sketch.reading.wish import Thing, Wish

SIZES = ((512, 512), (512, 1024), (1024, 512), (376, 376), (1536, 768))


def scene(prompt: str, library: Library, size: tuple[int, int] = (512, 512), seed: int = 1) -> Scene:
    return compose(read(prompt, library.emoji), *size, seed, library)


def one(found: Scene, picture: str) -> Placed:
    return next(placed for placed in found.placed if placed.picture.startswith(picture))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("prompt", "picture", "count"),
    [("two cats", "cat", 2), ("five dogs", "dog", 5), ("seven penguins", "penguin", 7), ("a dozen eggs", "egg", 12),
     ("four elephants and a lion", "elephant", 4), ("three birds in the sky", "bird", 3), ("six fish", "fish", 6)],
)  # fmt: skip
def test_as_many_are_shown_as_were_ordered_and_all_can_be_seen(
    prompt: str, picture: str, count: int, size: tuple[int, int], library: Library
) -> None:
    found = scene(prompt, library, size)
    assert Counter(placed.picture for placed in found.placed)[picture] == count
    for placed in found.placed:
        shown = library.picture(placed.picture)
        half = placed.height * shown.width / shown.height / 2
        assert -0.02 * size[0] <= placed.x - half
        assert placed.x + half <= 1.02 * size[0]
        assert placed.y - placed.height >= -0.02 * size[1]
        assert placed.y <= 1.02 * size[1]


@pytest.mark.parametrize("seed", range(1, 6))
def test_left_and_right_are_where_they_should_be(seed: int, library: Library) -> None:
    found = scene("a cat to the left of a dog", library, seed=seed)
    assert one(found, "cat").x < one(found, "dog").x
    found = scene("a cat to the right of a dog", library, seed=seed)
    assert one(found, "cat").x > one(found, "dog").x


def test_a_bird_that_is_beside_something_stands_there(library: Library) -> None:
    found = scene("a parrot on the left and a cat on the right", library)
    parrot, cat = one(found, "parrot"), one(found, "cat")
    assert parrot.x < cat.x
    assert abs(parrot.y - cat.y) < 0.1 * found.height_px


@pytest.mark.parametrize("seed", range(1, 6))
def test_what_is_on_something_stands_on_top_of_it(seed: int, library: Library) -> None:
    found = scene("a cat on a chair", library, seed=seed)
    cat, chair = one(found, "cat"), one(found, "chair")
    assert chair.y - chair.height <= cat.y < chair.y
    assert abs(cat.x - chair.x) < chair.height / 2
    assert found.placed.index(cat) > found.placed.index(chair)


def test_what_is_under_something_is_smaller_and_on_the_same_ground(library: Library) -> None:
    found = scene("a dog under a table", library)
    dog, table = one(found, "dog"), one(found, "table")
    assert dog.height < 0.7 * table.height
    assert abs(dog.y - table.y) < 0.1 * table.height


def test_what_is_behind_is_painted_first_and_farther_up(library: Library) -> None:
    found = scene("a lion behind a tree", library)
    lion, tree = one(found, "lion"), one(found, "deciduous-tree")
    assert found.placed.index(lion) < found.placed.index(tree)
    assert lion.y < tree.y


def test_between_is_in_the_middle(library: Library) -> None:
    found = scene("a cat between a dog and a horse", library)
    assert one(found, "dog").x < one(found, "cat").x < one(found, "horse").x or (
        one(found, "dog").x > one(found, "cat").x > one(found, "horse").x
    )


def test_a_hat_sits_on_the_head_whichever_way_its_wearer_looks(library: Library) -> None:
    for seed in range(1, 9):
        found = scene("a cat wearing a top hat", library, seed=seed)
        cat, hat = one(found, "cat"), one(found, "top-hat")
        assert (hat.x > cat.x) == cat.is_mirrored
        assert hat.y < cat.y - 0.6 * cat.height


def test_a_rider_is_a_single_picture_where_there_is_one(library: Library) -> None:
    found = scene("a man riding a bicycle", library)
    assert [placed.picture.split("-light")[0].split("-medium")[0].split("-dark")[0] for placed in found.placed] == [
        "man-biking"
    ]


def test_things_choose_their_place(library: Library) -> None:
    for prompt, place in (
        ("a bowl of ramen", "table-top"), ("a penguin", "snow"), ("a camel", "desert"), ("a whale", "sea"),
        ("a rocket", "space"), ("an octopus", "underwater"), ("a bed", "room"), ("an astronaut riding a horse", "planet"),
        ("logo of a fox", "studio"),
    ):  # fmt: skip
        assert scene(prompt, library).place == place


def test_a_prompt_of_which_nothing_is_understood_gives_a_landscape_and_says_so(library: Library) -> None:
    found = scene("zorblax flurb", library)
    assert found.placed == ()
    assert found.not_drawn == ("zorblax", "flurb")
    assert found.place != "studio"


def test_words_in_quotes_are_written_on_a_sign_or_told(library: Library) -> None:
    assert [placed.text for placed in scene('a shop with a sign "OPEN"', library).placed if placed.text] == ["OPEN"]
    assert one(scene('"Café Müller"', library), "sign").text == "Café Müller"
    assert one(scene("「営業中」", library), "sign").text == "営業中"
    assert "ΑΝΟΙΧΤΟ" in scene('"ΑΝΟΙΧΤΟ"', library).not_drawn


def test_the_same_seed_gives_the_same_scene_and_another_seed_another(library: Library) -> None:
    first, again, other = (scene("a dog and a cat in a park", library, seed=seed) for seed in (4, 4, 5))
    assert first == again
    assert first.placed != other.placed


@pytest.mark.parametrize("prompt", ["a stop sign", "a clock", "three stop signs on a street"])
def test_letters_and_clocks_are_never_mirrored(prompt: str, library: Library) -> None:
    for seed in range(1, 9):
        assert not any(placed.is_mirrored for placed in scene(prompt, library, seed=seed).placed if placed.thing >= 0)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "prompt",
    ["", "🐈" * 50, "cat " * 400, "a field of " * 20 + "roses", "a cat on a dog on a horse on a cow on a pig",
     "a cat riding a dog riding a cat riding a dog", "a hat wearing a hat wearing a hat", "under under on on",
     "many many cats and many dogs and many birds and many fish and many trees"],
)  # fmt: skip
def test_odd_prompts_give_scenes(prompt: str, size: tuple[int, int], library: Library) -> None:
    found = scene(prompt, library, size)
    assert all(placed.height > 0 for placed in found.placed)


@pytest.mark.parametrize("prompt", ["a flying pig", "a pig flying over the city", "a flying pig and a dog"])
def test_what_flies_by_the_prompt_is_in_the_air(prompt: str, library: Library) -> None:
    found = scene(prompt, library)
    pig = one(found, "pig")
    assert pig.y < found.horizon + 0.1 * found.height_px
    assert not pig.has_shadow


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "prompt", ["a dog to the left of a hot air balloon", "a hot air balloon to the right of a dog"]
)
def test_what_flies_is_at_the_side_of_what_stands(prompt: str, size: tuple[int, int], library: Library) -> None:
    found = scene(prompt, library, size)
    assert one(found, "dog").x < one(found, "hot-air-balloon").x - 0.2 * found.width_px


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("prompt", "count"), [("a witch flying in front of the full moon", 1), ("three bats in front of the full moon", 3)]
)
def test_what_flies_before_the_moon_is_seen_before_it(
    prompt: str, count: int, size: tuple[int, int], library: Library
) -> None:
    found = scene(prompt, library, size)
    moon = one(found, "full-moon")
    before = found.placed[found.placed.index(moon) + 1 :]
    assert len(before) == count
    for placed in before:
        assert abs(placed.x - moon.x) < moon.height
        assert moon.y - moon.height < placed.y < moon.y


def test_a_moon_of_the_prompt_is_the_only_one_in_the_sky(library: Library) -> None:
    with_moon, without = (
        list(layers(scene(prompt, library), library))
        for prompt in ("an owl and the full moon at night", "an owl at night")
    )
    assert "#f6efd2" not in with_moon[0] + with_moon[1]
    assert any(moon in layer for layer in without for moon in ("#f6efd2", "#fbf3d4"))


@pytest.mark.parametrize("size", SIZES)
def test_the_emblem_of_a_place_fills_the_middle_of_its_logo(size: tuple[int, int], library: Library) -> None:
    found = scene("logo of a coffee shop", library, size)
    cup = one(found, "hot-beverage")
    assert found.place == "studio"
    assert abs(cup.x - size[0] / 2) < 0.1 * size[0]
    assert 0.3 * min(size) < cup.height < 0.7 * min(size)


def test_what_is_in_a_field_is_among_it(library: Library) -> None:
    found = scene("a windmill in a tulip field", library)
    windmill = one(found, "windmill")
    assert sum(placed.picture == "tulip" for placed in found.placed) >= 30
    assert windmill.height > 0.5 * found.height_px


def test_a_window_hangs_on_the_wall_and_a_cat_sits_on_its_sill(library: Library) -> None:
    found = scene("a cat sitting on a windowsill", library)
    window, cat = one(found, "window"), one(found, "cat-face")
    assert window.y < found.horizon
    assert window.y - 0.2 * window.height < cat.y < window.y


@pytest.mark.parametrize(
    ("prompt", "pose"),
    [("a boy running", "running"), ("a girl dancing in the rain", "dancing"), ("kids jumping", "jumping"),
     ("an old man sitting under a tree", "crossed"), ("a child swimming in the sea", "swimming")],
)  # fmt: skip
def test_people_hold_their_limbs_as_what_they_do_needs(prompt: str, pose: str, library: Library) -> None:
    assert {placed.pose for placed in scene(prompt, library).placed if library.has_limbs(placed.picture)} == {pose}


def test_people_who_do_something_are_the_picture_of_it_where_there_is_one(library: Library) -> None:
    for prompt, picture in (("a man running", "man-running"), ("a woman surfing", "woman-surfing"), ("a man skiing", "skier"),
                            ("a woman sleeping in bed", "person-in-bed")):  # fmt: skip
        assert any(placed.picture.startswith(picture) for placed in scene(prompt, library).placed), prompt


def test_who_jumps_is_above_the_shadow_and_who_swims_is_partly_under_water(library: Library) -> None:
    jumping, swimming = one(scene("a dog jumping", library), "dog"), one(scene("a dog swimming", library), "dog")
    assert jumping.lift > 0.2 * jumping.height
    assert 0.2 < swimming.sunk < 0.8
    assert swimming.has_ripple


def test_somebody_sits_on_a_seat_with_the_hip(library: Library) -> None:
    found = scene("a man sitting on a bench", library)
    man, bench = one(found, "man"), one(found, "bench")
    sits = library.picture(man.picture, man.clothes, man.trousers, man.pose).sits
    assert bench.y - bench.height < man.y - sits * man.height < bench.y - 0.3 * bench.height


def test_who_sleeps_has_signs_of_it_that_belong_to_no_thing(library: Library) -> None:
    found = scene("a cat sleeping on a sofa", library)
    assert [placed.thing for placed in found.placed if placed.picture == "zzz"] == [-1]


def test_each_wears_a_hat_but_one_holds_the_ball(library: Library) -> None:
    hats = [placed for placed in scene("three penguins wearing hats", library).placed if placed.picture == "top-hat"]
    balls = [placed for placed in scene("two kids holding a balloon", library).placed if placed.picture == "balloon"]
    assert (len(hats), len(balls)) == (3, 1)


def test_what_a_picture_shows_already_is_not_drawn_again_but_gets_its_colour(library: Library) -> None:
    found = scene("a snowman with a red scarf", library)
    assert [placed.picture for placed in found.placed] == ["snowman"]
    assert [name for _, name in found.placed[0].dyes] == ["red"]


@pytest.mark.parametrize("place", ["room", "kitchen", "cafe", "library"])
def test_small_things_indoors_are_seen_from_near(place: str, library: Library) -> None:
    assert scene(f"a book in a {place}", library).is_close_up
    assert not scene(f"a dog in a {place}", library).is_close_up


def test_a_room_without_things_is_furnished_with_what_belongs_to_none(library: Library) -> None:
    placed = scene("a cozy living room", library).placed
    assert placed
    assert all(one.thing == -1 for one in placed)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "prompt",
    ["a dog", "a woman", "a castle", "a cup of coffee", "a car", "a rocket", "a fish", "a tree", "a chef", "a lighthouse"],
)  # fmt: skip
def test_a_single_thing_is_large_and_inside_the_picture(prompt: str, size: tuple[int, int], library: Library) -> None:
    for seed in range(1, 4):
        found = scene(prompt, library, size, seed)
        placed = found.placed[0]
        picture = library.picture(placed.picture, placed.clothes, placed.trousers, placed.pose)
        wide = placed.height * picture.width / picture.height
        assert max(placed.height / size[1], wide / size[0]) > 0.4
        assert placed.x - wide / 2 >= 0
        assert placed.x + wide / 2 <= size[0]
        assert placed.y - placed.height >= 0
        assert placed.y <= size[1]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "prompt", ["portrait of a woman", "a portrait of a king", "close-up of a cat", "ein Porträt eines Roboters"]
)
def test_a_portrait_shows_the_head_large_and_ends_at_the_edge(
    prompt: str, size: tuple[int, int], library: Library
) -> None:
    found = scene(prompt, library, size)
    person = next(placed for placed in found.placed if placed.thing == 0)
    assert person.y > size[1]
    assert 0 <= person.y - person.height < 0.62 * size[1]
    assert person.height > 0.9 * min(size)


@pytest.mark.parametrize(
    ("prompt", "told"),
    [
        ("a wizard dancing", ("dancing",)),
        ("a penguin skiing", ("skiing",)),
        ("a man lying on the grass", ("lying on",)),
        ("a couple dancing in a ballroom", ()),
        ("a bear dancing", ()),
        ("a bird sitting on a branch", ()),
        ("an old man sleeping", ()),
    ],
)
def test_what_somebody_does_is_told_unless_the_picture_shows_it(
    prompt: str, told: tuple[str, ...], library: Library
) -> None:
    assert scene(prompt, library).not_drawn == told


def test_two_people_who_stand_together_become_two_who_dance(library: Library) -> None:
    assert sorted(untoned(placed.picture) for placed in scene("a couple dancing", library).placed) == [
        "man-dancing",
        "woman-dancing",
    ]


@pytest.mark.parametrize("pose", sorted(POSES))
def test_everybody_with_limbs_can_be_asked_to_do_everything(pose: str, library: Library) -> None:
    for picture in PEOPLE:
        assert compose(Wish(things=(Thing(picture, picture, pose=pose),)), 96, 96, 1, library).placed
