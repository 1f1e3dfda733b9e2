"""Arranges what hangs on the wall of a room: windows, mirrors, clocks and pictures."""

from collections.abc import Sequence
from typing import Final

from easel.engines.sketch.composing.scene import Placed
from easel.engines.sketch.composing.stage import Stage, Stand

TOP: Final = 0.08
"""Where the upper edge of the largest is, as a share of the height."""
SHARE: Final = 0.9
"""How much of the wall they fill if they are alone there."""
SIDE_SHARE: Final = 0.62
"""How much of it if something stands before the wall."""


def on_the_wall(stage: Stage, things: Sequence[int], *, alone: bool) -> list[Placed]:
    """Things side by side in the middle of the wall, or at a side of it if something stands before it."""
    units = [stage.builder.build(at, number) for at in things for number in range(min(stage.wish.things[at].count, 6))]
    if not units:
        return []
    wall = (stage.ground.horizon - TOP) * stage.height
    total = sum(unit.right - unit.left for unit in units) * 1.2
    tallest = max(unit.top for unit in units)
    wide = (0.86 if alone else 0.42 + 0.1 * len(units)) * stage.width
    scale = min((SHARE if alone else SIDE_SHARE) * wall / tallest, wide / total)
    middle = stage.width * (0.5 if alone or len(units) > 1 else stage.dice.named("wall").pick((0.27, 0.73)))
    placed, x = [], middle - total * scale / 2
    for unit in units:
        cell = (unit.right - unit.left) * 1.2 * scale
        y = TOP * stage.height + wall * (0.5 if alone else 0.4) + unit.top * scale / 2
        x += cell / 2
        spot = Stand(x - (unit.left + unit.right) / 2 * scale, y, scale, depth=0.0, is_in_air=True)
        placed += stage.put(unit, spot)
        x += cell / 2
    return placed
