"""Counters, levels and histograms, and readings of engines."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from easel.engines.blank.engine import Blank
from easel.live import readings
from easel.live.circuit_breaker import CircuitBreaker
from easel.live.instruments import Counter, Distribution, Histogram, Level

BOUNDS = (0.1, 1.0, 10.0)


def test_a_counter_counts_for_each_combination_of_labels() -> None:
    counter = Counter("pictures", "Pictures.", "engine", "colour")
    counter.add("sketch", "red")
    counter.add("sketch", "red", amount=2.5)
    counter.add("blank", "red")
    assert dict(counter.read().values) == {("sketch", "red"): 3.5, ("blank", "red"): 1}
    assert Counter("pictures", "Pictures.").read().values == [((), 0)]


def test_a_level_goes_up_and_down() -> None:
    level = Level("open", "What is open.")
    level.change(3)
    level.change(-1)
    assert list(level.read().values) == [((), 2)]


def test_a_value_at_a_bound_belongs_to_the_bucket_below_it() -> None:
    histogram = Histogram("seconds", "Seconds.", BOUNDS)
    for value in (0.1, 0.5, 1.0, 11.0):
        histogram.observe(value)
    assert histogram.read().values == [((), Distribution([1, 3, 3, 4], 12.6))]


@given(st.lists(st.floats(0, 100)))
def test_a_distribution_counts_what_is_at_most_each_bound(values: list[float]) -> None:
    histogram = Histogram("seconds", "Seconds.", BOUNDS, "kind")
    for value in values:
        histogram.observe(value, "any")
    shown = [found for _, found in histogram.read().values if isinstance(found, Distribution)]
    expected = [[*(sum(value <= bound for value in values) for bound in BOUNDS), len(values)]] if values else []
    assert [list(found.counts) for found in shown] == expected


def test_a_reading_does_not_change_afterwards() -> None:
    histogram, counter = Histogram("seconds", "Seconds.", BOUNDS), Counter("pictures", "Pictures.", "engine")
    histogram.observe(1)
    counter.add("blank")
    taken, counted = histogram.read(), counter.read()
    histogram.observe(1)
    counter.add("blank")
    assert taken.values == [((), Distribution([0, 1, 1, 1], 1.0))]
    assert list(counted.values) == [(("blank",), 1)]


class _Card(Blank):
    def device_memory_bytes(self) -> dict[str, int]:
        return {"total": 24, "used": 20}


def test_an_engine_shows_its_pause_and_the_memory_of_its_device() -> None:
    breaker = CircuitBreaker(1)
    assert breaker.failed("it draws nothing")
    taken = asyncio.run(readings.of_engine(_Card(step_s=0), breaker)())
    shown = {reading.name: dict(reading.values) for reading in taken}
    assert shown == {
        "easel_engine_paused": {("blank",): 1.0},
        "easel_device_memory_bytes": {("total",): 24, ("used",): 20},
    }
