"""Bodies for pictures that are only a face, in the look of the faces: soft, round, lit from above."""

from easel.engines.sketch.painting.colour import lighter, mix
from easel.engines.sketch.painting.markup import circle, ellipse, n, path, rect
from easel.engines.sketch.pictures.picture_pack import ID_MARK, Entry

Box = tuple[float, float, float, float]
Made = tuple[str, Box, tuple[float, float]]


def animal_body(head: str, entry: Entry) -> Made:
    """An animal that sits and looks at us."""
    colour = entry.main_colour
    dark, light, belly = lighter(colour, -0.07), lighter(colour, 0.04), mix(lighter(colour, 0.12), "#fff3e0", 0.45)
    coat, front = f"{ID_MARK}coat", f"{ID_MARK}front"
    body = _down(coat, light, dark) + _down(front, belly, mix(belly, colour, 0.35))
    body += path("M23.5 39.5C29 40 31.5 35.5 29.6 31.2C29 29.9 27.2 30.6 27.6 31.9C28.5 35 26.6 36.8 23 36.6Z", dark)
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
    return body, (16 - half, shift_y + scale * top, max(16 + half, 29.8), 41.2), (5.5, 26.5)


def person_body(head: str, entry: Entry, clothes: str, trousers: str, *, is_child: bool) -> Made:
    """A person who stands and looks at us."""
    left, top, right, bottom = entry.box
    scale = 0.52 if is_child else 0.45
    legs = 9.0 if is_child else 14.0
    neck = 17.0
    skin = entry.main_colour if not is_child else "#fcc43b"
    shirt, leg = f"{ID_MARK}shirt", f"{ID_MARK}leg"
    body = _down(shirt, lighter(clothes, 0.03), lighter(clothes, -0.06)) + _down(
        leg, trousers, lighter(trousers, -0.06)
    )
    hip, foot = neck + 13.5, neck + 13.5 + legs
    for side in (-1, 1):
        body += rect(16 + side * 2.6 - 2.2, hip - 2.5, 4.4, legs + 2, f"url(#{leg})", 1.4)
        body += ellipse(16 + side * 3.1, foot, 3.0, 1.5, "#33343f")
    hand = _face_colour(entry, skin)
    for side in (-1, 1):
        body += (
            f'<g transform="translate({n(16 + side * 5.2)} {n(neck + 1.6)}) rotate({n(-side * 11)})">'
            f"{rect(-1.75, 0, 3.5, 11.2, lighter(clothes, -0.05), 1.75)}{circle(0, 11.9, 1.7, hand)}</g>"
        )
    body += path(
        f"M10 {n(neck + 3)}C10 {n(neck + 0.4)} 12 {n(neck - 0.6)} 16 {n(neck - 0.6)}C20 {n(neck - 0.6)} 22 {n(neck + 0.4)} 22 {n(neck + 3)}"
        f"L21.6 {n(hip)}C21.6 {n(hip + 1)} 10.4 {n(hip + 1)} 10.4 {n(hip)}Z",
        f"url(#{shirt})",
    )
    body += ellipse(16, neck - 0.2, 2.5, 1.5, hand)
    shift_x, shift_y = 16 - scale * (left + right) / 2, neck + 0.6 - scale * bottom
    body += f'<g transform="translate({n(shift_x)} {n(shift_y)}) scale({scale})">{head}</g>'
    half = max(8.6, scale * (right - left) / 2)
    return body, (16 - half, shift_y + scale * top, 16 + half, foot + 1.5), (10.0, 22.0)


def _face_colour(entry: Entry, fallback: str) -> str:
    for tone, colour in (
        ("-medium-light", "#e4b693"), ("-medium-dark", "#a56d4a"), ("-light", "#f7d3b5"), ("-medium", "#c78f66"),
        ("-dark", "#6f4a3a"),
    ):  # fmt: skip
        if entry.name.endswith(tone):
            return colour
    return {"robot": "#b8c4d0", "alien": "#b9c4cf"}.get(entry.name, "#fbc12f" if fallback else fallback)


def _down(name: str, top: str, bottom: str) -> str:
    return (
        f'<defs><linearGradient id="{name}" x1="0" y1="0" x2="0" y2="1"><stop offset="0" stop-color="{top}"/>'
        f'<stop offset="1" stop-color="{bottom}"/></linearGradient></defs>'
    )
