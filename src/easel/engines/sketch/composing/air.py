"""Arranges what flies, floats or shines: over the upper part of the picture, or over the whole of space and water."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from easel.engines.sketch.composing.dice import Dice
from easel.engines.sketch.composing.ordering import SIDEWAYS, side
from easel.engines.sketch.composing.rows import ordered
from easel.engines.sketch.composing.scene import Placed
from easel.engines.sketch.composing.stage import Stage, Stand
from easel.engines.sketch.composing.units import Unit
from easel.engines.sketch.reading.wish import Wish

SPREAD: Final = (0.1, 0.88)
"""From where to where things float, as shares of the height."""
ALONE: Final = (0.05, 0.66)
ABOVE_OTHERS: Final = (0.05, 0.42)
FLOATING_ABOVE: Final = (0.06, 0.58)
SIDE_BY_SIDE_MAX: Final = 5
"""So many stay side by side if the prompt says that they are."""
SIDE_SHARE: Final = 0.34
"""What is not wider than this in the sky is at a side of it, so that nothing stands before it."""
ARCHES: Final = frozenset({"rainbow", "aurora"})
"""What spans the sky from side to side."""
FRONT_SHARE: Final = 0.62
"""How high the one in front is at most, compared with the one behind it."""


@dataclass(frozen=True, slots=True)
class _Spot:
    """Where a unit is: its middle and its lower edge in pixels, and pixels per metre."""

    unit: Unit
    x: float
    y: float
    scale: float
    turn: float = 0.0

    @property
    def height(self) -> float:
        """Its height in pixels."""
        return self.unit.top * self.scale


@dataclass(frozen=True, slots=True)
class _Grid:
    """The cells in which things are, in pixels, and how much of them they fill."""

    columns: int
    rows: int
    top: float
    cell_width: float
    cell_height: float
    jitter: float
    """How far a thing may be aside from the middle of its cell, as a share of it."""
    share: float
    is_free: bool
    """Whether nothing stands below."""


def in_the_air(stage: Stage, things: Sequence[int], *, alone: bool) -> list[Placed]:
    """Things in a grid whose cells they nearly fill, each a little aside. What spans the sky is behind them."""
    spanning = [at for at in things if stage.wish.things[at].picture in ARCHES]
    placed = [one for at in spanning for one in _across(stage, at)]
    units = ordered(stage, [at for at in things if at not in spanning])
    if not units:
        return placed
    grid, dice = _grid(stage, units, alone=alone), stage.dice.named("air")
    spots = [_spot(stage, units, number, grid, dice) for number in range(len(units))]
    for spot in _over_one_another(spots, stage.wish):
        left = spot.x - (spot.unit.left + spot.unit.right) / 2 * spot.scale
        placed += stage.put(spot.unit, Stand(left, spot.y, spot.scale, is_in_air=True, turn=spot.turn))
    return placed


def _grid(stage: Stage, units: Sequence[Unit], *, alone: bool) -> _Grid:
    is_free = alone or stage.ground.surface in ("air", "deep")
    top, bottom = _heights(stage, alone=alone)
    wide, jitter = 0.94 * stage.width, 0.06
    if stage.ground.frame is not None:
        wide, jitter = stage.ground.frame * min(stage.width, stage.height), 0.0
        top, bottom = 0.5 - wide / stage.height / 2, 0.5 + wide / stage.height / 2
    columns = max(1, min(len(units), round((len(units) * wide / 0.94 / stage.height / (bottom - top) / 1.1) ** 0.5)))
    sideways, roots = SIDEWAYS - {"next"} if stage.is_tall else SIDEWAYS, {unit.root for unit in units}
    is_sideways = any(one.kind in sideways and one.subject in roots for one in stage.wish.relations)
    columns = len(units) if is_sideways and len(units) <= SIDE_BY_SIDE_MAX else columns
    rows = -(-len(units) // columns)
    columns = -(-len(units) // rows)
    high = stage.height * (bottom - top) / rows
    share = 0.84 if is_free else 0.72
    return _Grid(columns, rows, stage.height * top, wide / columns, high, jitter, share, is_free)


def _heights(stage: Stage, *, alone: bool) -> tuple[float, float]:
    """From where to where things are, as shares of the height."""
    if stage.ground.surface in ("air", "deep"):
        return SPREAD if alone else FLOATING_ABOVE
    return ALONE if alone else ABOVE_OTHERS


def _spot(stage: Stage, units: Sequence[Unit], number: int, grid: _Grid, dice: Dice) -> _Spot:
    """Where one of the units is in the grid."""
    unit, (row, column) = units[number], divmod(number, grid.columns)
    in_row = min(grid.columns, len(units) - row * grid.columns)
    size = dice.between(0.88, 1.0) if len(units) > 1 else 1.0
    high, wide = grid.share * grid.cell_height, unit.right - unit.left
    scale = size * min(grid.share * grid.cell_width / wide, high / unit.top)
    scale = min(scale, size * high / max(one.top for one in units) * 1.15)
    if not grid.is_free:
        scale = min(scale, 0.3 * stage.height / unit.top)
    pointed = side(stage.wish, unit.root, stage.apart_from(unit.root))
    if pointed:
        scale = min(scale, 0.3 * stage.width / wide)
    x = stage.width / 2 + (column + 0.5 - in_row / 2) * grid.cell_width
    x += dice.between(-grid.jitter, grid.jitter) * grid.cell_width
    if pointed:
        x = stage.width * (0.5 + 0.33 * pointed)
    elif len(units) == 1:
        x = _alone(stage, unit, scale, x, dice, grid.is_free)
    y = grid.top + (row + 0.5 + dice.between(-0.8, 0.8) * grid.jitter) * grid.cell_height + unit.top * scale / 2
    shown = unit.mirrored() if dice.chance(0.5) and not _is_ordered(stage, unit.root) else unit
    return _Spot(shown, x, y, scale, _turn(stage, shown))


def _alone(stage: Stage, unit: Unit, scale: float, x: float, dice: Dice, is_free: bool) -> float:
    """Where the only thing in the air is: near a third of a wide picture, and a sun or moon beside what stands
    below."""
    if stage.ground.frame is not None:
        return stage.width / 2
    is_narrow = (unit.right - unit.left) * scale < SIDE_SHARE * stage.width
    if not is_free and is_narrow and unit.base.picture.traits.stance == "sky":
        return stage.width * (0.5 + 0.33 * dice.pick((-1, 1)))
    return stage.width * dice.pick((0.37, 0.63)) if is_free and stage.width > 1.25 * stage.height else x


def _across(stage: Stage, at: int) -> list[Placed]:
    """What spans the sky, as wide as the picture or as high as the sky."""
    unit = stage.builder.build(at, 0)
    low = (stage.ground.horizon + 0.03) * stage.height
    wide = unit.right - unit.left
    scale = min(0.94 * stage.width / wide, 0.92 * low / unit.top)
    x = stage.width / 2 + stage.dice.named("across").between(-0.5, 0.5) * max(0.0, 0.94 * stage.width - wide * scale)
    floats = unit.base.picture.name != "rainbow"
    y = 0.06 * stage.height + unit.top * scale if floats else low
    return stage.put(unit, Stand(x, y, scale, depth=0.0, is_in_air=True))


def _is_ordered(stage: Stage, at: int) -> bool:
    return any(at in (relation.subject, relation.other) for relation in stage.wish.relations)


def _turn(stage: Stage, unit: Unit) -> float:
    """How much a thing leans to a side."""
    if stage.ground.frame is not None:
        return 0.0
    lean = stage.dice.named(f"lean {unit.root} {len(unit.parts)}").between(-7, 7)
    return lean if len(unit.parts) == 1 and unit.base.picture.traits.stance not in ("sky", "stands") else 0.0


def _over_one_another(spots: Sequence[_Spot], wish: Wish) -> list[_Spot]:
    """The spots from back to front, with what is in front of another one over the middle of it."""
    ordered = list(spots)
    for relation in wish.relations:
        if relation.kind not in ("behind", "in-front") or relation.other is None:
            continue
        front, back = relation.subject, relation.other
        front, back = (back, front) if relation.kind == "behind" else (front, back)
        backs = [spot for spot in ordered if spot.unit.root == back]
        fronts = [spot for spot in ordered if spot.unit.root == front]
        if backs and fronts and front != back:
            moved = [_before(spot, backs[0], number, len(fronts)) for number, spot in enumerate(fronts)]
            ordered = [spot for spot in ordered if spot.unit.root != front] + moved
    return ordered


def _before(front: _Spot, back: _Spot, number: int, count: int) -> _Spot:
    """One of several in a row that rises and falls over the middle of what is behind them."""
    scale = min(front.scale, FRONT_SHARE * back.height / front.unit.top / math.sqrt(count))
    aside = (number - (count - 1) / 2) * 1.1 * (front.unit.right - front.unit.left) * scale
    middle = back.y - back.height / 2 + (0.3 * front.unit.top * scale if number % 2 else 0.0)
    return replace(front, x=back.x + aside, y=middle + front.unit.top * scale / 2, scale=scale)
