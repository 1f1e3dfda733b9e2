"""Bodies for pictures that are only a face, in the look of the faces: soft, round, lit from above."""

from dataclasses import dataclass
from typing import Final

from easel.engines.sketch.painting.colour import lighter, mix
from easel.engines.sketch.painting.markup import Point, circle, ellipse, line, n, path, rect
from easel.engines.sketch.pictures.bodies import BODIES, Body, Limb
from easel.engines.sketch.pictures.picture_pack import ID_MARK, Entry

Box = tuple[float, float, float, float]
Box3 = tuple[float, float, float]
NECK: Final = 17.0
HIP: Final = 30.5
LEG: Final = 14.0
CHILD_LEG: Final = 9.0
_SKINS: Final = (
    ("-medium-light", "#e4b693"), ("-medium-dark", "#a56d4a"), ("-light", "#f7d3b5"), ("-medium", "#c78f66"),
    ("-dark", "#6f4a3a"),
)  # fmt: skip
_OTHER_SKINS: Final = {"robot": "#b8c4d0", "alien": "#b9c4cf"}


@dataclass(frozen=True, slots=True)
class Figure:
    """A face with its body."""

    body: str
    box: Box
    base: tuple[float, float]
    grip: Point | None = None
    """Where its hand holds something: to the right of its middle and above its lower edge, as shares of its height."""
    sits: float = 0.0
    """How much of its height hangs down from what it sits on."""
    lifted: float = 0.0
    """How far it is above the ground, as a share of its height."""
    head: Box3 | None = None
    """Its head: to the right of its middle, its top above the lower edge, and its width, as shares of its height."""


def animal_body(head: str, entry: Entry, colour: str, *, has_tail: bool = True) -> Figure:
    """An animal that sits and looks at us."""
    dark, light, belly = lighter(colour, -0.07), lighter(colour, 0.04), mix(lighter(colour, 0.12), "#fff3e0", 0.45)
    coat, front = f"{ID_MARK}coat", f"{ID_MARK}front"
    body = _down(coat, light, dark) + _down(front, belly, mix(belly, colour, 0.35))
    if has_tail:
        body += path(
            "M23.5 39.5C29 40 31.5 35.5 29.6 31.2C29 29.9 27.2 30.6 27.6 31.9C28.5 35 26.6 36.8 23 36.6Z", dark
        )
    body += path(
        "M16 19C9.6 19 7.2 28 7.2 34C7.2 39 10.5 41 16 41C21.5 41 24.8 39 24.8 34C24.8 28 22.4 19 16 19Z",
        f"url(#{coat})",
    )
    body += ellipse(16, 33.2, 5.2, 6.6, f"url(#{front})")
    for side in (-1, 1):
        body += ellipse(16 + side * 7.2, 38.6, 3.5, 2.5, dark)
        body += ellipse(16 + side * 6.9, 39.0, 2.3, 1.5, light)
        body += rect(16 + side * 3.3 - 1.5, 28.5, 3, 12.2, f"url(#{coat})", 1.5)
        body += ellipse(16 + side * 3.3, 40, 2.1, 1.2, light)
    scale = 0.82
    left, top, right, bottom = entry.box
    shift_x, shift_y = 16 - scale * (left + right) / 2, 25.4 - scale * bottom
    body += f'<g transform="translate({n(shift_x)} {n(shift_y)}) scale({scale})">{head}</g>'
    half = max(10.5, scale * (right - left) / 2)
    high, low, outer = shift_y + scale * top, 41.2, max(16 + half, 29.8)
    tall = low - high
    inner = 16 - (16 - half + outer) / 2
    head_box = inner / tall, 0.97, 0.82 * scale * (right - left) / tall
    return Figure(body, (16 - half, high, outer, low), (5.5, 26.5), head=head_box)


def lying_body(head: str, entry: Entry, colour: str) -> Figure:
    """An animal that lies curled up, its head on its paws."""
    dark, light, belly = lighter(colour, -0.07), lighter(colour, 0.04), mix(lighter(colour, 0.12), "#fff3e0", 0.45)
    coat = f"{ID_MARK}coat"
    body = _down(coat, light, dark)
    body += path(
        "M8 31C5 20 14 11.5 26 11.5C38 11.5 44.5 19 44.5 25C44.5 30.5 40 32 34 32H12C10 32 8.6 31.8 8 31Z",
        f"url(#{coat})",
    )
    body += ellipse(35, 25.5, 8.5, 6.6, dark, 0.35) + ellipse(35.4, 25.2, 7.8, 6.2, f"url(#{coat})")
    body += path(
        "M44 24C47.5 29 43.5 33.2 36 33.2H19C16.4 33.2 16.4 29.9 19 29.9H35C40 29.9 41.4 27.6 40.4 24.6Z", dark
    )
    body += ellipse(20.5, 31.2, 3.4, 1.9, light) + ellipse(9.5, 31.4, 3.2, 1.7, belly)
    scale = 0.72
    left, top, right, bottom = entry.box
    shift_x, shift_y = 13.5 - scale * (left + right) / 2, 31.6 - scale * bottom
    body += f'<g transform="translate({n(shift_x)} {n(shift_y)}) scale({scale})">{head}</g>'
    box = min(5.0, shift_x + scale * left), min(11.5, shift_y + scale * top), 46.2, 33.2
    tall = box[3] - box[1]
    head_box = (
        (13.5 - (box[0] + box[2]) / 2) / tall, (box[3] - shift_y - scale * top) / tall, 0.82 * scale * (right - left) / tall
    )  # fmt: skip
    return Figure(body, box, (6.0, 44.0), head=head_box)


def person_body(
    head: str, entry: Entry, clothes: str, trousers: str, *, is_child: bool, pose: str = "standing"
) -> Figure:
    """A person who looks at us and does something."""
    left, top, right, bottom = entry.box
    told = BODIES[pose]
    scale = 0.52 if is_child else 0.45
    leg = CHILD_LEG if is_child else LEG
    skin = face_colour(entry)
    legs = _legs(told, trousers, leg)
    arms = _arms(told, lighter(clothes, -0.05), skin)
    body = legs + ("" if told.has_arms_in_front else arms) + _torso(clothes, skin)
    body += arms if told.has_arms_in_front else ""
    shift_x, shift_y = 16 - scale * (left + right) / 2, NECK + 0.6 - scale * bottom
    body += f'<g transform="translate({n(shift_x)} {n(shift_y)}) scale({scale})">{head}</g>'
    points = [point for limb in (*told.arms, *told.legs) for point in limb]
    half = max(8.6, scale * (right - left) / 2, max(x for x, _ in points) + 2.2)
    foot = HIP + leg * max(y for limb in told.legs for _, y in limb) + 1.5
    high = min(shift_y + scale * top, NECK + min(y for limb in told.arms for _, y in limb) - 2)
    tall = foot - high
    grip = told.grip[0] / tall, (foot - NECK - told.grip[1]) / tall
    sits = (foot - HIP - 0.6) / tall if told.sits else 0.0
    head_box = 0.0, (foot - shift_y - scale * top) / tall, scale * (right - left) / tall
    return Figure(body, (16 - half, high, 16 + half, foot), (10.0, 22.0), grip, sits, told.lifted, head_box)


def _torso(clothes: str, skin: str) -> str:
    shirt = f"{ID_MARK}shirt"
    return (
        _down(shirt, lighter(clothes, 0.03), lighter(clothes, -0.06))
        + path(
            f"M10 {n(NECK + 3)}C10 {n(NECK + 0.4)} 12 {n(NECK - 0.6)} 16 {n(NECK - 0.6)}C20 {n(NECK - 0.6)} 22 {n(NECK + 0.4)}"
            f" 22 {n(NECK + 3)}L21.6 {n(HIP)}C21.6 {n(HIP + 1)} 10.4 {n(HIP + 1)} 10.4 {n(HIP)}Z",
            f"url(#{shirt})",
        )
        + ellipse(16, NECK - 0.2, 2.5, 1.5, skin)
    )


def _legs(told: Body, trousers: str, leg: float) -> str:
    """The legs: what comes towards us, such as the thighs of who sits, is lighter."""
    painted = ""
    for side, limb in zip((-1, 1), told.legs, strict=True):
        points = [(16 + side * x, HIP + leg * y) for x, y in limb]
        foot_x, foot_y = points[-1]
        painted += line(_through(points), trousers, 4.4)
        painted += ellipse(foot_x + side * 0.4, foot_y - 0.1, 3.0, 1.6, "#33343f")
        if told.sits:
            painted += line(_through(points[:2]), lighter(trousers, 0.06), 5.0)
    return painted


def _arms(told: Body, sleeve: str, skin: str) -> str:
    painted = ""
    for side, limb in zip((-1, 1), told.arms, strict=True):
        points = [(16 + side * x, NECK + y) for x, y in limb]
        painted += line(_through(points), sleeve, 3.6) + circle(*points[-1], 1.85, skin)
    return painted


def _through(points: Limb | list[Point]) -> str:
    return "M" + "L".join(f"{n(x)} {n(y)}" for x, y in points)


def face_colour(entry: Entry) -> str:
    """The colour of a person's skin."""
    toned = (colour for tone, colour in _SKINS if entry.name.endswith(tone))
    return next(toned, _OTHER_SKINS.get(entry.name, "#fbc12f"))


def _down(name: str, top: str, bottom: str) -> str:
    return (
        f'<defs><linearGradient id="{name}" x1="0" y1="0" x2="0" y2="1"><stop offset="0" stop-color="{top}"/>'
        f'<stop offset="1" stop-color="{bottom}"/></linearGradient></defs>'
    )
