"""People look as the prompt says, and parts of a body are no things of their own."""

import pytest

from easel.engines.sketch.pictures.library import Library
from easel.engines.sketch.reading.reader import read


@pytest.mark.parametrize(
    ("prompt", "pictures"),
    [
        ("a portrait of a woman with red hair", ["woman-red-hair"]),
        ("a blonde woman and a bearded man", ["woman-blonde-hair", "man-beard"]),
        ("two bearded men", ["man-beard"]),
        ("a bald man in a red car", ["man-bald", "automobile"]),
        ("mujer con el pelo rubio", ["woman-blonde-hair"]),
        ("Frau mit langen blonden Haaren", ["woman-blonde-hair"]),
        ("金髪の女性", ["woman-blonde-hair"]),
        ("卷发的女人", ["woman-curly-hair"]),
        ("девушка с рыжими волосами", ["woman-red-hair"]),
        ("kızıl saçlı kadın", ["woman-red-hair"]),
    ],
)
def test_people_have_the_hair_that_is_said(prompt: str, pictures: list[str], library: Library) -> None:
    found = read(prompt, library.emoji)
    assert [thing.picture for thing in found.things] == pictures
    assert [thing.colour for thing in found.things if thing.picture != "automobile"] == [None] * (
        len(pictures) - pictures.count("automobile")
    )


def test_hair_that_no_picture_has_is_told(library: Library) -> None:
    found = read("a woman with purple hair", library.emoji)
    assert ([thing.picture for thing in found.things], found.not_understood) == (["woman"], ("hair",))


@pytest.mark.parametrize(
    "prompt", ["a cat with green eyes", "un gato con ojos verdes", "青い目の猫", "кошка с зелёными глазами"]
)
def test_eyes_are_told_and_their_colour_is_not_the_cats(prompt: str, library: Library) -> None:
    found = read(prompt, library.emoji)
    assert [(thing.picture, thing.colour) for thing in found.things] == [("cat", None)]
    assert len(found.not_understood) == 1


@pytest.mark.parametrize(
    "prompt",
    [
        "a parrot on a pirate's shoulder",
        "a parrot on the shoulder of a pirate",
        "un loro en el hombro de un pirata",
        "ein Papagei auf der Schulter eines Piraten",
        "попугай на плече пирата",
    ],
)
def test_what_is_on_a_shoulder_is_on_whose_it_is(prompt: str, library: Library) -> None:
    found = read(prompt, library.emoji)
    assert [thing.picture for thing in found.things] == ["parrot", "pirate"]
    assert [(one.kind, one.subject, one.other) for one in found.relations] == [("on", 0, 1)]
    assert found.not_understood == ()


def test_a_part_of_nobody_is_a_thing(library: Library) -> None:
    assert [thing.picture for thing in read("an eye on a white background", library.emoji).things] == ["eye"]


@pytest.mark.parametrize(
    "prompt",
    [
        "a violinist",
        "ein Geiger",
        "una violinista",
        "скрипач",
        "小提琴手",
        "バイオリニスト",
        "바이올리니스트",
        "عازف كمان",
    ],
)
def test_a_violinist_holds_a_violin(prompt: str, library: Library) -> None:
    found = read(prompt, library.emoji)
    names = [thing.picture for thing in found.things]
    assert [(names[one.subject], one.kind, names[one.other or 0]) for one in found.relations] == [
        ("singer", "holding", "violin")
    ]


@pytest.mark.parametrize(
    ("prompt", "picture", "count"),
    [
        ("ein Gummistiefel im Regen", "hiking-boot", 1),
        ("ein Vogelschwarm am Himmel", "bird", 9),
        ("rote Äpfel", "red-apple", 3),
    ],
)
def test_german_words_made_of_words_and_plurals_with_umlauts_are_understood(
    prompt: str, picture: str, count: int, library: Library
) -> None:
    assert [(thing.picture, thing.count) for thing in read(prompt, library.emoji).things] == [(picture, count)]


def test_a_word_after_one_that_is_not_understood_is_no_colour_of_the_last_thing(library: Library) -> None:
    found = read("un camarero sirviendo café", library.emoji)
    assert [(thing.picture, thing.colour) for thing in found.things] == [
        ("person-in-tuxedo", None),
        ("hot-beverage", None),
    ]
