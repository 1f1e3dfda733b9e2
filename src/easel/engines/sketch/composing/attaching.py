"""How parts of a unit are attached to their carrier: on its seat, on its head, in its hand, below it and so on.

Each function adds a part to a unit. It may change the carrier, so that somebody who holds something lifts a hand.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from easel.engines.sketch.composing.units import Part, Unit

FACE: Final = "face"
"""The pose in which only a face is seen."""
Repose = Callable[[Part, str], Part]
"""Gives a part another pose, if its picture has limbs that can take it."""
HEAD: Final = (-0.3, 0.97, 0.36)
"""Where a head is if its picture's traits do not say it."""
READ: Final = frozenset({"open-book", "closed-book", "books", "newspaper", "laptop", "scroll", "rolled-up-newspaper"})
"""What is held with both hands."""
MOUTH: Final = (0.42, 0.66)
"""Where the mouth of an animal is that looks to the left: before the middle of its head and below its top, as shares of
the width of the head."""
MOUTHFUL_M: Final = 0.5
"""What is larger than this is not held in a mouth, but stands before the animal."""
BROAD_LEAN: Final = 1.5
"""How much farther flowers lean whose blossoms are broad."""
BROAD_RISE: Final = 0.26
"""How much higher those in the middle are then, as a share of their height."""
STEM_TURN: Final = 46.0
"""How many degrees the outermost flowers of a vase lean to their side."""
VASE_WIDTH: Final = 1.12
"""How wide a single flower in a vase is at most, compared with the vase."""
STEM_IN_VASE: Final = 0.18
ONE_STEM_IN_VASE: Final = 0.27
"""How far the stems of several flowers, and the stem of one, reach down into a vase from its rim, as a share of its
height."""
STEM_LONGER: Final = 0.15
"""How much longer every second stem is, on the same scale."""
FLOWER_WIDTH_MIN: Final = 0.42
"""How wide each of several flowers is at least, compared with the vase."""
UPRIGHT: Final = {"bouquet": 38.0}
"""How many degrees pictures must be turned that do not stand upright."""
FOOD: Final = "Food & Drink"
TOPPING_WIDTH: Final = 0.5
"""How wide food is at most that is on top of other food, compared with that."""
LEGS: Final = 0.36
"""How much of the height of somebody who cannot sit is hidden by what they ride."""
SHOULDER_SHARE: Final = 0.5
SHOULDER_TALL: Final = 0.3
"""What is less than this share of a person's height stands on the shoulder, and how tall it is then at most."""
CANOPY_FROM: Final = 0.52
"""Where the canopy of an umbrella begins, as a share of its height."""
CANOPY_WIDTH: Final = 1.35
"""How wide an umbrella is at least, compared with who is under it."""
HELD_ASIDE: Final = 0.1
"""How far what is held is beside the middle of who holds it, so that the face can be seen."""
LEAP_TURN: Final = -9.0
FURNITURE: Final = frozenset({"table", "bench", "chair", "bed"})


def _on(unit: Unit, carrier: Part, part: Part, place: int, repose: Repose) -> None:
    traits = carrier.picture.traits
    if "deck" in traits.marks:
        repose = _unmoved
    share = traits.seat or 0.97
    is_animal = carrier.picture.category == "Animals & Nature" and traits.head is not None
    if is_animal and traits.seat is not None and "creature" in part.picture.traits.marks and _has_shoulders(part):
        _riding(unit, carrier, part, place, repose)
        return
    if traits.seat is not None:
        part = repose(part, "riding" if is_animal else "sitting")
    part = replace(part, y=carrier.y + carrier.height * share - part.height * part.picture.sits)
    wide = TOPPING_WIDTH if carrier.picture.category == part.picture.category == FOOD else 0.9
    if part.width > carrier.width * wide:
        part = replace(part, height=part.height * carrier.width * wide / part.width)
    if _has_shoulders(carrier) and part.height < SHOULDER_SHARE * carrier.height:
        part = _on_the_shoulder(carrier, part)
    unit.parts.append(part)


def _has_shoulders(carrier: Part) -> bool:
    is_upright = "creature" in carrier.picture.traits.marks and carrier.height > 1.2 * carrier.width
    return carrier.picture.grip is not None or (is_upright and carrier.picture.traits.head is not None)


def _on_the_shoulder(carrier: Part, part: Part) -> Part:
    """What is so small that a person carries it on the shoulder, beside the head."""
    x, top, wide = _head(carrier)
    height = min(part.height, SHOULDER_TALL * carrier.height)
    aside = wide / 2 + 0.32 * height * part.picture.width / part.picture.height
    return replace(part, height=height, x=x + aside, y=top - 0.95 * wide)


def _unmoved(part: Part, _pose: str) -> Part:
    return part


def _riding(unit: Unit, carrier: Part, part: Part, place: int, repose: Repose) -> None:
    if "deck" in carrier.picture.traits.marks:
        _on(unit, carrier, part, place, repose)
        return
    share = carrier.picture.traits.seat or 0.78
    part = repose(part, "riding")
    height = min(part.height, carrier.height * 0.98)
    is_bust = part.picture.traits.stance == "bust"
    cut = LEGS if not part.picture.sits and _has_shoulders(part) and not is_bust else 0.0
    sunk = part.picture.sits or cut or (0.1 if is_bust else 0.08)
    part = replace(part, height=height, y=carrier.y + carrier.height * share - height * sunk, cut=cut)
    at = unit.parts.index(carrier)
    unit.parts.insert(at if is_bust else at + 1, part)


def _inside(unit: Unit, carrier: Part, part: Part, place: int, _repose: Repose) -> None:
    if carrier.picture.traits.window is not None and part.pose == FACE:
        _at_vehicle_window(unit, carrier, part, carrier.picture.traits.window)
        return
    is_vase = carrier.height > carrier.width and "plant" not in carrier.picture.traits.marks
    if is_vase and "plant" in part.picture.traits.marks:
        _in_vase(unit, carrier, part, place)
        return
    height = min(part.height, carrier.height * 1.05)
    if height * part.picture.width / part.picture.height > carrier.width * 0.72:
        height = carrier.width * 0.72 * part.picture.height / part.picture.width
    seat = carrier.picture.traits.seat
    floor = carrier.height * 0.9 - height * 0.34 if seat is None else carrier.height * seat - height * 0.3
    part = replace(part, height=height, y=carrier.y + floor + part.y)
    unit.parts.insert(unit.parts.index(carrier), part)


def _at_vehicle_window(unit: Unit, carrier: Part, part: Part, window: tuple[float, float, float, float]) -> None:
    """A face behind the windows of a vehicle, in the part of them that is its own."""
    left, right, low, tall = window
    middle, wide = (left + right) / 2 * carrier.width, (right - left) * carrier.width
    aside = (part.x - carrier.x) / carrier.width * wide
    height = min(tall * carrier.height, part.height) if part.height > 0 else tall * carrier.height
    x = carrier.x + (-(middle + aside) if carrier.is_mirrored else middle + aside)
    unit.parts.append(replace(part, x=x, y=carrier.y + low * carrier.height, height=height))


def _in_vase(unit: Unit, carrier: Part, part: Part, place: int) -> None:
    """A flower whose stem is in a vase, leaning to its side. Every second one of several is higher and behind."""
    aside = 2 * (part.x - carrier.x) / carrier.width
    is_alone = aside == 0 and place == 0
    is_slim = part.width < 0.8 * part.height
    wide = min(0.74 * carrier.width, max(1.75 * part.width, FLOWER_WIDTH_MIN * carrier.width))
    wide = VASE_WIDTH * carrier.width if is_alone else wide
    height = min(0.92 * carrier.height, wide * part.height / part.width)
    aside *= 1.0 if is_slim else BROAD_LEAN
    lean = math.radians(STEM_TURN * aside)
    long = height / 2 + (STEM_LONGER * carrier.height if place % 2 else 0.0)
    foot = (0.97 - (ONE_STEM_IN_VASE if is_alone else STEM_IN_VASE)) * carrier.height
    x, y = long * math.sin(lean), foot + long * math.cos(lean) - height / 2
    y += 0.0 if is_alone or is_slim else BROAD_RISE * height * (1 - abs(aside))
    turn = UPRIGHT.get(part.picture.name, 0.0) + STEM_TURN * aside
    part = replace(part, height=height, x=carrier.x + x, y=carrier.y + y, turn=turn)
    first = next((at for at, one in enumerate(unit.parts) if one.thing == part.thing), unit.parts.index(carrier))
    unit.parts.insert(first if place % 2 else unit.parts.index(carrier), part)


def _wearing(unit: Unit, carrier: Part, part: Part, _place: int, _repose: Repose) -> None:
    worn, wide = part.picture.traits.worn, carrier.width
    head_x, head_top, head_width = _head(carrier)
    if worn == "eyes":
        part = replace(part, x=head_x, height=head_width * 0.86 * part.picture.height / part.picture.width)
        part = replace(part, y=head_top - head_width * 0.66)
    elif worn == "head":
        hats = sum(one.picture.traits.worn == "head" for one in unit.parts)
        part = replace(part, x=head_x, height=head_width * 0.92 * part.picture.height / part.picture.width)
        part = replace(part, y=head_top - part.height * (0.28 - 0.7 * hats))
    elif part.picture.name == "scarf-around-neck":
        part = replace(part, x=head_x, height=head_width * 0.95 * part.picture.height / part.picture.width)
        part = replace(part, y=head_top - head_width * 0.82 - 0.72 * part.height)
    elif worn == "neck":
        part = replace(part, x=head_x, height=head_width * 0.55)
        part = replace(part, y=head_top - head_width * 1.25)
    else:
        part = replace(part, x=carrier.x, height=wide * 0.62, y=carrier.y + carrier.height * 0.22)
    unit.parts.append(part)


def _head(carrier: Part) -> tuple[float, float, float]:
    """The middle, the top and the width of a carrier's head."""
    top = carrier.y + carrier.height
    picture = carrier.picture
    if picture.head_box is not None:
        x, head_top, wide = picture.head_box
        x = -x if carrier.is_mirrored else x
        return carrier.x + x * carrier.height, carrier.y + head_top * carrier.height, wide * carrier.height
    if picture.traits.stance == "bust":
        return carrier.x, top, carrier.width * 0.6
    x, y, wide = picture.traits.head or HEAD
    x = -x if carrier.is_mirrored else x
    return carrier.x + x * carrier.width, carrier.y + y * carrier.height, carrier.width * wide


def _holding(unit: Unit, carrier: Part, part: Part, place: int, repose: Repose) -> None:
    if carrier.picture.grip is None and carrier.picture.category == "Animals & Nature":
        _in_the_mouth(unit, carrier, part, place)
        return
    is_high, is_read = "held-high" in part.picture.traits.marks, part.picture.name in READ
    is_busy = "busy" in carrier.picture.traits.marks
    side = -1 if (place % 2 == 1) != is_busy else 1
    if place == 0 and carrier.picture.grip is not None:
        posed = repose(carrier, "reading" if is_read else "holding")
        unit.swap(carrier, posed)
        carrier = posed
    right, up = carrier.picture.grip or (0.36 * carrier.width / carrier.height, 0.3)
    x, y = carrier.x + side * right * carrier.height, carrier.y + up * carrier.height
    if is_high:
        part = replace(part, height=max(0.8 * carrier.height, min(part.height, 1.2 * carrier.height)))
        grip_x, grip_y = part.picture.traits.handle or (0.0, 0.0)
        part = replace(part, x=x - side * grip_x * part.width, y=y - grip_y * part.height, is_mirrored=side < 0)
        unit.parts.insert(unit.parts.index(carrier), part)
        return
    height = min(part.height, carrier.height * (0.4 if is_read else 0.36))
    wide = height * part.width / part.height
    x = carrier.x + side * max(side * (x - carrier.x), wide / 2 + HELD_ASIDE * carrier.width)
    x += side * (place // 2) * wide
    low = 0.5 if is_read or not _has_hands(carrier) else 0.3
    unit.parts.append(replace(part, height=height, x=carrier.x if is_read and place == 0 else x, y=y - low * height))


def _in_the_mouth(unit: Unit, carrier: Part, part: Part, place: int) -> None:
    """What an animal holds that is seen from its side: in its mouth, or before its feet if it is large or stands."""
    front = -1.0 if not carrier.is_mirrored else 1.0
    height = min(part.height, 0.42 * carrier.height, 0.42 * carrier.width * part.height / part.width)
    part = replace(part, height=height)
    if place > 0 or part.picture.traits.stance == "stands" or part.picture.traits.height_m > MOUTHFUL_M:
        unit.parts.append(
            replace(
                part,
                x=carrier.x + front * (carrier.width / 2 + (0.3 + 1.05 * place) * part.width),
                y=carrier.y,
                on_ground=True,
            )
        )
        return
    x, top, wide = _head(carrier)
    forward, down = MOUTH
    unit.parts.append(
        replace(part, x=x + front * (forward * wide + 0.2 * part.width), y=top - down * wide - 0.5 * height)
    )


def _has_hands(carrier: Part) -> bool:
    return carrier.picture.grip is not None


def _under(unit: Unit, carrier: Part, part: Part, _place: int, _repose: Repose) -> None:
    """The carrier grows until the other fits below it, and stands behind."""
    if "held-high" in carrier.picture.traits.marks:
        _under_canopy(unit, carrier, part)
        return
    at = unit.parts.index(carrier)
    needed = part.height * (2.1 if carrier.picture.name in FURNITURE else 1.55)
    grown = replace(carrier, height=max(carrier.height, needed))
    unit.parts[at] = grown
    side = carrier.width * 0.24 if "tree" in carrier.picture.name else 0.0
    unit.parts.append(replace(part, x=part.x + side, y=carrier.y - 0.02 * grown.height, on_ground=True))


def _under_canopy(unit: Unit, carrier: Part, part: Part) -> None:
    """Whoever is under an umbrella holds it: it is raised until its handle ends at the middle of them."""
    shape = carrier.picture.height / carrier.picture.width
    height = max(0.9 * part.height, CANOPY_WIDTH * part.width * shape)
    raised = replace(carrier, height=height, y=0.97 * part.height - CANOPY_FROM * height, on_ground=False)
    unit.parts[unit.parts.index(carrier)] = raised
    unit.parts.append(replace(part, y=0.0, on_ground=True))


def _at_window(unit: Unit, carrier: Part, part: Part, _place: int, _repose: Repose) -> None:
    """An animal on the sill, or somebody who stands before the window."""
    if part.picture.grip is None:
        height = min(part.height, 0.55 * carrier.height, 0.7 * carrier.width * part.height / part.width)
        unit.parts.append(
            replace(part, height=height, y=carrier.y + carrier.height * (carrier.picture.traits.seat or 0.0))
        )
        return
    height = min(part.height, 1.3 * carrier.height)
    unit.parts.append(replace(part, height=height, y=carrier.y - 0.55 * height))


def _above(unit: Unit, carrier: Part, part: Part, _place: int, _repose: Repose) -> None:
    if part.leaps:
        part = replace(part, height=max(part.height, 0.62 * carrier.height), turn=LEAP_TURN)
        unit.parts.append(replace(part, y=carrier.y + carrier.height * 0.86))
        return
    gap = 0.12 * max(carrier.height, part.height)
    unit.parts.append(replace(part, y=carrier.y + carrier.height + gap))


Attach = Callable[[Unit, Part, Part, int, Repose], None]
ATTACH: Final[dict[str, Attach]] = {
    "on": _on, "riding": _riding, "inside": _inside, "wearing": _wearing, "holding": _holding, "under": _under,
    "above": _above, "at-window": _at_window,
}  # fmt: skip
"""How each kind of attachment is made."""
