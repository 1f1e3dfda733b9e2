"""Chance comes from the seed alone, the same on every machine."""

from easel.engines.sketch.composing.dice import Dice


def test_a_seed_gives_the_same_numbers_on_every_machine() -> None:
    dice = Dice(7)
    assert [dice.whole() for _ in range(3)] == [
        13773002586305336256, 16290622868850166533, 10133523998829724285,
    ]  # fmt: skip


def test_named_streams_are_independent_of_what_others_drew() -> None:
    first, second = Dice(7), Dice(7)
    first.whole()
    assert first.named("sky").whole() == second.named("sky").whole()
    assert first.named("sky").whole() != first.named("sea").whole()


def test_numbers_are_between_their_limits() -> None:
    dice = Dice(1)
    numbers = [dice.between(2, 3) for _ in range(500)]
    assert 2 <= min(numbers) < 2.05
    assert 2.95 < max(numbers) < 3
    assert {dice.below(4) for _ in range(100)} == {0, 1, 2, 3}


def test_shuffling_keeps_every_option() -> None:
    assert sorted(Dice(3).shuffled(range(9))) == list(range(9))
