"""Things stand in the order that their relations ask for."""

from easel.engines.sketch.composing.ordering import in_order, side
from easel.engines.sketch.reading.wish import Relation, Thing, Wish


def _wish(counts: list[int], *relations: Relation) -> Wish:
    return Wish(tuple(Thing(f"thing-{at}", "", count) for at, count in enumerate(counts)), relations)


def test_what_is_between_several_of_one_kind_stands_in_their_middle() -> None:
    assert in_order(_wish([1, 2], Relation("between", 0, 1)), [0, 1], 60) == [1, 0, 1]
    assert in_order(_wish([4, 1], Relation("between", 1, 0)), [0, 1], 60) == [0, 0, 1, 0, 0]


def test_what_is_between_two_kinds_stands_in_their_middle() -> None:
    assert in_order(_wish([1, 1, 1], Relation("between", 0, 1)), [0, 1, 2], 60) == [1, 0, 2]
    named_last = _wish([1, 1, 1], Relation("next", 1, 0), Relation("between", 2, 1))
    assert in_order(named_last, [0, 1, 2], 60) == [0, 2, 1]


def test_something_between_a_single_thing_is_still_there() -> None:
    assert sorted(in_order(_wish([1, 1], Relation("between", 0, 1)), [0, 1], 60)) == [0, 1]
    assert in_order(_wish([1, 1], Relation("between", 0, 1)), [0], 60) == [0]


def test_left_and_right_come_before_the_order_of_the_prompt() -> None:
    assert in_order(_wish([1, 1], Relation("right", 0, 1)), [0, 1], 60) == [1, 0]
    assert in_order(_wish([1, 1, 1], Relation("left", 2, 0)), [0, 1, 2], 60) == [2, 0, 1]
    assert in_order(_wish([2, 1], Relation("at-left", 1)), [0, 1], 60) == [1, 0, 0]


def test_a_side_is_that_of_what_stands_apart() -> None:
    wish = _wish([1, 1, 1], Relation("left", 0, 1), Relation("at-right", 2))
    assert [side(wish, at, {0, 1}) for at in range(3)] == [-1, 1, 1]
    assert side(wish, 0, set()) == 0
