"""Arranges what is as large and far away as a mountain: at the horizon, behind everything that stands nearer."""

from collections.abc import Sequence
from typing import Final

from easel.engines.sketch.composing.scene import Placed
from easel.engines.sketch.composing.stage import Stage, Stand

COUNT_MAX: Final = 5
DEPTH: Final = 0.8
ALONE_WIDTH: Final = 0.96
WIDTH: Final = 1.1
"""How wide one mountain is, and several together, as shares of the width of the picture."""
HEIGHT: Final = 0.8
"""How much of the sky they fill at most."""
LOW: Final = 0.015
"""How far below the horizon they begin, as a share of the height."""


def is_far(stage: Stage, at: int) -> bool:
    """Whether a thing stands at the horizon here: it is a mountain, and carries nothing."""
    is_few = stage.wish.things[at].count <= COUNT_MAX
    return is_few and "far" in stage.traits(at).marks and len(stage.builder.build(at, 0).parts) == 1


def at_the_horizon(stage: Stage, things: Sequence[int]) -> list[Placed]:
    """Things side by side, a little aside from the middle if there is one."""
    units = [stage.builder.build(at, number) for at in things for number in range(stage.wish.things[at].count)]
    if not units:
        return []
    dice = stage.dice.named("horizon")
    wide = (ALONE_WIDTH if len(units) == 1 else WIDTH) * stage.width
    total = sum(unit.right - unit.left for unit in units)
    scale = min(wide / total, HEIGHT * stage.ground.horizon * stage.height / max(unit.top for unit in units))
    y = (stage.ground.horizon + LOW) * stage.height
    free = stage.width - total * scale
    x = free * (dice.pick((0.15, 0.85)) if len(units) == 1 and free > 0 else 0.5)
    placed: list[Placed] = []
    for unit in units:
        half = (unit.right - unit.left) * scale / 2
        placed += stage.put(unit, Stand(x + half, y, scale, DEPTH, is_in_air=True))
        x += 2 * half
    return placed
