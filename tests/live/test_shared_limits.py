"""Counts in memory that several processes share."""

import os
from collections.abc import Callable, Hashable, Iterator

import pytest

from easel.domain.errors import RateLimitExceeded
from easel.domain.rate import Quota
from easel.live import shared_limits
from easel.live.rate_limiter import RateLimiter
from easel.live.shared_limits import PLACE_ROWS, SharedLimits, SharedPlaces
from easel.web.client_limits import Places


@pytest.fixture
def memory() -> Iterator[int]:
    descriptor = shared_limits.create(3)
    yield descriptor
    os.close(descriptor)


@pytest.fixture
def processes(memory: int) -> list[SharedLimits]:
    return [SharedLimits(memory, number) for number in (1, 2, 3)]


def test_a_rate_is_used_up_by_all_processes_together(processes: list[SharedLimits]) -> None:
    limiters = [RateLimiter(Quota("read", 7), lambda: 1000.0, each.times("reads")) for each in processes]
    remaining = [limiters[number % 3].take("caller").remaining for number in range(7)]
    assert remaining == [6, 5, 4, 3, 2, 1, 0]
    for limiter in limiters:
        with pytest.raises(RateLimitExceeded):
            limiter.take("caller")
        assert limiter.take("another") is not None


def test_two_limits_count_apart(processes: list[SharedLimits]) -> None:
    reads, failures = (RateLimiter(Quota("x", 1), times=processes[0].times(name)) for name in ("reads", "failures"))
    reads.take(1)
    failures.take(1)
    with pytest.raises(RateLimitExceeded):
        reads.take(1)


def test_a_rate_survives_the_death_of_its_process(memory: int, processes: list[SharedLimits]) -> None:
    RateLimiter(Quota("read", 1), times=processes[0].times("reads")).take("caller")
    successor = SharedLimits(memory, 1)
    with pytest.raises(RateLimitExceeded):
        RateLimiter(Quota("read", 1), times=successor.times("reads")).take("caller")


def test_places_are_taken_in_all_processes_together_and_given_back(processes: list[SharedLimits]) -> None:
    first, second, third = (Places(3, each.places("streams")) for each in processes)
    assert first.take("client")
    assert second.take("client")
    assert third.take("client")
    assert not any(each.take("client") for each in (first, second, third))
    assert first.take("another")
    second.give_back("client")
    assert first.take("client")
    assert not third.take("client")


class Overtaken(SharedPlaces):
    """Places whose process is overtaken by another just before it notes what it has taken."""

    def __init__(self, places: SharedPlaces, overtake: Callable[[], object]) -> None:
        self._places = places
        self._overtake = overtake

    def elsewhere(self, client: Hashable) -> int:
        return self._places.elsewhere(client)

    def note(self, client: Hashable, count: int) -> None:
        self._overtake()
        self._places.note(client, count)


def test_two_processes_never_take_the_same_place_at_once(processes: list[SharedLimits]) -> None:
    second = Places(1, processes[1].places("streams"))
    taken = []
    first = Places(1, Overtaken(processes[0].places("streams"), lambda: taken.append(second.take("client"))))
    taken.append(first.take("client"))
    assert sum(taken) == 1


def test_the_places_of_a_dead_process_are_free_when_its_successor_starts(
    memory: int, processes: list[SharedLimits]
) -> None:
    first, second = (Places(1, each.places("streams")) for each in processes[:2])
    assert first.take("client")
    assert not second.take("client")
    SharedLimits(memory, 1)
    assert second.take("client")


def test_more_clients_than_rows_never_push_out_one_who_has_a_place(processes: list[SharedLimits]) -> None:
    first, second = (Places(1, each.places("connections")) for each in processes[:2])
    assert first.take("early")
    for number in range(PLACE_ROWS * 2):
        first.take(number)
    assert not second.take("early")


def test_clients_who_left_make_room_for_others(processes: list[SharedLimits]) -> None:
    first, second = (Places(1, each.places("connections")) for each in processes[:2])
    for number in range(PLACE_ROWS * 2):
        assert first.take(number)
        first.give_back(number)
    assert first.take("late")
    assert not second.take("late")


def test_a_full_table_of_rates_forgets_those_that_end_first(processes: list[SharedLimits]) -> None:
    now_s = 1000.0
    limiter = RateLimiter(Quota("read", 60), lambda: now_s, processes[0].times("reads"))
    for number in range(shared_limits.RATE_ROWS):
        limiter.take(number)
    now_s += 3600
    for number in range(1000):
        limiter.take(f"late {number}")
    assert [limiter.take(f"late {number}").remaining for number in range(1000)] == [58] * 1000
