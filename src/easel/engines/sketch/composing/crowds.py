"""Arranges many of one thing in rows that recede, smaller towards the horizon. What one can count is shown fully."""

from collections.abc import Sequence
from typing import Final

from easel.engines.sketch.composing.scene import Placed
from easel.engines.sketch.composing.spacing import crowd_rows
from easel.engines.sketch.composing.stage import Stage, Stand
from easel.engines.sketch.composing.units import Unit

COUNT_MAX: Final = 60
COUNTED_MAX: Final = 15
"""Up to this many one counts, so each is fully in the picture and mostly to be seen."""
FAR_SCALE: Final = 0.34


def crowd(stage: Stage, at: int, number: int, crowds: int, *, has_front: bool) -> list[Placed]:
    """Many of one thing, in the part of the width that is theirs."""
    count = min(stage.wish.things[at].count, COUNT_MAX)
    dice = stage.dice.named(f"crowd {at}")
    sample = stage.builder.build(at, 0)
    left, right = stage.width * number / crowds, stage.width * (number + 1) / crowds
    rows = (
        _counted_rows(stage, count, right - left, sample)
        if count <= COUNTED_MAX
        else crowd_rows(count, (right - left) / stage.height, sample)
    )
    near = 0.5 if has_front else 0.0
    far = 0.9 if count > COUNTED_MAX else 0.7
    placed: list[Placed] = []
    for row, columns in enumerate(rows):
        depth = far - (far - near) * row / max(1, len(rows) - 1) if len(rows) > 1 else near
        cell = (right - left) * 1.1 / columns
        if count <= COUNTED_MAX:
            cell = _counted_cell(right - left, rows)
        scale = _scale(stage, sample, cell, depth, len(rows), is_counted=count <= COUNTED_MAX)
        for column in range(columns):
            unit = stage.builder.build(at, len(placed))
            unit = unit.mirrored() if dice.chance(0.5) else unit
            shift = 0.5 + (0.0 if len(rows) == 1 else 0.25 if (row + columns) % 2 else -0.25)
            x = (left + right) / 2 + (column + shift + dice.between(-0.07, 0.07) - columns / 2) * cell
            jitter = dice.between(-0.02, 0.02)
            y, size = stage.stand(depth + jitter), scale * dice.between(0.92, 1.0)
            placed += stage.put(unit, Stand(x - (unit.left + unit.right) / 2 * size, y, size, depth + jitter))
    return placed


def _counted_rows(stage: Stage, count: int, wide: float, sample: Unit) -> list[int]:
    """As many rows as let the things be largest, the farthest first."""
    sizes = {}
    for rows in (1, 2, 3):
        cell = _counted_cell(wide, [-(-count // rows)] * rows)
        sizes[rows] = _scale(stage, sample, cell, 0.0, rows, is_counted=True)
    rows = max(sizes, key=lambda number: sizes[number])
    fewest, more = divmod(count, rows)
    return [fewest + (1 if row < more else 0) for row in range(rows)]


def _counted_cell(wide: float, rows: Sequence[int]) -> float:
    """The width that each thing gets, with room for rows that are shifted by half of it."""
    return 0.92 * wide / (max(rows) + (0.5 if len(rows) > 1 else 0.0))


def _scale(stage: Stage, sample: Unit, cell: float, depth: float, rows: int, *, is_counted: bool) -> float:
    """Pixels per metre in a row: what fits into its cell, and leaves those behind to be seen."""
    perspective = 1 - (1 - FAR_SCALE) * depth
    limit = 0.94 * cell / (sample.right - sample.left)
    gap = (stage.near - stage.ground.horizon * stage.height) * 0.7 / max(1, rows - 1)
    tall = min(0.4 * stage.height, (2.0 if is_counted else 3.2) * gap) if rows > 1 else 0.45 * stage.height
    return min(limit, tall * (0.5 + 0.5 * perspective if is_counted else perspective) / sample.top)
