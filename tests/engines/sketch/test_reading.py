"""A prompt is read by rules into a wish."""

import sys

import pytest

from easel.engines.sketch.pictures.library import Library
from easel.engines.sketch.reading.interpretation import THINGS_MAX
from easel.engines.sketch.reading.reader import read
from easel.engines.sketch.reading.wish import FIELD, MANY, SOME, Relation, Wish


def wish(prompt: str, library: Library) -> Wish:
    return read(prompt, library.emoji)


def things(prompt: str, library: Library) -> list[tuple[str, int, str | None]]:
    return [(thing.picture, thing.count, thing.colour) for thing in wish(prompt, library).things]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a cat", [("cat", 1, None)]),
        ("three red apples", [("red-apple", 3, "red")]),
        ("a red car and a blue car", [("automobile", 1, "red"), ("automobile", 1, "blue")]),
        ("an orange and an orange cat", [("tangerine", 1, None), ("cat", 1, "orange")]),
        ("a dozen eggs", [("egg", 12, None)]),
        ("12 eggs", [("egg", 12, None)]),
        ("dogs", [("dog", SOME, None)]),
        ("many birds", [("bird", MANY, None)]),
        ("a field of tulips", [("tulip", FIELD, None)]),
        ("the car is blue", [("automobile", 1, "blue")]),
        ("a hot dog", [("hot-dog", 1, None)]),
        ("a sports car", [("sports-car", 1, None)]),
        ("a golden retriever puppy", [("dog", 1, None)]),
        ("two strawberry cakes", [("birthday-cake", 2, None)]),
        ("a cat and an apple bowl", [("cat", 1, None), ("bowl", 1, None)]),
        ("a glass of red wine", [("wine-glass", 1, "red")]),
        ("🐈🐕", [("cat", 1, None), ("dog", 1, None)]),
    ],
)
def test_things_have_their_counts_and_colours(
    prompt: str, expected: list[tuple[str, int, str | None]], library: Library
) -> None:
    assert things(prompt, library) == expected


@pytest.mark.parametrize(
    ("prompt", "kind"),
    [
        ("a cat on a table", "on"), ("a cat under a table", "under"), ("a cat to the left of a dog", "left"),
        ("a cat on the right side of a dog", "right"), ("a cat behind a tree", "behind"),
        ("a cat in front of a house", "in-front"), ("a cat next to a dog", "next"), ("a woman riding a horse", "riding"),
        ("a cat wearing a top hat", "wearing"), ("a mouse inside a cup", "inside"), ("a robot holding a flower", "holding"),
        ("a dog looking at a cat", "looking"), ("a bird above a house", "above"),
    ],
)  # fmt: skip
def test_relations_join_what_stands_around_them(prompt: str, kind: str, library: Library) -> None:
    assert wish(prompt, library).relations == (Relation(kind, 0, 1),)


def test_what_is_worn_together_is_worn_by_the_same(library: Library) -> None:
    assert wish("a cat wearing a hat and sunglasses", library).relations == (
        Relation("wearing", 0, 1), Relation("wearing", 0, 2),
    )  # fmt: skip


def test_who_wears_something_is_on_something_not_what_is_worn(library: Library) -> None:
    assert wish("a cat wearing a hat on a chair", library).relations == (
        Relation("wearing", 0, 1), Relation("on", 0, 2),
    )  # fmt: skip


def test_both_of_a_pair_are_on_it(library: Library) -> None:
    relations = wish("a clock and a lamp on a table", library).relations
    assert {Relation("on", 0, 2), Relation("on", 1, 2)} <= set(relations)


def test_a_family_and_a_crowd_are_several(library: Library) -> None:
    assert things("a family", library) == [("people", 4, None)]
    assert things("a crowd", library) == [("people", 9, None)]


def test_place_time_weather_season_and_style_are_found(library: Library) -> None:
    found = wish("a watercolor of a fox in a forest at night in the rain, autumn", library)
    assert (found.place, found.time, found.weather, found.season, found.style) == (
        "forest", "night", "rain", "autumn", "watercolour",
    )  # fmt: skip


def test_what_is_in_an_office_is_in_a_room_and_an_office_alone_is_a_building(library: Library) -> None:
    assert wish("a computer in an office", library).place == "room"
    assert things("a tall office", library) == [("office-building", 1, None)]


def test_a_colour_before_background_is_the_backgrounds(library: Library) -> None:
    found = wish("a red apple on a white background", library)
    assert (found.place, found.place_colour, found.things[0].colour) == ("studio", "white", "red")


def test_a_blue_sky_above_something_is_no_place(library: Library) -> None:
    assert wish("a field of sunflowers under a blue sky", library).place is None
    assert wish("a balloon in the sky", library).place == "sky"


def test_quoted_words_are_taken_as_they_are_and_not_drawn_as_things(library: Library) -> None:
    found = wish('a sign that says "CAT & dog <b>"', library)
    assert found.quotes == ("CAT & dog <b>",)
    assert [thing.picture for thing in found.things] == ["sign"]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("三只红苹果", [("red-apple", 3, "red")]),
        ("3只红苹果", [("red-apple", 3, "red")]),
        ("猫が二匹、犬", [("cat", 2, None), ("dog", 1, None)]),
        ("사과 세 개와 바나나 한 개", [("red-apple", 3, None), ("banana", 1, None)]),
        ("ein Tulpenfeld", [("tulip", FIELD, None)]),
        ("eine Familie", [("people", 4, None)]),
    ],
)
def test_counts_are_read_as_each_language_says_them(
    prompt: str, expected: list[tuple[str, int, str | None]], library: Library
) -> None:
    assert things(prompt, library) == expected


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("戴着帽子骑马的人", {("person", "wearing", "top-hat"), ("person", "riding", "horse")}),
        ("猫戴着帽子和墨镜", {("cat", "wearing", "top-hat"), ("cat", "wearing", "sunglasses")}),
        ("少女，手拿雨伞，站在桥上", {("girl", "holding", "umbrella")}),
        ("树下看书的女孩", {("girl", "holding", "open-book"), ("girl", "under", "deciduous-tree")}),
        ("의자 아래 모자를 쓴 곰", {("bear", "wearing", "top-hat"), ("bear", "under", "chair")}),
        ("şapkalı kedi", {("cat", "wearing", "top-hat")}),
        ("sepetteki elma", {("red-apple", "inside", "basket")}),
        ("bankta oturan kedi", {("cat", "on", "bench")}),
    ],
)
def test_whoever_does_something_may_stand_before_or_after_it(
    prompt: str, expected: set[tuple[str, str, str]], library: Library
) -> None:
    found = wish(prompt, library)
    names = [thing.picture for thing in found.things]
    joined = {(names[one.subject], one.kind, names[one.other]) for one in found.relations if one.other is not None}
    assert expected <= joined


def test_the_first_part_of_a_compound_says_when_it_is(library: Library) -> None:
    found = wish("ein Haus im Herbstwald", library)
    assert (found.place, found.season) == ("forest", "autumn")


def test_one_character_of_a_longer_word_is_not_taken_for_an_emoji(library: Library) -> None:
    assert wish("高脚", library).things == ()


def test_an_unknown_word_in_katakana_is_not_cut(library: Library) -> None:
    assert wish("スライム", library).not_understood == ("スライム",)


def test_what_is_not_understood_is_told(library: Library) -> None:
    assert wish("a flurbled cat with a zorblax", library).not_understood == ("flurbled", "zorblax")


def test_more_things_than_fit_are_told(library: Library) -> None:
    names = "cat, dog, horse, cow, pig, goat, bear, fox, wolf, lion, tiger, duck, swan, owl"
    found = wish(names, library)
    assert len(found.things) == THINGS_MAX
    assert found.not_understood == ("swan", "owl")


@pytest.mark.parametrize("prompt", ["", " ", "?!", "\x01\x02", "a" * 2000, "𓀀𓀁𓀂", "کتێبخانە", "<svg>", "a " * 1000])
def test_nothing_that_can_be_written_is_too_odd_to_read(prompt: str, library: Library) -> None:
    assert isinstance(wish(prompt, library), Wish)


DIGITS = [char for char in map(chr, range(sys.maxunicode + 1)) if char.isdigit()]


def test_digits_of_every_script_are_read(library: Library) -> None:
    for digit in DIGITS:
        assert isinstance(wish(f"{digit} cats, 猫{digit}匹 and a {digit}", library), Wish)
    assert things("٣ cats", library) == [("cat", 3, None)]
    assert wish("➄ cats", library).not_understood == ("➄",)
