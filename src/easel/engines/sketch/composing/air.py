"""Arranges what flies, floats or shines: over the upper part of the picture, or over the whole of space and water."""

from collections.abc import Sequence
from typing import Final

from easel.engines.sketch.composing.dice import Dice
from easel.engines.sketch.composing.ordering import SIDEWAYS, side
from easel.engines.sketch.composing.overlaps import Spot, over_one_another
from easel.engines.sketch.composing.rows import ordered
from easel.engines.sketch.composing.scene import Placed
from easel.engines.sketch.composing.stage import Stage, Stand
from easel.engines.sketch.composing.units import Unit

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


def in_the_air(stage: Stage, things: Sequence[int], *, alone: bool) -> list[Placed]:
    """Things in a grid whose cells they nearly fill, each a little aside. What spans the sky is behind them."""
    spanning = [at for at in things if stage.wish.things[at].picture in ARCHES]
    placed = [one for at in spanning for one in _across(stage, at)]
    things = [at for at in things if at not in spanning]
    units = ordered(stage, things)
    if not units:
        return placed
    dice = stage.dice.named("air")
    floats = stage.ground.surface in ("air", "deep")
    top, bottom = (SPREAD if alone else FLOATING_ABOVE) if floats else ALONE if alone else ABOVE_OTHERS
    wide, jitter = 0.94 * stage.width, 0.06
    if stage.ground.frame is not None:
        wide, jitter = stage.ground.frame * min(stage.width, stage.height), 0.0
        top, bottom = 0.5 - wide / stage.height / 2, 0.5 + wide / stage.height / 2
    columns = max(1, min(len(units), round((len(units) * wide / 0.94 / stage.height / (bottom - top) / 1.1) ** 0.5)))
    sideways = SIDEWAYS - {"next"} if stage.is_tall else SIDEWAYS
    is_sideways = any(one.kind in sideways and one.subject in things for one in stage.wish.relations)
    columns = len(units) if is_sideways and len(units) <= SIDE_BY_SIDE_MAX else columns
    rows = -(-len(units) // columns)
    columns = -(-len(units) // rows)
    cell_w, cell_h = wide / columns, stage.height * (bottom - top) / rows
    tallest = max(unit.top for unit in units)
    spots: list[Spot] = []
    for number, unit in enumerate(units):
        row, column = divmod(number, columns)
        in_row = min(columns, len(units) - row * columns)
        size = dice.between(0.88, 1.0) if len(units) > 1 else 1.0
        share = 0.84 if floats or alone else 0.72
        scale = size * min(share * cell_w / (unit.right - unit.left), share * cell_h / unit.top)
        scale = min(scale, size * share * cell_h / tallest * 1.15)
        if not alone and not floats:
            scale = min(scale, 0.3 * stage.height / unit.top)
        pointed = side(stage.wish, unit.root, stage.apart_from(unit.root))
        if pointed:
            scale = min(scale, 0.3 * stage.width / (unit.right - unit.left))
        x = stage.width / 2 + (column + 0.5 - in_row / 2) * cell_w + dice.between(-jitter, jitter) * cell_w
        if len(units) == 1 and not pointed:
            x = _alone(stage, unit, scale, x, dice, floats or alone)
        x = stage.width * (0.5 + 0.33 * pointed) if pointed else x
        y = stage.height * top + (row + 0.5 + dice.between(-0.8, 0.8) * jitter) * cell_h + unit.top * scale / 2
        shown = unit.mirrored() if dice.chance(0.5) and not _is_ordered(stage, unit.root) else unit
        spots.append(Spot(shown, x, y, scale, _turn(stage, shown)))
    for spot in over_one_another(spots, stage.wish):
        left = spot.x - (spot.unit.left + spot.unit.right) / 2 * spot.scale
        placed += stage.put(spot.unit, Stand(left, spot.y, spot.scale, is_in_air=True, turn=spot.turn))
    return placed


def _alone(stage: Stage, unit: Unit, scale: float, x: float, dice: Dice, is_free: bool) -> float:
    """Where the only thing in the air is: near a third of a wide picture, and a sun or moon beside what stands below."""
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
