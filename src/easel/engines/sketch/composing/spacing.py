"""How far units stand apart, and in how many rows a crowd stands. Pure."""

import itertools
from collections.abc import Sequence
from typing import Final

from easel.engines.sketch.composing.units import Unit

PACKED_MIN: Final = 4
"""So many in a row stand close together, every other one farther back."""
SMALLEST_SHARE: Final = 0.4


def nearer(units: Sequence[Unit]) -> list[Unit]:
    """Units whose sizes are near enough to one another that the smallest can be seen well."""
    tallest = max(unit.top for unit in units)
    return [
        unit.scaled(SMALLEST_SHARE * tallest / unit.top) if unit.top < SMALLEST_SHARE * tallest else unit
        for unit in units
    ]


def gaps_between(units: Sequence[Unit]) -> list[float]:
    """What is left free to the right of each unit, in metres. If there are many, they overlap a little instead."""
    widths = [unit.right - unit.left for unit in units]
    free = 0.12 * max(widths)
    gaps = [free if len(units) < PACKED_MIN else -0.33 * min(pair) for pair in itertools.pairwise(widths)]
    return [*gaps, 0.0]


def crowd_rows(count: int, ratio: float, sample: Unit) -> list[int]:
    """How many stand in each row, the farthest first."""
    aspect = (sample.right - sample.left) / sample.top
    best = max(2, min(6, round((count * aspect / max(0.4, ratio) / 2.2) ** 0.5)))
    spread = 0.5
    weights = [1 + spread / 2 - spread * row / max(1, best - 1) for row in range(best)]
    rows = [max(1, int(count * weight / sum(weights))) for weight in weights]
    at = 0
    while sum(rows) < count:
        rows[at % best] += 1
        at += 1
    while sum(rows) > count:
        rows[rows.index(max(rows))] -= 1
    return [row for row in rows if row]
