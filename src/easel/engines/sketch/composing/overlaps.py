"""Lets things in the air be before one another, as the relations ask for it: a witch before the moon. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from easel.engines.sketch.composing.units import Unit
from easel.engines.sketch.reading.wish import Wish

FRONT_SHARE: Final = 0.62
"""How high the one in front is at most, compared with the one behind it."""


@dataclass(frozen=True, slots=True)
class Spot:
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


def over_one_another(spots: Sequence[Spot], wish: Wish) -> list[Spot]:
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


def _before(front: Spot, back: Spot, number: int, count: int) -> Spot:
    """One of several in a row that rises and falls over the middle of what is behind them."""
    scale = min(front.scale, FRONT_SHARE * back.height / front.unit.top / math.sqrt(count))
    aside = (number - (count - 1) / 2) * 1.1 * (front.unit.right - front.unit.left) * scale
    middle = back.y - back.height / 2 + (0.3 * front.unit.top * scale if number % 2 else 0.0)
    return replace(front, x=back.x + aside, y=middle + front.unit.top * scale / 2, scale=scale)
