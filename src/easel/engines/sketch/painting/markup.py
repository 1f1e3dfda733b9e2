"""Small pieces of SVG. Numbers are rounded, so that the same scene is the same text on every machine."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

Point = tuple[float, float]

_HEAD: Final = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'


def n(number: float) -> str:
    """A number with at most two decimals."""
    text = f"{number:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def document(width_px: int, height_px: int, content: str) -> str:
    """A whole document."""
    return f'{_HEAD} width="{width_px}" height="{height_px}" viewBox="0 0 {width_px} {height_px}">{content}</svg>'


class Ids:
    """Ids that are unique in one document."""

    def __init__(self, prefix: str) -> None:
        self._names: Iterator[str] = (f"{prefix}{number}" for number in itertools.count())

    def next(self) -> str:
        """Another id."""
        return next(self._names)


def rect(x: float, y: float, width: float, height: float, fill: str, radius: float = 0, opacity: float = 1) -> str:
    """A rectangle."""
    rounded = f' rx="{n(radius)}"' if radius else ""
    return (
        f'<rect x="{n(x)}" y="{n(y)}" width="{n(width)}" height="{n(height)}" fill="{fill}"{rounded}{_seen(opacity)}/>'
    )


def ellipse(x: float, y: float, rx: float, ry: float, fill: str, opacity: float = 1) -> str:
    """An ellipse."""
    return f'<ellipse cx="{n(x)}" cy="{n(y)}" rx="{n(rx)}" ry="{n(ry)}" fill="{fill}"{_seen(opacity)}/>'


def circle(x: float, y: float, radius: float, fill: str, opacity: float = 1) -> str:
    """A circle."""
    return f'<circle cx="{n(x)}" cy="{n(y)}" r="{n(radius)}" fill="{fill}"{_seen(opacity)}/>'


def polygon(points: Iterable[Point], fill: str, opacity: float = 1) -> str:
    """A closed shape with straight sides."""
    listed = " ".join(f"{n(x)},{n(y)}" for x, y in points)
    return f'<polygon points="{listed}" fill="{fill}"{_seen(opacity)}/>'


def path(data: str, fill: str, opacity: float = 1) -> str:
    """A filled path."""
    return f'<path d="{data}" fill="{fill}"{_seen(opacity)}/>'


def line(data: str, stroke: str, width: float, opacity: float = 1) -> str:
    """A stroked path with round ends."""
    return (
        f'<path d="{data}" fill="none" stroke="{stroke}" stroke-width="{n(width)}" stroke-linecap="round"'
        f' stroke-linejoin="round"{_seen(opacity)}/>'
    )


def smooth(points: Sequence[Point]) -> str:
    """The data of a smooth curve through points (Catmull and Rom, as Bézier curves)."""
    data = [f"M{n(points[0][0])} {n(points[0][1])}"]
    for at in range(len(points) - 1):
        before, start = points[max(0, at - 1)], points[at]
        end, after = points[at + 1], points[min(len(points) - 1, at + 2)]
        first = start[0] + (end[0] - before[0]) / 6, start[1] + (end[1] - before[1]) / 6
        second = end[0] - (after[0] - start[0]) / 6, end[1] - (after[1] - start[1]) / 6
        data.append(f"C{n(first[0])} {n(first[1])} {n(second[0])} {n(second[1])} {n(end[0])} {n(end[1])}")
    return "".join(data)


def down_gradient(name: str, stops: Sequence[tuple[float, str]]) -> str:
    """The definition of a gradient from top to bottom of what it fills."""
    return f'<defs><linearGradient id="{name}" x1="0" y1="0" x2="0" y2="1">{_stops(stops)}</linearGradient></defs>'


def round_gradient(name: str, stops: Sequence[tuple[float, str, float]]) -> str:
    """The definition of a gradient from the middle outwards: offset, colour, opacity."""
    listed = "".join(
        f'<stop offset="{n(offset)}" stop-color="{colour}" stop-opacity="{n(opacity)}"/>'
        for offset, colour, opacity in stops
    )
    return f'<defs><radialGradient id="{name}">{listed}</radialGradient></defs>'


def _stops(stops: Sequence[tuple[float, str]]) -> str:
    return "".join(f'<stop offset="{n(offset)}" stop-color="{colour}"/>' for offset, colour in stops)


def _seen(opacity: float) -> str:
    return "" if opacity >= 1 else f' opacity="{n(opacity)}"'
