"""Arranges units in a picture: rows on the ground, crowds and fields, the sky, the water.

Everything is measured in metres of the scene first and scaled so that it fills the picture well: a single thing stands
near a third of a wide picture and in the middle of a square one; few things stand side by side; many stand in rows that
grow smaller towards the horizon. What is far is painted first.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from easel.engines.sketch.backgrounds.background import Background
from easel.engines.sketch.composing.dice import Dice
from easel.engines.sketch.composing.ordering import SIDEWAYS, in_order, is_mirrorable, side
from easel.engines.sketch.composing.overlaps import Spot, over_one_another
from easel.engines.sketch.composing.scene import Placed
from easel.engines.sketch.composing.spacing import PACKED_MIN, crowd_rows, gaps_between, nearer
from easel.engines.sketch.composing.units import Part, Unit, UnitBuilder
from easel.engines.sketch.reading.wish import Wish

ROW_MAX: Final = 5
"""More of one kind than this stand in rows."""
COUNT_MAX: Final = 60
COUNTED_MAX: Final = 15
"""Up to this many one counts, so each is fully in the picture and mostly to be seen."""
FAR_SCALE: Final = 0.34
ALONE: Final = {"small": 0.78, "big": 1.12}
"""How much of its usual size a thing has that is alone and said to be small or big."""
SIDE_SHARE: Final = 0.34
"""What is not wider than this in the sky is at a side of it, so that nothing stands before it."""
SMALL_FLIER_M: Final = 0.5
_BESIDE: Final = frozenset({"left", "right", "at-left", "at-right", "between", "behind", "in-front"})
MARGIN: Final = 0.05


class Arrangement:
    """The arrangement of one wish before one background."""

    def __init__(
        self, wish: Wish, ground: Background, width_px: int, height_px: int, builder: UnitBuilder, dice: Dice
    ) -> None:
        self._wish = wish
        self._ground = ground
        self._width = float(width_px)
        self._height = float(height_px)
        self._builder = builder
        self._dice = dice

    def placed(self) -> Iterator[Placed]:
        """Everything, from back to front."""
        roots = self._builder.roots
        high = [at for at in roots if self._is_high(at)]
        low = [at for at in roots if at not in high]
        yield from sorted(self._in_the_air(high, alone=not low), key=lambda one: -one.depth)
        crowds = [at for at in low if self._wish.things[at].count > ROW_MAX]
        few = [at for at in low if at not in crowds]
        standing: list[Placed] = []
        for number, at in enumerate(crowds):
            standing += self._crowd(at, number, len(crowds), has_front=bool(few))
        standing += self._row(few, has_crowd=bool(crowds))
        yield from sorted(standing, key=lambda one: -one.depth)

    def _is_high(self, at: int) -> bool:
        stance = self._traits(at)
        if self._is_aloft(at) and self._ground.surface != "table":
            return True
        if stance == "flies" and self._stands_beside(at):
            return self._ground.surface == "air"
        if self._ground.surface == "air":
            return True
        if self._ground.surface == "deep" and stance in ("deep", "swims", "bust"):
            return True
        return stance in ("flies", "sky") and self._ground.surface != "table"

    def _far_from(self, at: int) -> set[int]:
        """What is in the air if a thing stands, and what stands if it is in the air."""
        return {other for other in self._builder.roots if self._is_high(other) != self._is_high(at)}

    def _is_aloft(self, at: int) -> bool:
        """Whether the prompt says that it flies, or what it carries."""
        flying = {relation.subject for relation in self._wish.relations if relation.kind == "aloft"}
        flying -= {relation.subject for relation in self._wish.relations if relation.kind == "above"}
        return bool(flying) and any(part.thing in flying for part in self._builder.build(at, 0).parts)

    def _stands_beside(self, at: int) -> bool:
        """Whether a small thing that flies is said to be beside something, where it stands then."""
        height_m = self._builder.part(at, 0, self._dice.named(f"look {at}")).picture.traits.height_m
        return height_m <= SMALL_FLIER_M and any(
            relation.kind in _BESIDE and at in (relation.subject, relation.other) for relation in self._wish.relations
        )

    def _traits(self, at: int) -> str:
        return self._builder.part(at, 0, self._dice.named(f"look {at}")).picture.traits.stance

    # -- on the ground --------------------------------------------------------------------------------------------

    def _row(self, things: Sequence[int], *, has_crowd: bool) -> list[Placed]:
        """Few things side by side, in the order that the relations ask for."""
        if not things:
            return []
        units = nearer(self._faced(self._ordered(things)))
        back = [unit for unit in units if self._is_behind(unit)]
        front = [unit for unit in units if not self._is_behind(unit)] or back
        has_back = bool(back) and front is not back
        gaps = gaps_between(front)
        scale = self._scale(front, sum(gaps), has_crowd) * (0.8 if has_back else 1.0)
        total = sum(unit.right - unit.left for unit in front) + sum(gaps)
        x = self._start(total * scale, front)
        if has_back:
            shift = self._dice.named("aside").pick((-1, 1)) * 0.16 * self._width
            x = min(max(x + shift, 0.02 * self._width), 0.98 * self._width - total * scale)
        placed: list[Placed] = []
        middles: dict[int, tuple[float, float]] = {}
        for number, unit in enumerate(front):
            wide = (unit.right - unit.left) * scale
            depth = self._row_depth(number, len(front))
            y = self._stand(depth)
            middles[unit.root] = x + wide / 2, wide / 2
            size = scale * (1 - 0.25 * depth)
            placed += self._put(unit, x + wide / 2 - (unit.left + unit.right) / 2 * size, y, size, depth)
            x += wide + gaps[number] * scale
        if has_back:
            placed += self._behind(back, middles, scale)
        return placed

    def _behind(self, units: Sequence[Unit], middles: dict[int, tuple[float, float]], scale: float) -> list[Placed]:
        """Units that stand behind others: higher in the picture, and beside them so far that they can be seen."""
        placed = []
        for number, unit in enumerate(units):
            middle, reach = middles.get(self._hider(unit), (self._width / 2, 0.0))
            far = scale * (0.95 if unit.base.picture.traits.height_m > 2.5 else 0.82)
            far *= min(
                1.0, 0.86 * self._stand(0.4) / (unit.top * far), 0.6 * self._width / ((unit.right - unit.left) * far)
            )
            half = (unit.right - unit.left) * far / 2
            side = 1 if middle < self._width / 2 else -1
            side = side if number % 2 == 0 else -side
            x = middle + side * max(0.7 * reach + 0.62 * half, reach + 0.1 * half)
            x = min(max(x, half + MARGIN * self._width), self._width - half - MARGIN * self._width)
            placed += self._put(unit, x - (unit.left + unit.right) / 2 * far, self._stand(0.4), far, 0.4)
        return placed

    def _hider(self, unit: Unit) -> int:
        """The thing that a unit stands behind."""
        for relation in self._wish.relations:
            if relation.kind == "behind" and relation.subject == unit.root and relation.other is not None:
                return relation.other
            if relation.kind == "in-front" and relation.other == unit.root:
                return relation.subject
        return -1

    def _is_behind(self, unit: Unit) -> bool:
        return any(
            (relation.kind == "behind" and relation.subject == unit.root)
            or (relation.kind == "in-front" and relation.other == unit.root)
            for relation in self._wish.relations
        )

    def _ordered(self, things: Sequence[int]) -> list[Unit]:
        """The units from left to right."""
        order = in_order(self._wish, things, COUNT_MAX)
        if is_mirrorable(self._wish) and self._dice.named("order").chance(0.5):
            order = order[::-1]
        seen: Counter[int] = Counter()
        units = []
        for at in order:
            units.append(self._builder.build(at, seen[at]))
            seen[at] += 1
        return units

    def _faced(self, units: list[Unit]) -> list[Unit]:
        """Units turned by chance, but towards each other where one looks at the other."""
        dice = self._dice.named("facing")
        turned = [unit.mirrored() if dice.chance(0.5) else unit for unit in units]
        for relation in self._wish.relations:
            if relation.kind not in ("looking", "next") or relation.other is None:
                continue
            at = {unit.root: number for number, unit in enumerate(units)}
            if relation.subject in at and relation.other in at:
                first, second = sorted((at[relation.subject], at[relation.other]))
                turned[first], turned[second] = units[first].mirrored(), units[second]
        return turned

    def _scale(self, units: Sequence[Unit], gaps: float, has_crowd: bool) -> float:
        """Pixels per metre of the scene."""
        total = sum(unit.right - unit.left for unit in units) + gaps
        tallest = max(unit.top for unit in units)
        room = self._ground.near * self._height - 0.07 * self._height
        share = {1: 0.84, 2: 0.8, 3: 0.78}.get(len(units), 0.74) * (0.62 if has_crowd else 1.0)
        if self._ground.surface == "table":
            share *= 0.86
        size = ALONE.get(self._wish.things[units[0].root].size or "", 1.0) if len(units) == 1 else 1.0
        share, wide = share * size, {1: 0.72, 2: 0.86}.get(len(units), 0.9) * size
        limit = 0.62 * max(self._height, self._width) * size if len(units) == 1 else self._height
        return min(room * share * self._ground.size, limit) / tallest if total <= 0 else min(
            room * share * self._ground.size / tallest, wide * self._width / total, limit / tallest
        )  # fmt: skip

    def _start(self, total: float, units: Sequence[Unit]) -> float:
        """Where the row begins."""
        dice = self._dice.named("start")
        free, count = self._width - total, len(units)
        middle = 0.5 + dice.between(-0.05, 0.05)
        if count == 1 and self._width > 1.25 * self._height:
            middle = dice.pick((0.36, 0.64))
        pointed = side(self._wish, units[0].root, self._far_from(units[0].root)) if count == 1 else 0
        middle = 0.5 + 0.23 * pointed if pointed else middle
        return min(max(self._width * middle - total / 2, min(free / 2, MARGIN * self._width)),
                   max(free / 2, free - MARGIN * self._width))  # fmt: skip

    def _row_depth(self, number: int, count: int) -> float:
        if count >= PACKED_MIN:
            return 0.0 if number % 2 else 0.4
        return 0.0 if count == 1 else (0.05, 0.0, 0.08)[number % 3]

    def _stand(self, depth: float) -> float:
        """The height in the picture where things of this depth stand."""
        near, far = self._ground.near * self._height, self._ground.horizon * self._height
        return near + (far + 0.02 * self._height - near) * depth

    # -- many -----------------------------------------------------------------------------------------------------

    def _crowd(self, at: int, number: int, crowds: int, *, has_front: bool) -> list[Placed]:
        """Many of one thing in rows that recede, in the part of the width that is theirs."""
        count = min(self._wish.things[at].count, COUNT_MAX)
        dice = self._dice.named(f"crowd {at}")
        sample = self._builder.build(at, 0)
        left, right = self._width * number / crowds, self._width * (number + 1) / crowds
        rows = (
            self._counted_rows(count, right - left, sample)
            if count <= COUNTED_MAX
            else crowd_rows(count, (right - left) / self._height, sample)
        )
        near = 0.5 if has_front else 0.0
        far = 0.9 if count > COUNTED_MAX else 0.7
        placed: list[Placed] = []
        for row, columns in enumerate(rows):
            depth = far - (far - near) * row / max(1, len(rows) - 1) if len(rows) > 1 else near
            cell = (right - left) * 1.1 / columns
            if count <= COUNTED_MAX:
                cell = self._counted_cell(right - left, rows)
            scale = self._crowd_scale(sample, cell, depth, len(rows), is_counted=count <= COUNTED_MAX)
            for column in range(columns):
                unit = self._builder.build(at, len(placed))
                unit = unit.mirrored() if dice.chance(0.5) else unit
                shift = 0.5 + (0.0 if len(rows) == 1 else 0.25 if (row + columns) % 2 else -0.25)
                x = (left + right) / 2 + (column + shift + dice.between(-0.07, 0.07) - columns / 2) * cell
                jitter = dice.between(-0.02, 0.02)
                y, size = self._stand(depth + jitter), scale * dice.between(0.92, 1.0)
                placed += self._put(unit, x - (unit.left + unit.right) / 2 * size, y, size, depth + jitter)
        return placed

    def _counted_rows(self, count: int, wide: float, sample: Unit) -> list[int]:
        """As many rows as let the things be largest, the farthest first."""
        sizes = {}
        for rows in (1, 2, 3):
            columns = -(-count // rows)
            cell = self._counted_cell(wide, [columns] * rows)
            sizes[rows] = self._crowd_scale(sample, cell, 0.0, rows, is_counted=True)
        rows = max(sizes, key=lambda number: sizes[number])
        fewest, more = divmod(count, rows)
        return [fewest + (1 if row < more else 0) for row in range(rows)]

    def _counted_cell(self, wide: float, rows: Sequence[int]) -> float:
        """The width that each thing gets, with room for rows that are shifted by half of it."""
        return 0.92 * wide / (max(rows) + (0.5 if len(rows) > 1 else 0.0))

    def _crowd_scale(self, sample: Unit, cell: float, depth: float, rows: int, *, is_counted: bool) -> float:
        """Pixels per metre in a row: what fits into its cell, and leaves those behind to be seen."""
        perspective = 1 - (1 - FAR_SCALE) * depth
        limit = 0.94 * cell / (sample.right - sample.left)
        gap = (self._ground.near - self._ground.horizon) * self._height * 0.7 / max(1, rows - 1)
        tall = min(0.4 * self._height, (2.0 if is_counted else 3.2) * gap) if rows > 1 else 0.45 * self._height
        return min(limit, tall * (0.5 + 0.5 * perspective if is_counted else perspective) / sample.top)

    # -- in the air and in the water ------------------------------------------------------------------------------

    def _in_the_air(self, things: Sequence[int], *, alone: bool) -> list[Placed]:
        """Things that fly, float or shine, spread over the upper part, or over the whole of space and water."""
        units = self._ordered(things)
        if not units:
            return []
        dice = self._dice.named("air")
        floats = self._ground.surface in ("air", "deep")
        top, bottom = (0.1, 0.88) if floats else (0.06, 0.56 if alone else 0.42)
        columns = max(
            1, min(len(units), round((len(units) * self._width / self._height / (bottom - top) / 1.1) ** 0.5))
        )
        if len(units) <= ROW_MAX and any(
            one.kind in SIDEWAYS and one.subject in things for one in self._wish.relations
        ):
            columns = len(units)
        rows = -(-len(units) // columns)
        cell_w, cell_h = self._width * 0.94 / columns, self._height * (bottom - top) / rows
        spots: list[Spot] = []
        for number, unit in enumerate(units):
            row, column = divmod(number, columns)
            in_row = min(columns, len(units) - row * columns)
            size = dice.between(0.88, 1.0) if len(units) > 1 else 1.0
            share = 0.8 if floats or alone else 0.66
            scale = size * min(share * cell_w / (unit.right - unit.left), share * cell_h / unit.top)
            tallest = max(one.top for one in units)
            scale = min(scale, size * share * cell_h / tallest * 1.15)
            if not alone and not floats:
                scale = min(scale, 0.3 * self._height / unit.top)
            pointed = side(self._wish, unit.root, self._far_from(unit.root))
            if pointed:
                scale = min(scale, 0.3 * self._width / (unit.right - unit.left))
            x = self._width / 2 + (column + 0.5 - in_row / 2) * cell_w + dice.between(-0.06, 0.06) * cell_w
            if len(units) == 1 and unit.base.picture.traits.stance == "sky" and not (alone or floats or pointed):
                pointed = dice.pick((-1, 1)) if (unit.right - unit.left) * scale < SIDE_SHARE * self._width else 0
            x = self._width * (0.5 + 0.33 * pointed) if pointed else x
            y = self._height * top + (row + 0.5 + dice.between(-0.05, 0.05)) * cell_h + unit.top * scale / 2
            shown = unit.mirrored() if dice.chance(0.5) and not self._is_ordered(unit.root) else unit
            spots.append(Spot(shown, x, y, scale, self._turn(shown, dice)))
        placed: list[Placed] = []
        for spot in over_one_another(spots, self._wish):
            left = spot.x - (spot.unit.left + spot.unit.right) / 2 * spot.scale
            placed += self._put(spot.unit, left, spot.y, spot.scale, 0.0, in_air=True, turn=spot.turn)
        return placed

    def _is_ordered(self, at: int) -> bool:
        return any(at in (relation.subject, relation.other) for relation in self._wish.relations)

    def _turn(self, unit: Unit, dice: Dice) -> float:
        lean = dice.between(-7, 7)
        return lean if len(unit.parts) == 1 and unit.base.picture.traits.stance not in ("sky", "stands") else 0.0

    # -- one unit ---------------------------------------------------------------------------------------------------

    def _put(
        self, unit: Unit, x: float, y: float, scale: float, depth: float, *, in_air: bool = False, turn: float = 0.0
    ) -> list[Placed]:
        water = self._ground.surface == "water" and not in_air
        if self._ground.water is not None and not in_air and unit.base.picture.traits.stance == "swims":
            y, water, depth = self._ground.water * self._height, True, max(depth, 0.2)
        standing = [part for part in unit.parts if part.on_ground]
        is_bust = all(part.picture.traits.stance == "bust" for part in standing)
        drop = 0.0
        if is_bust and not in_air and depth < 0.3:
            drop = self._height + 1 - y if self._ground.surface != "water" else 0.0
        return [self._one(part, x, y + drop, scale, depth, in_air, turn, water) for part in unit.parts]

    def _one(
        self, part: Part, x: float, y: float, scale: float, depth: float, in_air: bool, turn: float, water: bool
    ) -> Placed:
        placed = Placed(
            picture=part.picture.name,
            thing=part.thing,
            x=x + part.x * scale,
            y=y - part.y * scale,
            height=part.height * scale,
            depth=max(0.0, depth),
            colour=part.colour,
            is_mirrored=part.is_mirrored,
            turn=turn,
            has_shadow=part.on_ground and not in_air and not water,
            has_ripple=part.on_ground and water,
            clothes=part.clothes,
            trousers=part.trousers,
        )
        return replace(placed, y=placed.y + 0.02 * placed.height) if placed.has_ripple else placed
