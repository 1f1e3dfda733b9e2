"""What is under, above and in something can be seen to be there."""

import pytest
from tools.sketch_evaluation.expectation import parsed
from tools.sketch_evaluation.judging import Judge

from easel.engines.sketch.composing.composer import compose
from easel.engines.sketch.composing.supporting import supported
from easel.engines.sketch.pictures.library import Library
from easel.engines.sketch.reading.wish import Relation, Thing, Wish


def _relations(library: Library, subject: str, kind: str, other: str) -> tuple[Relation, ...]:
    wish = Wish((Thing(subject, subject), Thing(other, other)), (Relation(kind, 0, 1),))
    return supported(wish, library).relations


@pytest.mark.parametrize(("subject", "other"), [("frog", "mushroom"), ("dog", "automobile"), ("cat", "table")])
def test_what_something_covers_is_under_it(subject: str, other: str, library: Library) -> None:
    assert _relations(library, subject, "under", other) == (Relation("under", 0, 1),)


@pytest.mark.parametrize(("subject", "other"), [("elephant", "horse"), ("bus", "toothbrush")])
def test_what_covers_nothing_stands_on_what_is_under_it(subject: str, other: str, library: Library) -> None:
    assert _relations(library, subject, "under", other) == (Relation("on", 1, 0),)


def test_what_shines_far_away_stays_above(library: Library) -> None:
    assert _relations(library, "wolf", "under", "full-moon") == (Relation("under", 0, 1),)


def test_what_is_above_stands_on_it_unless_it_flies(library: Library) -> None:
    assert _relations(library, "elephant", "above", "soccer-ball") == (Relation("on", 0, 1),)
    assert _relations(library, "umbrella", "above", "cat") == (Relation("above", 0, 1),)
    flying = Wish((Thing("cow", "cow"), Thing("house", "house")), (Relation("above", 0, 1), Relation("aloft", 0)))
    assert supported(flying, library) == flying


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        (Wish((Thing("whale", "", size="big"), Thing("sailboat", "", size="small")), (Relation("under", 0, 1),)), "whale under sailboat"),
        (Wish((Thing("frog", ""), Thing("mushroom", "")), (Relation("under", 0, 1),)), "frog under mushroom"),
        (Wish((Thing("old-man", ""), Thing("sailboat", "")), (Relation("inside", 0, 1),), place="sea"), "old-man inside/on sailboat"),
        (Wish((Thing("mouse", ""), Thing("elephant", "")), (Relation("behind", 0, 1),)), "mouse behind elephant"),
        (Wish((Thing("cat", "", 2, is_count_said=True), Thing("house", "")), (Relation("on", 0, 1),)), "cat on house"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_it_is_seen_there(wish: Wish, expected: str, seed: int, library: Library) -> None:
    subject, _, other = expected.split()
    asked = parsed(f"{subject}*any, {other}, {expected}")
    scene = compose(wish, 512, 512, seed, library)
    assert [one.asked for one in Judge(library).verdicts(asked, scene, wish) if not one.is_right] == []


def test_six_eggs_are_in_the_basket(library: Library) -> None:
    wish = Wish((Thing("egg", "", 6, is_count_said=True), Thing("basket", "")), (Relation("inside", 0, 1),))
    scene = compose(wish, 512, 512, 1, library)
    verdicts = Judge(library).verdicts(parsed("egg*6, basket, egg inside basket"), scene, wish)
    assert [one.asked for one in verdicts if not one.is_right] == []
