"""Instruments: counters, levels and histograms in the memory of one process, and the readings that scrapes take of
them.

An instrument counts for all label values separately. Each is changed and read by the event loop alone, so nothing is
locked. Label values come from a bounded set: never an id, a name, or a text that a client chose.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, Literal, Protocol

Labels = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Distribution:
    """How many values were at most each bound of a histogram, the last of them without bound, and the sum of all."""

    counts: Sequence[int]
    total: float


@dataclass(frozen=True, slots=True)
class Reading:
    """What one instrument shows at one moment: a value for each combination of label values.

    A histogram has distributions, and its `bounds`. The name of a counter has no `_total` at its end.
    """

    kind: Literal["counter", "gauge", "histogram"]
    name: str
    description: str
    labels: Labels
    values: Sequence[tuple[Labels, float | Distribution]]
    bounds: Sequence[float] = ()


def gauge(name: str, description: str, *values: tuple[Labels, float], labels: Labels = ()) -> Reading:
    """A reading of something that is measured at this moment."""
    return Reading("gauge", name, description, labels, values)


class Instrument(Protocol):
    """Something that can be read."""

    def read(self) -> Reading:
        """What it shows now. The reading does not change afterwards."""


class Counter:
    """A number that only grows, until the process ends. Without labels it begins with 0."""

    def __init__(self, name: str, description: str, *labels: str) -> None:
        self._name = name
        self._description = description
        self._labels = labels
        self._values: dict[Labels, float] = {} if labels else {(): 0}

    def add(self, *labels: str, amount: float = 1) -> None:
        """Count one more, or `amount`, for these label values."""
        self._values[labels] = self._values.get(labels, 0) + amount

    def read(self) -> Reading:
        """The counts."""
        return Reading("counter", self._name, self._description, self._labels, list(self._values.items()))


class Level:
    """A number that grows and shrinks."""

    def __init__(self, name: str, description: str) -> None:
        self._name = name
        self._description = description
        self._value = 0

    def change(self, by: int) -> None:
        """Add to the number."""
        self._value += by

    def read(self) -> Reading:
        """The number."""
        return gauge(self._name, self._description, ((), self._value))


class Histogram:
    """How values are spread. `bounds` are the upper bounds of its buckets, in ascending order."""

    def __init__(self, name: str, description: str, bounds: Sequence[float], *labels: str) -> None:
        self._name = name
        self._description = description
        self._bounds: Final = tuple(bounds)
        self._labels = labels
        self._counts: dict[Labels, list[int]] = {}
        self._totals: dict[Labels, float] = {}

    def observe(self, value: float, *labels: str) -> None:
        """Count a value for these label values."""
        counts = self._counts.get(labels)
        if counts is None:
            counts = self._counts[labels] = [0] * (len(self._bounds) + 1)
            self._totals[labels] = 0.0
        counts[bisect_left(self._bounds, value)] += 1
        self._totals[labels] += value

    def read(self) -> Reading:
        """The distributions."""
        values = [
            (labels, Distribution(list(accumulate(counts)), self._totals[labels]))
            for labels, counts in self._counts.items()
        ]
        return Reading("histogram", self._name, self._description, self._labels, values, self._bounds)
