"""How far units stand apart, and in how many rows a crowd stands. Pure."""

import itertools
from collections.abc import Sequence
from typing import Final

from easel.engines.sketch.composing.units import Unit

PACKED_MIN: Final = 4
"""So many in a row stand close together, every other one farther back."""
PACKED_OVERLAP: Final = 0.33
FEW: Final = 3
FEW_OVERLAP: Final = 0.2
MANY_MIN: Final = 7
MANY_OVERLAP: Final = 0.5
"""How much of the narrower of two neighbours is then at the same place as the other, and of so many."""
SHORTER: Final = 0.72
"""What has less than this height of the tallest thing stands in front of it."""
SMALLEST_SHARE: Final = 0.4


def nearer(units: Sequence[Unit]) -> list[Unit]:
    """Units whose sizes are near enough to one another that the smallest can be seen well."""
    tallest = max(unit.top for unit in units)
    return [
        unit.scaled(SMALLEST_SHARE * tallest / unit.top) if unit.top < SMALLEST_SHARE * tallest else unit
        for unit in units
    ]


def gaps_between(units: Sequence[Unit], away: Sequence[float], *, is_packed: bool) -> list[float]:
    """What is left free to the right of each unit, in metres. Packed ones overlap if one is farther away than the
    other."""
    widths = [unit.right - unit.left for unit in units]
    if not is_packed:
        return [*[0.12 * max(widths)] * (len(units) - 1), 0.0]
    overlap = MANY_OVERLAP if len(units) >= MANY_MIN else PACKED_OVERLAP if len(units) > FEW else FEW_OVERLAP
    pairs = zip(itertools.pairwise(widths), itertools.pairwise(away), strict=True)
    return [*(-overlap * min(pair) if near != far else 0.05 * min(pair) for pair, (near, far) in pairs), 0.0]


def depths(units: Sequence[Unit], back: float, *, is_packed: bool) -> list[float]:
    """How far away each unit stands: of packed ones the taller at the depth `back`, or every other one if all are
    alike."""
    if not is_packed:
        return [0.0 if len(units) == 1 else (0.05, 0.0, 0.08)[number % 3] for number in range(len(units))]
    tallest = max(range(len(units)), key=lambda number: units[number].top)
    shorter = [unit.top < SHORTER * units[tallest].top for unit in units]
    if any(shorter):
        return [0.0 if is_short else back for is_short in shorter]
    return [back if number % 2 == tallest % 2 else 0.0 for number in range(len(units))]


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
