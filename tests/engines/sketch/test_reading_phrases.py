"""Phrases that are built of several words are read as what they are together."""

import pytest

from easel.engines.sketch.pictures.library import Library
from easel.engines.sketch.reading.reader import read
from easel.engines.sketch.reading.wish import SOME, Relation, Wish


def wish(prompt: str, library: Library) -> Wish:
    return read(prompt, library.emoji)


@pytest.mark.parametrize(
    ("prompt", "picture"),
    [
        ("un pastel de zanahoria", "birthday-cake"), ("une soupe d'oignons", "pot-of-food"), ("um bolo de banana", "birthday-cake"),
        ("una zuppa di funghi", "pot-of-food"), ("sup ayam", "pot-of-food"), ("súp gà", "pot-of-food"),
    ],
)  # fmt: skip
def test_a_thing_that_describes_another_one_is_not_drawn_too(prompt: str, picture: str, library: Library) -> None:
    assert [thing.picture for thing in wish(prompt, library).things] == [picture]


def test_what_belongs_to_something_is_drawn_beside_it(library: Library) -> None:
    assert [thing.picture for thing in wish("el perro de la niña", library).things] == ["dog", "girl"]


@pytest.mark.parametrize(
    "prompt", ["tazas de café", "coches deportivos", "tasses de thé", "macchine sportive", "os carros de corrida"]
)
def test_a_phrase_whose_first_word_is_plural_is_several(prompt: str, library: Library) -> None:
    (thing,) = wish(prompt, library).things
    assert thing.picture in ("hot-beverage", "sports-car", "racing-car")
    assert thing.count == SOME


def test_a_plate_of_cookies_has_several(library: Library) -> None:
    (thing,) = wish("un plato de galletas", library).things
    assert (thing.picture, thing.count) == ("cookie", SOME)


@pytest.mark.parametrize(
    "prompt", ["a monkey wearing a hat holding a banana", "un mono con sombrero comiendo un plátano"]
)
def test_who_wears_something_does_the_next_thing_too(prompt: str, library: Library) -> None:
    assert Relation("holding", 0, 2) in wish(prompt, library).relations


def test_what_is_in_something_flat_is_on_it(library: Library) -> None:
    assert wish("un libro en la mesa", library).relations == (Relation("on", 0, 1),)
    assert wish("un gato en una caja", library).relations == (Relation("inside", 0, 1),)


def test_a_part_of_a_place_is_the_place(library: Library) -> None:
    for prompt in ("a street in a city", "una calle de la ciudad", "in the city, a dog on a street"):
        found = wish(prompt, library)
        assert (found.place, found.not_understood) == ("street", ())


def test_a_verb_without_an_object_has_its_usual_one(library: Library) -> None:
    assert [thing.picture for thing in wish("una mujer cocinando", library).things] == ["woman", "cooking"]
    assert [thing.picture for thing in wish("una mujer cocinando una sopa", library).things] == ["woman", "pot-of-food"]


def test_a_word_that_is_a_noun_and_an_adjective_is_what_fits(library: Library) -> None:
    assert [thing.picture for thing in wish("una moto vieja", library).things] == ["motorcycle"]
    assert [thing.picture for thing in wish("una vieja con un gato", library).things] == ["old-woman", "cat"]


@pytest.mark.parametrize(
    "prompt", ["un leon y un raton", "un lion et une souris ecarlate", "um leao", "un leone e la citta"]
)
def test_accents_that_are_left_out_are_not_missed(prompt: str, library: Library) -> None:
    found = wish(prompt, library)
    assert found.things[0].picture == "lion"
    assert found.not_understood == ()


def test_a_small_thing_that_a_word_of_its_own_names_is_small(library: Library) -> None:
    assert [(one.picture, one.size) for one in wish("un petit cochon", library).things] == [("pig", "small")]
    assert [(one.picture, one.colour) for one in wish("a golden retriever", library).things] == [("dog", None)]


def test_a_right_before_a_thing_says_that_it_is_one(library: Library) -> None:
    assert [one.count for one in wish("rechts von einem Eisbären", library).things] == [1]


def test_a_at_a_time_of_day_does_not_count_the_last_thing(library: Library) -> None:
    assert [one.count for one in wish("niños en una tarde de verano", library).things] == [SOME]


def test_a_field_after_a_thing_is_a_place(library: Library) -> None:
    assert [one.count for one in wish("con trâu trên cánh đồng", library).things] == [1]


@pytest.mark.parametrize(
    ("prompt", "kind"),
    [
        ("사과와 바나나를 든 원숭이", "holding"),
        ("りんごとバナナを持ったサル", "holding"),
        ("帽子と眼鏡をかけた猫", "wearing"),
        ("戴帽子和眼镜的狗", "wearing"),
        ("kitap ve şemsiye tutan kız", "holding"),
    ],
)
def test_two_things_before_a_verb_belong_to_who_comes_after_it(prompt: str, kind: str, library: Library) -> None:
    assert set(wish(prompt, library).relations) == {Relation(kind, 2, 0), Relation(kind, 2, 1)}


@pytest.mark.parametrize("prompt", ["ベンチの隣で傘を持つ少女", "在长椅旁边打伞的女孩"])
def test_where_someone_is_may_stand_before_what_they_do(prompt: str, library: Library) -> None:
    assert set(wish(prompt, library).relations) == {Relation("next", 2, 0), Relation("holding", 2, 1)}


@pytest.mark.parametrize("prompt", ["책상 위에 노트북과 커피", "桌子上有一台笔记本电脑和一杯咖啡"])
def test_both_things_are_on_the_table(prompt: str, library: Library) -> None:
    assert set(wish(prompt, library).relations) == {Relation("on", 1, 0), Relation("on", 2, 0)}


@pytest.mark.parametrize("prompt", ["خيمتين", "خيمتان"])
def test_a_dual_is_two(prompt: str, library: Library) -> None:
    assert [(one.picture, one.count) for one in wish(prompt, library).things] == [("tent", 2)]


def test_a_word_that_says_nothing_does_not_take_part_of_the_next_phrase(library: Library) -> None:
    assert [one.picture for one in wish("chiếc xe máy", library).things] == ["motorcycle"]
    assert [one.picture for one in wish("old man with a beard", library).things] == ["man-beard"]


def test_a_verb_with_an_object_has_no_other_one(library: Library) -> None:
    found = wish("a man reading the newspaper", library)
    assert [one.picture for one in found.things] == ["man", "newspaper"]
    assert found.relations == (Relation("holding", 0, 1),)


@pytest.mark.parametrize(
    "prompt",
    [
        "a flying pig", "a pig flying over the city", "un cerdo volando", "ein fliegendes Schwein", "空を飛ぶ豚",
        "一只飞翔的猪", "하늘을 나는 돼지", "con lợn bay trên thành phố", "uçan domuz",
    ],
)  # fmt: skip
def test_what_flies_is_in_the_air(prompt: str, library: Library) -> None:
    assert wish(prompt, library).relations == (Relation("aloft", 0),)


def test_who_flies_something_holds_it(library: Library) -> None:
    assert wish("two kids flying a kite", library).relations == (Relation("holding", 0, 1),)


def test_what_flies_over_a_thing_is_above_it(library: Library) -> None:
    assert set(wish("a cow flying over a house", library).relations) == {Relation("above", 0, 1), Relation("aloft", 0)}


def test_who_is_between_others_does_the_next_thing(library: Library) -> None:
    found = wish("um macaco entre duas palmeiras olhando para uma banana", library)
    assert found.relations == (Relation("between", 0, 1), Relation("looking", 0, 2))


def test_counted_books_are_single_books(library: Library) -> None:
    assert [(one.picture, one.count) for one in wish("three books", library).things] == [("closed-book", 3)]
    assert [(one.picture, one.count) for one in wish("a pile of books", library).things] == [("books", 1)]


@pytest.mark.parametrize(
    ("prompt", "pictures"),
    [
        ("a panda chef", [("panda", 1), ("cook", 1)]),
        ("two fox detectives", [("fox", 2), ("detective", 2)]),
        ("a chocolate cake", [("birthday-cake", 1)]),
    ],
)
def test_an_animal_with_a_trade_is_drawn_beside_one_who_has_it(
    prompt: str, pictures: list[tuple[str, int]], library: Library
) -> None:
    assert [(thing.picture, thing.count) for thing in read(prompt, library.emoji).things] == pictures
