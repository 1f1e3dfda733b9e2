"""Groups of pictures that stand together: a thing with what it wears, holds, carries and rides.

A unit is built in metres around the middle of its lower edge, x to the right and y upwards. What is attached keeps its
place relative to its carrier, whatever the size of the picture.
"""

import math
from dataclasses import dataclass, field, replace
from typing import Final

from easel.engines.sketch.composing.dice import Dice
from easel.engines.sketch.pictures.library import CROWDS, PEOPLE, TONES, Library, Picture, untoned
from easel.engines.sketch.reading.wish import Relation, Thing, Wish

SIZES: Final = {"big": 1.45, "small": 0.62}
HEIGHT_POWER: Final = 0.36
"""How far real heights are brought nearer to one another: a house of 5 m is 1.8 times as high as a man."""
SMALL_POWER: Final = 0.55
"""The same for what is smaller than a metre."""
CLOTHES: Final = ("#e0533f", "#3f7fd0", "#3fa66a", "#f0a93a", "#8a5fc0", "#e07aa5", "#2f9aa0", "#f2f0ea", "#4a4f63")
TROUSERS: Final = ("#3f4a6b", "#5a4a42", "#2f3440", "#6b7a8f", "#7a6a4a")
ATTACHED_MAX: Final = 12
"""So many of one thing are carried at most."""
HELD_MAX_M: Final = 1.0
HEAD: Final = (-0.3, 0.97, 0.36)
"""Where a head is if its picture's traits do not say it."""


@dataclass(frozen=True, slots=True)
class Part:
    """One picture of a unit: its middle, its lower edge and its height in metres."""

    picture: Picture
    thing: int
    x: float
    y: float
    height: float
    colour: str | None = None
    is_mirrored: bool = False
    clothes: str = "#3f7fd0"
    trousers: str = "#3f4a6b"
    on_ground: bool = True

    @property
    def width(self) -> float:
        """Its width in metres."""
        return self.height * self.picture.width / self.picture.height


@dataclass(slots=True)
class Unit:
    """Parts from back to front. The first named thing is its root."""

    root: int
    parts: list[Part] = field(default_factory=list)

    @property
    def left(self) -> float:
        """Its left edge."""
        return min(part.x - part.width / 2 for part in self.parts)

    @property
    def right(self) -> float:
        """Its right edge."""
        return max(part.x + part.width / 2 for part in self.parts)

    @property
    def top(self) -> float:
        """Its height."""
        return max(part.y + part.height for part in self.parts)

    @property
    def base(self) -> Part:
        """The part that stands for the unit."""
        return next(part for part in self.parts if part.thing == self.root)

    def scaled(self, factor: float) -> "Unit":
        """The same unit, larger or smaller."""
        return Unit(
            self.root,
            [replace(one, x=one.x * factor, y=one.y * factor, height=one.height * factor) for one in self.parts],
        )

    def mirrored(self) -> "Unit":
        """The same unit seen from the other side."""
        return Unit(self.root, [replace(part, x=-part.x, is_mirrored=not part.is_mirrored) for part in self.parts])


class UnitBuilder:
    """Builds the units of a wish."""

    def __init__(self, wish: Wish, library: Library, dice: Dice) -> None:
        self._wish = wish
        self._library = library
        self._dice = dice
        self._attached = attachments(wish, library)

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
        self._attach(unit, part, dice)
        return unit

    def part(self, thing: int, number: int, dice: Dice) -> Part:
        """One picture of a thing, standing at the middle."""
        asked = self._wish.things[thing]
        name = self._name(asked, number, dice)
        clothes, trousers = dice.pick(CLOTHES), dice.pick(TROUSERS)
        picture = self._library.picture(name, clothes, trousers)
        return Part(picture, thing, 0.0, 0.0, drawn_height(picture, asked), asked.colour, False, clothes, trousers)

    def _name(self, asked: Thing, number: int, dice: Dice) -> str:
        name = asked.picture
        if name in CROWDS:
            name = CROWDS[name][number % len(CROWDS[name])]
        if name == "bird":
            return name
        is_person = (
            name in PEOPLE
            or self._library.traits(name).stance == "bust"
            or name.startswith(("man-", "woman-", "person-"))
        )
        return self._library.toned(name, dice.pick(TONES)) if is_person else name

    def _attach(self, unit: Unit, carrier: Part, dice: Dice) -> None:
        """Attach what belongs to a carrier, those of a kind side by side, and to these what belongs to them."""
        attached = self._attached.get(carrier.thing, [])
        for kind in dict.fromkeys(kind for _, kind in attached):
            members = [
                (child, number)
                for child, of_child in attached
                if of_child == kind
                for number in range(min(self._wish.things[child].count, ATTACHED_MAX))
            ]
            for place, (child, number) in enumerate(members):
                part = self.part(child, number, dice.named(f"part {child} {number}"))
                share = carrier.width / len(members)
                if len(members) > 1 and kind in ("on", "inside", "under") and part.width > share * 1.15:
                    part = replace(part, height=part.height * share * 1.15 / part.width)
                side = (place - (len(members) - 1) / 2) * share * 0.92
                part = replace(part, x=carrier.x + (0.0 if kind == "wearing" else side), on_ground=False)
                current = next(one for one in unit.parts if one.thing == carrier.thing)
                _ATTACH[kind](unit, current, part, place)
                if number == 0:
                    self._attach(unit, next(one for one in unit.parts if one.thing == child), dice)


def drawn_height(picture: Picture, asked: Thing) -> float:
    """How tall a thing is drawn, in metres of the scene."""
    height_m = picture.traits.height_m
    power = HEIGHT_POWER if height_m > 1 else SMALL_POWER
    return math.pow(height_m, power) * SIZES.get(asked.size or "", 1.0)


def attachments(wish: Wish, library: Library) -> dict[int, list[tuple[int, str]]]:
    """For each thing what is attached to it, and how. A thing is attached to one other at most, and never in a ring."""
    found: dict[int, list[tuple[int, str]]] = {}
    carriers: dict[int, int] = {}
    for relation in wish.relations:
        pair = _pair(relation, wish, library)
        if pair is None:
            continue
        carrier, child, kind = pair
        if child in carriers or carrier == child or _leads_to(carriers, carrier, child):
            continue
        carriers[child] = carrier
        found.setdefault(carrier, []).append((child, kind))
    return found


def _leads_to(carriers: dict[int, int], start: int, end: int) -> bool:
    while start in carriers:
        start = carriers[start]
        if start == end:
            return True
    return False


def _pair(relation: Relation, wish: Wish, library: Library) -> tuple[int, int, str] | None:
    subject, other = relation.subject, relation.other
    if other is None:
        return None
    name, kind = wish.things[other].picture, relation.kind
    traits = library.traits(name)
    if kind == "wearing" or (traits.worn is not None and kind in ("inside", "with")):
        return subject, other, "wearing"
    if kind == "holding" and ("held-high" in traits.marks or traits.height_m <= HELD_MAX_M):
        return subject, other, "holding"
    if kind == "with" and _is_held(subject, other, wish, library):
        return subject, other, "holding"
    return (other, subject, kind) if _carries(kind, name, library) else None


def _carries(kind: str, name: str, library: Library) -> bool:
    """Whether a thing carries another one in this relation."""
    if kind in ("on", "under"):
        return library.traits(name).stance not in ("flies", "sky", "deep") or "covers" in library.traits(name).marks
    return kind in ("riding", "inside") or (kind == "above" and library.traits(name).stance != "sky")


def _is_person(part: Part) -> bool:
    return untoned(part.picture.name) in PEOPLE


def _is_held(subject: int, other: int, wish: Wish, library: Library) -> bool:
    carrier = library.traits(wish.things[subject].picture)
    held = library.traits(wish.things[other].picture)
    return ("held-high" in held.marks or held.stance == "small") and carrier.stance in ("stands", "head", "bust") and (
        carrier.height_m > 1 and "covers" not in carrier.marks
    )  # fmt: skip


def _on(unit: Unit, carrier: Part, part: Part, _place: int) -> None:
    share = carrier.picture.traits.seat or 0.97
    part = replace(part, y=carrier.y + carrier.height * share)
    if part.width > carrier.width * 0.9:
        part = replace(part, height=part.height * carrier.width * 0.9 / part.width)
    unit.parts.append(part)


def _riding(unit: Unit, carrier: Part, part: Part, _place: int) -> None:
    share = carrier.picture.traits.seat or 0.78
    height = min(part.height, carrier.height * 0.95)
    is_bust = part.picture.traits.stance == "bust"
    sunk = 0.1 if is_bust else (0.42 if _is_person(part) else 0.08)
    part = replace(part, height=height, y=carrier.y + carrier.height * share - height * sunk)
    at = unit.parts.index(carrier)
    unit.parts.insert(at if sunk > 0.08 else at + 1, part)


def _inside(unit: Unit, carrier: Part, part: Part, _place: int) -> None:
    height = min(part.height, carrier.height * 1.05)
    if height * part.picture.width / part.picture.height > carrier.width * 0.72:
        height = carrier.width * 0.72 * part.picture.height / part.picture.width
    seat = carrier.picture.traits.seat
    floor = carrier.height * 0.9 - height * 0.42 if seat is None else carrier.height * seat - height * 0.2
    part = replace(part, height=height, y=carrier.y + floor)
    unit.parts.insert(unit.parts.index(carrier), part)


def _wearing(unit: Unit, carrier: Part, part: Part, _place: int) -> None:
    worn, wide = part.picture.traits.worn, carrier.width
    head_x, head_top, head_width = _head(carrier)
    if worn == "eyes":
        part = replace(part, x=head_x, height=head_width * 0.86 * part.picture.height / part.picture.width)
        part = replace(part, y=head_top - head_width * 0.66)
    elif worn == "head":
        part = replace(part, x=head_x, height=head_width * 0.92 * part.picture.height / part.picture.width)
        part = replace(part, y=head_top - part.height * 0.22)
    elif worn == "neck":
        part = replace(part, x=head_x, height=head_width * 0.55)
        part = replace(part, y=head_top - head_width * 1.25)
    else:
        part = replace(part, x=carrier.x, height=wide * 0.62, y=carrier.y + carrier.height * 0.22)
    unit.parts.append(part)


def _head(carrier: Part) -> tuple[float, float, float]:
    """The middle, the top and the width of a carrier's head."""
    top = carrier.y + carrier.height
    if carrier.picture.traits.stance == "head":
        return carrier.x - 0.03 * carrier.width, top - 0.03 * carrier.height, carrier.width * 0.82
    if _is_person(carrier):
        return carrier.x, top, carrier.width * 0.78
    if carrier.picture.traits.stance == "bust":
        return carrier.x, top, carrier.width * 0.6
    x, y, wide = carrier.picture.traits.head or HEAD
    x = -x if carrier.is_mirrored else x
    return carrier.x + x * carrier.width, carrier.y + y * carrier.height, carrier.width * wide


def _holding(unit: Unit, carrier: Part, part: Part, place: int) -> None:
    side = -1 if place % 2 else 1
    height = min(part.height, carrier.height * 0.34)
    part = replace(part, height=height, x=carrier.x + side * carrier.width * 0.36, y=carrier.y + carrier.height * 0.16)
    if "held-high" in part.picture.traits.marks:
        part = replace(
            part,
            height=carrier.height * 0.8,
            x=carrier.x + side * carrier.width * 0.42,
            y=carrier.y + carrier.height * 0.32,
        )
        unit.parts.insert(unit.parts.index(carrier), part)
        return
    if _is_person(carrier):
        part = replace(part, x=carrier.x + side * carrier.width * 0.42, y=carrier.y + carrier.height * 0.3)
    unit.parts.append(part)


def _under(unit: Unit, carrier: Part, part: Part, _place: int) -> None:
    """The carrier grows until the other fits below it, and stands behind."""
    at = unit.parts.index(carrier)
    needed = part.height * (2.1 if carrier.picture.name in ("table", "bench", "chair", "bed") else 1.55)
    grown = replace(carrier, height=max(carrier.height, needed))
    unit.parts[at] = grown
    side = carrier.width * 0.24 if "tree" in carrier.picture.name else 0.0
    unit.parts.append(replace(part, x=carrier.x + side, y=carrier.y - 0.02 * grown.height, on_ground=True))


def _above(unit: Unit, carrier: Part, part: Part, _place: int) -> None:
    gap = 0.22 * max(carrier.height, part.height)
    unit.parts.append(replace(part, y=carrier.y + carrier.height + gap))


_ATTACH: Final = {
    "on": _on, "riding": _riding, "inside": _inside, "wearing": _wearing, "holding": _holding, "under": _under,
    "above": _above,
}  # fmt: skip
