"""Arranges units in a picture: what hangs and flies, crowds, and rows on the ground, from back to front.

Everything is measured in metres of the scene first and scaled so that it fills the picture well.
"""

from collections.abc import Iterator
from typing import Final

from easel.engines.sketch.backgrounds.background import Background
from easel.engines.sketch.composing.air import in_the_air
from easel.engines.sketch.composing.crowds import crowd
from easel.engines.sketch.composing.dice import Dice
from easel.engines.sketch.composing.horizon import at_the_horizon, is_far
from easel.engines.sketch.composing.rows import row
from easel.engines.sketch.composing.scene import Placed
from easel.engines.sketch.composing.stage import Stage
from easel.engines.sketch.composing.unit_builder import UnitBuilder
from easel.engines.sketch.composing.walls import on_the_wall
from easel.engines.sketch.reading.wish import Wish

BUILDING_M: Final = 3.6
"""What is as tall as this stands behind a crowd, other things stand before it."""
BEHIND: Final = 0.72
ROW_MAX: Final = 5
"""More of one kind than this stand in rows."""


def arranged(
    wish: Wish, ground: Background, size_px: tuple[int, int], builder: UnitBuilder, dice: Dice, share: float = 1.0
) -> Iterator[Placed]:
    """Everything that a wish asks for before a background, from back to front. What stands has a share of its size."""
    stage = Stage(wish, ground, float(size_px[0]), float(size_px[1]), builder, dice, share)
    hanging = [at for at in builder.roots if stage.hangs(at)]
    high = [at for at in builder.roots if at not in hanging and stage.is_high(at)]
    low = [at for at in builder.roots if at not in high and at not in hanging]
    yield from on_the_wall(stage, hanging, alone=not low)
    yield from in_the_air(stage, high, alone=not low)
    far = [at for at in low if is_far(stage, at)]
    low = [at for at in low if at not in far]
    yield from at_the_horizon(stage, far)
    crowds = [at for at in low if wish.things[at].count > ROW_MAX]
    few = [at for at in low if at not in crowds]
    is_behind = bool(crowds and few) and all(stage.traits(at).height_m >= BUILDING_M for at in few)
    standing: list[Placed] = []
    for number, at in enumerate(crowds):
        standing += crowd(stage, at, number, len(crowds), has_front=bool(few) and not is_behind)
    standing += row(
        stage,
        few,
        has_crowd=bool(crowds) and not is_behind,
        has_air=any(stage.traits(at).stance != "sky" for at in high),
        has_far=bool(far),
        far=BEHIND if is_behind else 0.0,
    )
    yield from sorted(standing, key=lambda one: -one.depth)
