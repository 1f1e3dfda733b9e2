"""The picture as a stage: its size, where things stand on it by depth, and how a unit is put there in pixels."""

from dataclasses import dataclass, replace
from typing import Final

from easel.engines.sketch.backgrounds.background import Background
from easel.engines.sketch.composing.dice import Dice
from easel.engines.sketch.composing.scene import Placed
from easel.engines.sketch.composing.unit_builder import UnitBuilder
from easel.engines.sketch.composing.units import Part, Unit
from easel.engines.sketch.pictures.traits import Traits
from easel.engines.sketch.reading.wish import Wish

MARGIN: Final = 0.05
TALL_MIN: Final = 1.35
TALL_RISE: Final = 0.07
"""How far things stand higher in a picture that is twice as high as wide, so that they are nearer to its middle."""
FARTHER_RISE: Final = 0.7
"""How far what swims farther away is moved to the far shore, as a share of the water."""
SMALL_FLIER_M: Final = 0.5
_BESIDE: Final = frozenset({"left", "right", "at-left", "at-right", "between", "behind", "in-front"})


@dataclass(frozen=True, slots=True)
class Stand:
    """Where in the picture a unit is, how large, and how far away."""

    x: float
    y: float
    scale: float
    """Pixels per metre of the scene."""
    depth: float = 0.0
    is_in_air: bool = False
    turn: float = 0.0


@dataclass(frozen=True, slots=True)
class Stage:
    """What all ways to arrange things know."""

    wish: Wish
    ground: Background
    width: float
    height: float
    builder: UnitBuilder
    dice: Dice
    share: float = 1.0
    """How large what stands is, compared with its usual size."""

    @property
    def near(self) -> float:
        """Where the nearest things stand, in pixels from the top."""
        rise = TALL_RISE * max(0.0, min(2.0, self.height / self.width) - 1)
        return (self.ground.near - rise) * self.height

    @property
    def is_tall(self) -> bool:
        """Whether the picture is much higher than wide."""
        return self.height > TALL_MIN * self.width

    def stand(self, depth: float) -> float:
        """The height in the picture where things of this depth stand."""
        far = self.ground.horizon * self.height
        return self.near + (far + 0.02 * self.height - self.near) * depth

    def traits(self, at: int) -> Traits:
        """The traits of the picture that shows a thing."""
        return self.builder.part(at, 0, self.dice.named(f"look {at}")).picture.traits

    def hangs(self, at: int) -> bool:
        """Whether a thing hangs on the wall here."""
        return self.ground.has_wall and "hangs" in self.traits(at).marks

    def is_high(self, at: int) -> bool:
        """Whether a thing is in the air, or floats in the water."""
        stance, surface = self.traits(at).stance, self.ground.surface
        if self._is_aloft(at) and surface != "table":
            return True
        if stance == "flies" and self._stands_beside(at):
            return surface == "air"
        if surface == "air":
            return True
        if surface == "deep" and (stance in ("deep", "swims", "bust") or self.wish.things[at].pose == "swimming"):
            return True
        return stance in ("flies", "sky") and surface != "table"

    def apart_from(self, at: int) -> set[int]:
        """What is in the air if a thing stands, and what stands if it is in the air."""
        return {other for other in self.builder.roots if self.is_high(other) != self.is_high(at)}

    def _is_aloft(self, at: int) -> bool:
        """Whether the prompt says that it flies, or what it carries."""
        flying = {relation.subject for relation in self.wish.relations if relation.kind == "aloft"}
        flying -= {relation.subject for relation in self.wish.relations if relation.kind == "above"}
        return bool(flying) and any(part.thing in flying for part in self.builder.build(at, 0).parts)

    def _stands_beside(self, at: int) -> bool:
        """Whether a small thing that flies is said to be beside something, where it stands then."""
        return self.traits(at).height_m <= SMALL_FLIER_M and any(
            relation.kind in _BESIDE and at in (relation.subject, relation.other) for relation in self.wish.relations
        )

    def put(self, unit: Unit, spot: Stand) -> list[Placed]:
        """The pictures of a unit at a spot."""
        swims = self._swims(unit)
        on_water = (self.ground.surface == "water" or swims) and not spot.is_in_air
        if self.ground.water is not None and swims and not spot.is_in_air:
            y = self.ground.water - FARTHER_RISE * spot.depth * (self.ground.water - self.ground.horizon)
            spot = replace(spot, y=y * self.height, depth=max(spot.depth, 0.2))
        if not on_water and unit.base.sunk and not unit.base.picture.traits.sunk:
            spot = replace(spot, y=spot.y - unit.base.sunk * unit.base.height * spot.scale)
        standing = [part for part in unit.parts if part.on_ground]
        is_bust = bool(standing) and all(part.picture.traits.stance == "bust" for part in standing)
        if is_bust and not spot.is_in_air and spot.depth < 0.3 and self.ground.surface != "water":
            spot = replace(spot, y=self.height + 1)
        return [_placed(part, spot, on_water) for part in unit.parts]

    def _swims(self, unit: Unit) -> bool:
        return self.ground.water is not None and (unit.base.picture.traits.stance == "swims" or unit.base.sunk > 0)


def _placed(part: Part, spot: Stand, on_water: bool) -> Placed:
    placed = Placed(
        picture=part.picture.name,
        thing=part.thing,
        x=spot.x + part.x * spot.scale,
        y=spot.y - part.y * spot.scale,
        height=part.height * spot.scale,
        depth=max(0.0, spot.depth),
        colour=part.colour,
        dyes=part.dyes,
        is_mirrored=part.is_mirrored,
        turn=part.turn + spot.turn,
        has_shadow=part.on_ground and not spot.is_in_air and not on_water,
        has_ripple=part.on_ground and on_water,
        clothes=part.clothes,
        trousers=part.trousers,
        pose=part.pose,
        lift=part.lift * spot.scale,
        sunk=max(part.cut, part.sunk if on_water else part.picture.traits.sunk),
    )
    dips = placed.has_ripple and not placed.sunk
    return replace(placed, y=placed.y + 0.02 * placed.height) if dips else placed
