"""Builds the units of a wish: each root thing with all that is attached to it."""

from dataclasses import replace
from typing import Final

from easel.engines.sketch.composing.attaching import ATTACH, FACE
from easel.engines.sketch.composing.belongings import belongings
from easel.engines.sketch.composing.dice import Dice
from easel.engines.sketch.composing.posing import body_pose, marks, posed_part
from easel.engines.sketch.composing.units import Part, Unit, drawn_height, varied
from easel.engines.sketch.painting.colour import NAMED
from easel.engines.sketch.pictures.library import CROWDS, TONES, Library
from easel.engines.sketch.reading.wish import Thing, Wish

CLOTHES: Final = ("#e0533f", "#3f7fd0", "#3fa66a", "#f0a93a", "#8a5fc0", "#e07aa5", "#2f9aa0", "#f2f0ea", "#4a4f63")
TROUSERS: Final = ("#3f4a6b", "#5a4a42", "#2f3440", "#6b7a8f", "#7a6a4a")
ATTACHED_MAX: Final = 15
"""So many of one thing are carried at most."""
HEAP_MIN: Final = 5
"""So many in a vessel lie in two rows, of which the farther one is higher."""
SIDE_BY_SIDE_WIDTH, HEAPED_WIDTH = 1.15, 0.9
"""How wide one of several is at most, compared with its part of the width."""
HEAP_RISE: Final = 0.56
"""How much higher, as a share of the height of what lies there."""
NECK_SCARF: Final = {"scarf": "scarf-around-neck"}
"""What looks otherwise when it is worn."""
SHARED: Final = frozenset({"wearing", "holding", "riding"})
"""What several carriers have each one of, or share."""
SEATED: Final = {"reading": "reading-seated", "holding": "holding-seated"}


class UnitBuilder:
    """Builds the units of a wish."""

    def __init__(self, wish: Wish, library: Library, dice: Dice) -> None:
        self._wish = wish
        self._library = library
        self._dice = dice
        self._attached = belongings(wish, library)

    @property
    def roots(self) -> list[int]:
        """The things that stand by themselves, in the order of the prompt."""
        carried = {child for children in self._attached.values() for child, _ in children}
        return [at for at in range(len(self._wish.things)) if at not in carried]

    def build(self, root: int, number: int) -> Unit:
        """The unit of the `number`th of a root thing."""
        dice = self._dice.named(f"unit {root} {number}")
        part = self.part(root, number, dice)
        unit = Unit(root, [part])
        self._attach(unit, part, dice, number)
        unit = posed_part(unit, self._wish.things[root], self._library)
        for part in list(unit.parts):
            unit.parts += marks(part, self._wish.things[part.thing], self._library)
        return unit

    def part(self, thing: int, number: int, dice: Dice) -> Part:
        """One picture of a thing, standing at the middle."""
        asked = self._wish.things[thing]
        name = self._name(asked, number, dice)
        clothes, trousers = dice.pick(CLOTHES), dice.pick(TROUSERS)
        if asked.colour is not None:
            clothes = NAMED[asked.colour]
        picture = self._library.picture(name, clothes, trousers)
        colour = asked.colour or self._coat(name, dice.named("coat"))
        height, sunk = drawn_height(picture, asked), picture.traits.sunk
        part = Part(
            picture,
            thing,
            0.0,
            -sunk * height,
            height,
            colour,
            asked.dyes,
            clothes=clothes,
            trousers=trousers,
            sunk=sunk,
            leaps=asked.pose == "jumping",
        )
        return self.reposed(part, body_pose(asked, self._library))

    def reposed(self, part: Part, pose: str) -> Part:
        """A part in another pose, if its picture has limbs that can take it, on the same scale."""
        name = part.picture.name
        if part.picture.traits.stance == "head" and pose not in ("lying", FACE):
            return part
        if not (self._library.has_limbs(name) or part.picture.traits.stance == "head"):
            return part
        if part.picture.sits:
            pose = SEATED.get(pose, part.pose)
        picture = self._library.picture(name, part.clothes, part.trousers, pose)
        height = part.height * picture.height / part.picture.height
        return replace(part, picture=picture, pose=pose, height=height)

    def _coat(self, name: str, dice: Dice) -> str | None:
        """A colour that this thing may have if the prompt says none."""
        coats = self._library.traits(name).coats
        coat = dice.pick(coats) if coats else "natural"
        return None if coat == "natural" else coat

    def _name(self, asked: Thing, number: int, dice: Dice) -> str:
        name = varied(asked.picture, number, self._dice.named("members"), CROWDS.get(asked.picture, ()))
        variants = self._library.variants(name)
        name = dice.pick(variants) if variants else name
        return self._library.toned(name, dice.pick(TONES)) if self._library.is_person(name) else name

    def _numbers(self, carrier: int, child: int, kind: str, which: int) -> range:
        """How many of a child the carrier's `which`th has: what is worn is worn by each, what is held by one or
        shared."""
        carriers, children = self._wish.things[carrier].count, self._wish.things[child].count
        if carriers == 1 or kind not in SHARED:
            return range(min(children, ATTACHED_MAX))
        if kind == "wearing":
            return range(1)
        if children < carriers:
            return range(which, min(which + 1, children))
        first, last = which * children // carriers, (which + 1) * children // carriers
        return range(first, min(last, first + ATTACHED_MAX))

    def _attach(self, unit: Unit, carrier: Part, dice: Dice, which: int = 0) -> None:
        """Attach what belongs to a carrier, those of a kind side by side, and to these what belongs to them."""
        attached = self._attached.get(carrier.thing, [])
        for kind in dict.fromkeys(kind for _, kind in attached):
            members = [
                (child, number)
                for child, of_child in attached
                if of_child == kind
                for number in self._numbers(carrier.thing, child, kind, which)
            ]
            for place, (child, number) in enumerate(members):
                part = self.part(child, number, dice.named(f"part {child} {number}"))
                if kind == "wearing" and part.picture.name in NECK_SCARF:
                    part = replace(part, picture=self._library.picture(NECK_SCARF[part.picture.name]))
                is_heaped = kind == "inside" and "plant" not in part.picture.traits.marks
                cell = _cell(place, len(members) if is_heaped else 0)
                column, columns, row = cell or (place, len(members), 0)
                share = carrier.width / columns
                wide = share * (HEAPED_WIDTH if cell else SIDE_BY_SIDE_WIDTH)
                if len(members) > 1 and kind in ("on", "inside", "under") and part.width > wide:
                    part = replace(part, height=part.height * wide / part.width)
                side = (column - (columns - 1) / 2) * share * 0.92
                part = replace(part, x=carrier.x + (0.0 if kind == "wearing" else side), on_ground=False)
                part = replace(part, y=part.y + row * HEAP_RISE * part.height)
                ATTACH[kind](unit, unit.of(carrier.thing), part, place, self.reposed)
                if number == members[0][1]:
                    self._attach(unit, unit.of(child), dice)


def _cell(place: int, count: int) -> tuple[float, float, int] | None:
    """The column, the columns and the row of one of many in a vessel: those of the farther row come first and are seen
    between the others. None if all lie side by side."""
    if count < HEAP_MIN:
        return None
    back = count // 2
    front = count - back
    shift = 0.5 if front == back else 0.0
    first = (front - back) / 2 + shift
    return (first + place, front + shift, 1) if place < back else (place - back, front + shift, 0)
