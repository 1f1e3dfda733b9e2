"""Arranges few things side by side on the ground, in the order that the relations ask for.

A single thing stands near a third of a wide picture and in the middle of a square one. What is behind another is higher
in the picture and beside it so far that it can be seen.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from easel.engines.sketch.composing.crowds import COUNT_MAX
from easel.engines.sketch.composing.ordering import in_order, is_mirrorable, side
from easel.engines.sketch.composing.portraits import is_portrait, portrait
from easel.engines.sketch.composing.posing import SWIM_SUNK
from easel.engines.sketch.composing.scene import Placed
from easel.engines.sketch.composing.spacing import PACKED_MIN, depths, gaps_between, nearer
from easel.engines.sketch.composing.stage import MARGIN, Stage, Stand
from easel.engines.sketch.composing.units import Unit

SIZED: Final = {"small": 0.78, "big": 1.12}
"""How much of its usual size a thing has that is alone and said to be small or big."""
SHARES: Final = {1: 0.84, 2: 0.8, 3: 0.78}
"""How much of the height above the ground so many things may fill."""
WIDTHS: Final = {1: 0.72, 2: 0.86}
TALL_WIDTH: Final = 0.86
"""How much of the width a single thing may fill in a tall picture."""
TABLE_SHARE: Final = 0.86
SWIM_SHARE: Final = 0.6
"""How much smaller somebody is shown of whom a part is under water."""
CROWD_SHARE: Final = 0.62
"""How much smaller things are that stand before a crowd."""
BUILDING_M: Final = 4.5
BUILDING_SHARE: Final = 0.68
"""From which height on what is behind others is at least this share of the picture's height."""
LARGE_M: Final = 6.0
"""What is as tall as this may fill more of the picture than other things."""


NARROW: Final = 0.72
"""If things side by side are smaller than this because of the width alone, every other one stands farther back."""
BACK: Final = 0.4
TALL_BACK: Final = 0.55
"""How far back these stand, and in a tall picture."""
PAIR_SHARE: Final = 0.7
"""How much nearer the farther one of only two stands."""
FARTHER_SIZE: Final = 0.25
"""How much smaller a thing at the horizon is than near."""
BELOW_AIR_SHARE: Final = 0.72
"""How much smaller things are below what flies, or before a mountain."""
ASIDE_WIDTH: Final = 0.52
"""How much of the width one thing before a mountain may fill."""
STACK_LIMIT: Final = 0.76
"""How high one thing with others on it may be, compared with the longer side."""


def row(
    stage: Stage,
    things: Sequence[int],
    *,
    has_crowd: bool = False,
    has_air: bool = False,
    has_far: bool = False,
    far: float = 0.0,
) -> list[Placed]:
    """Few things side by side, the nearest at the depth `far`.

    They are smaller before a crowd, and below what flies or is far away. One thing before what is far is aside.
    """
    if not things:
        return []
    units = nearer(_faced(stage, ordered(stage, things)))
    if len(units) == 1 and is_portrait(stage, units[0]):
        return portrait(stage, units[0])
    back = [unit for unit in units if _is_behind(stage, unit)]
    front = [unit for unit in units if not _is_behind(stage, unit)] or back
    has_back = bool(back) and front is not back
    share = (CROWD_SHARE if has_crowd else 1.0) * (BELOW_AIR_SHARE if has_air or has_far else 1.0)
    is_packed = len(front) >= PACKED_MIN or (len(front) > 1 and _is_narrow(stage, front, share))
    back_depth = (TALL_BACK if stage.is_tall else BACK) * (PAIR_SHARE if len(front) == 2 else 1.0)
    away = [min(1.0, far + depth) for depth in depths(front, back_depth, is_packed=is_packed)]
    gaps = gaps_between(front, away, is_packed=is_packed)
    scale = min(_scales(stage, front, sum(gaps), share)) * stage.share * (0.8 if has_back else 1.0)
    total = sum(unit.right - unit.left for unit in front) + sum(gaps)
    if has_far and len(front) == 1:
        scale = min(scale, ASIDE_WIDTH * stage.width / total)
    x = _start(stage, total * scale, front, is_aside=has_far)
    if has_back:
        shift = stage.dice.named("aside").pick((-1, 1)) * 0.16 * stage.width
        x = min(max(x + shift, 0.02 * stage.width), 0.98 * stage.width - total * scale)
    placed: list[Placed] = []
    middles: dict[int, tuple[float, float]] = {}
    for number, unit in enumerate(front):
        wide = (unit.right - unit.left) * scale
        depth = away[number]
        middles[unit.root] = x + wide / 2, wide / 2
        size = min(scale * (1 - FARTHER_SIZE * depth), 0.95 * stage.stand(depth) / unit.top)
        middle = x + wide / 2 - (unit.left + unit.right) / 2 * size
        placed += stage.put(unit, Stand(middle, stage.stand(depth), size, depth))
        x += wide + gaps[number] * scale
    if has_back:
        placed += _behind(stage, back, middles, scale)
    return placed


def _behind(stage: Stage, units: Sequence[Unit], middles: dict[int, tuple[float, float]], scale: float) -> list[Placed]:
    """Units that stand behind others: higher in the picture, and beside them so far that they can be seen."""
    placed = []
    for number, unit in enumerate(units):
        middle, reach = middles.get(_hider(stage, unit), (stage.width / 2, 0.0))
        far = scale * (0.95 if unit.base.picture.traits.height_m > 2.5 else 0.82)
        if unit.base.picture.traits.height_m >= BUILDING_M:
            far = max(far, BUILDING_SHARE * stage.height / unit.top)
        fits_width = 0.6 * stage.width / ((unit.right - unit.left) * far)
        far *= min(1.0, 0.86 * stage.stand(0.4) / (unit.top * far), fits_width)
        depth = 0.8 if stage.is_tall else 0.4
        half = (unit.right - unit.left) * far / 2
        side = 1 if middle < stage.width / 2 else -1
        side = side if number % 2 == 0 else -side
        x = middle + side * max(0.7 * reach + 0.62 * half, reach + 0.1 * half)
        x = min(max(x, half + MARGIN * stage.width), stage.width - half - MARGIN * stage.width)
        placed += stage.put(unit, Stand(x - (unit.left + unit.right) / 2 * far, stage.stand(depth), far, depth))
    return placed


def _hider(stage: Stage, unit: Unit) -> int:
    """The thing that a unit stands behind."""
    for relation in stage.wish.relations:
        if relation.kind == "behind" and relation.subject == unit.root and relation.other is not None:
            return relation.other
        if relation.kind == "in-front" and relation.other == unit.root:
            return relation.subject
    return -1


def _is_behind(stage: Stage, unit: Unit) -> bool:
    return any(
        (relation.kind == "behind" and relation.subject == unit.root)
        or (relation.kind == "in-front" and relation.other == unit.root)
        for relation in stage.wish.relations
    )


def ordered(stage: Stage, things: Sequence[int]) -> list[Unit]:
    """The units of things from left to right."""
    order = in_order(stage.wish, things, COUNT_MAX)
    if is_mirrorable(stage.wish) and stage.dice.named("order").chance(0.5):
        order = order[::-1]
    seen: Counter[int] = Counter()
    units = []
    for at in order:
        units.append(stage.builder.build(at, seen[at]))
        seen[at] += 1
    return units


def _faced(stage: Stage, units: list[Unit]) -> list[Unit]:
    """Units turned by chance, but towards each other where one looks at the other."""
    dice = stage.dice.named("facing")
    turned = [unit.mirrored() if dice.chance(0.5) else unit for unit in units]
    for relation in stage.wish.relations:
        if relation.kind not in ("looking", "next") or relation.other is None:
            continue
        at = {unit.root: number for number, unit in enumerate(units)}
        if relation.subject in at and relation.other in at:
            first, second = sorted((at[relation.subject], at[relation.other]))
            turned[first], turned[second] = units[first].mirrored(), units[second]
    return turned


def _is_narrow(stage: Stage, units: Sequence[Unit], share: float) -> bool:
    """Whether things side by side are small only because the picture is not wide."""
    by_height, by_width = _scales(stage, units, sum(gaps_between(units, (), is_packed=False)), share)
    return by_width < NARROW * by_height


def _scales(stage: Stage, units: Sequence[Unit], gaps: float, room_share: float) -> tuple[float, float]:
    """Pixels per metre of the scene that fill the height, of which things get a share, and the width."""
    total = sum(unit.right - unit.left for unit in units) + gaps
    tallest = max(unit.top for unit in units)
    room = stage.near - 0.07 * stage.height
    share, wide = SHARES.get(len(units), 0.74), WIDTHS.get(len(units), 0.9)
    limit = stage.height
    if len(units) == 1:
        limit = (0.62 if len(units[0].parts) == 1 else STACK_LIMIT) * max(stage.height, stage.width)
    wide = max(wide, TALL_WIDTH) if stage.is_tall else wide
    if stage.ground.surface == "table":
        share *= TABLE_SHARE
    if any(unit.base.sunk >= SWIM_SUNK for unit in units):
        share *= SWIM_SHARE
    if len(units) == 1:
        if units[0].base.picture.traits.height_m >= LARGE_M and len(units[0].parts) == 1:
            share, limit = max(share, 0.96), 0.78 * max(stage.height, stage.width)
        size = SIZED.get(stage.wish.things[units[0].root].size or "", 1.0)
        share, wide, limit = min(share * size, 1.04), wide * size, limit * size
    high = min(room * share * room_share * stage.ground.size, limit)
    return high / tallest, wide * stage.width / total


def _start(stage: Stage, total: float, units: Sequence[Unit], *, is_aside: bool) -> float:
    """Where the row begins."""
    dice = stage.dice.named("start")
    free, count = stage.width - total, len(units)
    middle = 0.5 + dice.between(-0.05, 0.05)
    if stage.share < 1 or (count == 1 and (is_aside or stage.width > 1.25 * stage.height)):
        middle = dice.pick((0.36, 0.64))
    pointed = side(stage.wish, units[0].root, stage.apart_from(units[0].root)) if count == 1 else 0
    middle = 0.5 + 0.23 * pointed if pointed else middle
    return min(max(stage.width * middle - total / 2, min(free / 2, MARGIN * stage.width)),
               max(free / 2, free - MARGIN * stage.width))  # fmt: skip
