"""What belongs together is read together, as each language says it."""

import pytest

from easel.engines.sketch.pictures.library import Library
from easel.engines.sketch.reading.reader import read


def joined(prompt: str, library: Library) -> set[tuple[str, str, str]]:
    found = read(prompt, library.emoji)
    names = [thing.picture for thing in found.things]
    return {(names[one.subject], one.kind, names[one.other]) for one in found.relations if one.other is not None}


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("バラの花束を持つ男性", ("man", "holding", "bouquet")),
        ("こたつでみかんを食べる猫", ("cat", "holding", "tangerine")),
        ("बूढ़ा आदमी बेंच पर अखबार पढ़ रहा है", ("old-man", "holding", "newspaper")),
        ("yaşlı bir adam bankta gazete okuyor", ("old-man", "holding", "newspaper")),
        ("um vaso de tulipas na mesa", ("tulip", "inside", "vase")),
        ("un vaso di tulipani", ("tulip", "inside", "vase")),
        ("keranjang apel", ("red-apple", "inside", "basket")),
        ("un serveur porte un chapeau", ("person-in-tuxedo", "wearing", "top-hat")),
        ("ein Storch in seinem Nest", ("bird", "inside", "empty-nest")),
        ("una paella en el centro de la mesa", ("shallow-pan-of-food", "on", "table")),
    ],
)
def test_who_does_something_and_what_holds_something_is_found(
    prompt: str, expected: tuple[str, str, str], library: Library
) -> None:
    assert expected in joined(prompt, library)


def test_a_word_that_is_a_thing_alone_is_a_verb_between_two_things(library: Library) -> None:
    assert [thing.picture for thing in read("une porte rouge", library.emoji).things] == ["door"]


@pytest.mark.parametrize(
    ("prompt", "count"), [("a cake with three tiers", 1), ("a swan with four flimbots", 1), ("the cats are three", 3)]
)
def test_a_number_of_something_unknown_is_not_the_number_of_what_was_named(
    prompt: str, count: int, library: Library
) -> None:
    assert [thing.count for thing in read(prompt, library.emoji).things] == [count]


def test_what_a_trade_holds_is_not_held_twice(library: Library) -> None:
    assert [thing.picture for thing in read("an archer with a bow and arrow", library.emoji).things] == [
        "person",
        "bow-and-arrow",
    ]
    assert [thing.picture for thing in read("an archer", library.emoji).things] == ["person", "bow-and-arrow"]


def test_the_eighty_classes_of_coco_have_their_colours_in_english(library: Library) -> None:
    for name in ("orange book", "white hair drier", "brown bear", "red barn", "green bottle", "orange oven"):
        found = read(f"a photo of a {name}", library.emoji)
        assert [(len(found.things), thing.colour) for thing in found.things] == [(1, name.split()[0])], name


@pytest.mark.parametrize(("prompt", "count"), [("kittens", 3), ("daisies", 3), ("noodles", 1), ("red shoes", 1)])
def test_a_plural_is_several_unless_the_picture_shows_several(prompt: str, count: int, library: Library) -> None:
    assert [thing.count for thing in read(prompt, library.emoji).things] == [count]
