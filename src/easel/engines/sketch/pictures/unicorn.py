"""A whole unicorn, made of the horse: a white coat, pink hair and a golden horn. The pictures have only its head."""

from typing import Final

from easel.engines.sketch.painting.colour import from_oklab, mapped, oklab
from easel.engines.sketch.painting.markup import circle, down_gradient, line, path
from easel.engines.sketch.pictures.figures import Figure
from easel.engines.sketch.pictures.picture_pack import ID_MARK, Entry

HORSE: Final = "horse"
HAIR_LIGHTNESS: Final = 0.42
"""What is darker and grey on the horse is its hair, its tail and its hoofs."""


def unicorn_body(horse: str, entry: Entry) -> Figure:
    """A unicorn of a horse that looks to the left."""
    horn = f"{ID_MARK}horn"
    left, top, right, low = entry.box
    body = mapped(horse, _fairy)
    body += down_gradient(horn, [(0, "#fff0a8"), (1, "#e8a83a")])
    body += path("M5.6 4.9L2.2 -3.6L8.6 3.4Z", f"url(#{horn})")
    body += line("M4.3 1.6L6.4 1M3.4 -0.7L4.7 -1.1", "#c98a2a", 0.4)
    body += circle(6.1, 7.3, 0.75, "#43325a")
    head = ((8.5 - (left + right) / 2) / (low - top + 5.6), 0.86, 0.26)
    return Figure(body, (left, top - 5.6, right, low), entry.base, head=head)


def _fairy(colour: str) -> str:
    lightness, a, b = oklab(colour)
    chroma = (a * a + b * b) ** 0.5
    if chroma < 0.045 and lightness < HAIR_LIGHTNESS + 0.12:
        return from_oklab((0.62 + 0.5 * lightness * 0.6, 0.13, -0.05))
    if lightness < 0.3:
        return colour
    return from_oklab((min(0.985, 0.8 + 0.3 * lightness), 0.2 * a, 0.2 * b - 0.008))
