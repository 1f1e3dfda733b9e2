"""The lower bodies of people whose pictures end at the chest: cooks, astronauts, kings and all others in their
clothes."""

from typing import Final

from easel.engines.sketch.painting.colour import lighter
from easel.engines.sketch.painting.markup import down_gradient, ellipse, n, path, rect
from easel.engines.sketch.pictures.figures import Figure, face_colour
from easel.engines.sketch.pictures.picture_pack import ID_MARK, Entry

HIP: Final = 5.0
"""From the chest, in units of the picture."""
LEG: Final = 8.5
BELT: Final = 1.5
SHOES: Final = "#33343f"


def uniformed_body(
    bust: str, entry: Entry, coat: str, trousers: str, *, is_busy: bool = False, sits: bool = False
) -> Figure:
    """A person in a coat and trousers, whose upper half is the bust."""
    chest, middle, half = _chest(entry)
    hip, waist = chest + HIP, half * 0.72
    foot = hip + (0.72 if sits else 1.0) * LEG
    leg, knees = f"{ID_MARK}leg", ""
    body = down_gradient(leg, [(0, lighter(trousers, -0.02)), (1, lighter(trousers, -0.07))])
    for side in (-1, 1):
        x, wide = middle + side * half * 0.35, half * 0.3
        shape = f"M{n(x - wide)} {n(hip - 3)}H{n(x + wide)}L{n(x + wide * 0.9)} {n(foot)}H{n(x - wide * 0.9)}Z"
        body += path(shape, f"url(#{leg})") + ellipse(x + side * 0.5, foot, wide * 1.25, 1.7, SHOES)
        knees += ellipse(x + side * 0.3, hip + 1.2, wide * 1.08, 2.5, lighter(trousers, 0.05)) if sits else ""
    hem = (
        f"M{n(middle - waist)} {n(chest - 2.5)}H{n(middle + waist)}L{n(middle + waist * 0.97)} {n(hip + 0.6)}"
        f"Q{n(middle)} {n(hip + 2)} {n(middle - waist * 0.97)} {n(hip + 0.6)}Z"
    )
    body += _cloth(hem, coat) + knees + _belt(coat, chest, middle, waist) + _hands(entry, chest, middle, half, is_busy)
    return _figure(body + bust, entry, foot + 1.7, (middle - waist, middle + waist), foot - hip if sits else 0.0)


def robed_body(bust: str, entry: Entry, robe: str, *, is_busy: bool = False, sits: bool = False) -> Figure:
    """A person in a robe or a long dress, whose upper half is the bust."""
    chest, middle, half = _chest(entry)
    foot, waist, low = chest + HIP + (0.6 if sits else 1.0) * LEG, half * 0.72, half * 1.1
    body = "".join(ellipse(middle + side * half * 0.36, foot, half * 0.34, 1.6, SHOES) for side in (-1, 1))
    skirt = (
        f"M{n(middle - waist)} {n(chest - 2.5)}H{n(middle + waist)}C{n(middle + waist)} {n(chest + 4)} {n(middle + low)}"
        f" {n(chest + 8)} {n(middle + low)} {n(foot - 1)}C{n(middle + half * 0.5)} {n(foot + 1.2)} {n(middle - half * 0.5)}"
        f" {n(foot + 1.2)} {n(middle - low)} {n(foot - 1)}C{n(middle - low)} {n(chest + 8)} {n(middle - waist)} {n(chest + 4)}"
        f" {n(middle - waist)} {n(chest - 2.5)}Z"
    )
    body += _cloth(skirt, robe)
    for side in (-0.45, 0.1, 0.55):
        x = middle + side * half
        fold = (
            f"M{n(x)} {n(chest + 4)}C{n(x + side)} {n(chest + 8)} {n(x + side * 3)} {n(foot - 3)} {n(x + side * 3.4)}"
            f" {n(foot - 0.4)}L{n(x + side * 3.4 - 1.1)} {n(foot - 0.4)}Z"
        )
        body += path(fold, lighter(robe, -0.12), 0.5)
    body += _belt(robe, chest, middle, waist) + _hands(entry, chest, middle, half, is_busy)
    return _figure(body + bust, entry, foot + 1.6, (middle - low, middle + low), foot - chest - HIP if sits else 0.0)


def _chest(entry: Entry) -> tuple[float, float, float]:
    """The lower edge of the chest, its middle, and half its width without what is held beside it."""
    left, right = max(entry.box[0], entry.base[0], 4.6), min(entry.box[2], entry.base[1], 27.4)
    return entry.box[3], (left + right) / 2, (right - left) / 2


def _cloth(shape: str, colour: str) -> str:
    name = f"{ID_MARK}coat"
    return down_gradient(name, [(0, lighter(colour, -0.03)), (1, lighter(colour, -0.09))]) + path(
        shape, f"url(#{name})"
    )


def _belt(colour: str, chest: float, middle: float, waist: float) -> str:
    return rect(middle - waist, chest - 0.5, 2 * waist, BELT, lighter(colour, -0.16))


def _hands(entry: Entry, chest: float, middle: float, half: float, is_busy: bool) -> str:
    skin, sides = face_colour(entry), (-1,) if is_busy else (-1, 1)
    return "".join(ellipse(middle + side * half * 0.84, chest + 0.9, half * 0.19, 2.2, skin) for side in sides)


def _figure(body: str, entry: Entry, low: float, base: tuple[float, float], hanging: float) -> Figure:
    left, top, right, chest = entry.box
    tall, middle = low - top, (left + right) / 2
    grip = (base[1] - middle + 1) / tall, (low - chest - 0.5) / tall
    box = min(left, base[0]), top, max(right, base[1]), low
    head = 0.0, 1.0, 0.62 * (base[1] - base[0]) / tall
    return Figure(body, box, base, grip, hanging / tall, head=head)
