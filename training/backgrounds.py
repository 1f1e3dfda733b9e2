"""Backgrounds: what kinds there are, how each is called, and the numbers that say how one of them is painted.

A background is a flat vector of numbers (`FIELDS` says which), so that a whole batch is painted by the same tensor
arithmetic. Everything that has an edge lies on the lattice of latent tokens: the same place looks the same wherever it
is, which is what lets a small model learn it.
"""

import random
from dataclasses import dataclass
from typing import Final

from training.words import COLOURS

Rgb = tuple[float, float, float]

CLOUDS_MAX: Final = 2
PEAKS_MAX: Final = 3
STARS_SIDE: Final = 16
"""Stars are switched on and off by lattice cell, in a field of this many cells a side."""

FIELDS: Final = (
    ("sky_top", 3), ("sky_bottom", 3), ("far", 3), ("near", 3), ("water_far", 3), ("water_near", 3),
    ("horizon", 1), ("shore", 1), ("waviness", 1),
    ("disc", 3), ("disc_rgb", 3),
    ("clouds", CLOUDS_MAX * 3), ("cloud_rgb", 3),
    ("peaks", PEAKS_MAX * 2), ("peak_rgb", 3),
    ("stars", 1), ("light", 3),
)  # fmt: skip
"""Lengths are in tokens: `disc` is x, y, radius (0: none); a cloud x, y, opacity; a peak x and height (0: none)."""


@dataclass(frozen=True, slots=True)
class Place:
    """A kind of background: its names, and its colours by day. `water` and `peaks` say what else it has."""

    kind: str
    english: tuple[str, ...]
    chinese: tuple[str, ...]
    far: Rgb = (0, 0, 0)
    near: Rgb = (0, 0, 0)
    horizon: float = 0.6
    """Where the ground begins, as a share of the height."""
    water: bool = False
    peaks: bool = False
    waviness: float = 0.0
    outdoors: bool = True


PLACES: Final = (
    Place("plain", (), ()),
    Place("sky", ("in the sky", "flying in the sky", "in the blue sky"), ("在天空中", "在蓝天上"), horizon=2),
    Place("sea", ("on the sea", "in the ocean", "at sea", "in the water"), ("在海上", "在大海里", "在水里"),
          (0.20, 0.55, 0.80), (0.05, 0.32, 0.62), 0.5),
    Place("beach", ("on a beach", "at the beach", "on the sand", "by the sea"), ("在海滩上", "在沙滩上", "在海边"),
          (0.96, 0.87, 0.66), (0.90, 0.76, 0.50), water=True),
    Place("meadow", ("in a meadow", "on the grass", "in a field", "in the park", "in a garden"),
          ("在草地上", "在田野里", "在公园里"), (0.56, 0.80, 0.36), (0.30, 0.62, 0.22), waviness=0.25),
    Place("desert", ("in the desert", "in a desert"), ("在沙漠里", "在沙漠中"), (0.95, 0.78, 0.48), (0.84, 0.58, 0.30),
          waviness=0.4),
    Place("snow", ("in the snow", "on snow", "in winter"), ("在雪地里", "在雪中", "在冬天"), (0.97, 0.98, 1.0),
          (0.82, 0.88, 0.96), waviness=0.25),
    Place("mountains", ("in the mountains", "in front of mountains", "with mountains in the background"),
          ("在山里", "在群山前"), (0.45, 0.68, 0.38), (0.28, 0.52, 0.26), peaks=True),
    Place("room", ("in a room", "indoors", "at home", "on the floor"), ("在房间里", "在屋里", "在家里"),
          (0.72, 0.50, 0.32), (0.60, 0.39, 0.24), 0.65, outdoors=False),
    Place("space", ("in space", "in outer space", "among the stars"), ("在太空中", "在宇宙里"), horizon=2,
          outdoors=False),
)  # fmt: skip

TIMES: Final = {
    "day": (("in the daytime", "on a sunny day", "in the morning"), ("白天", "晴天")),
    "sunset": (("at sunset", "in the evening", "at dusk"), ("日落时", "傍晚", "黄昏")),
    "night": (("at night", "under the stars", "in the moonlight"), ("夜晚", "晚上", "夜里")),
}

SKIES: Final[dict[str, tuple[Rgb, Rgb, Rgb]]] = {
    "day": ((0.36, 0.66, 0.95), (0.80, 0.92, 1.0), (1.0, 1.0, 1.0)),
    "sunset": ((0.42, 0.30, 0.58), (1.0, 0.62, 0.35), (0.88, 0.68, 0.62)),
    "night": ((0.04, 0.06, 0.18), (0.14, 0.20, 0.42), (0.38, 0.42, 0.62)),
}
"""Sky above, sky at the horizon, and the light that falls on the ground."""

WALLS: Final = ((0.95, 0.88, 0.74), (0.74, 0.86, 0.92), (0.84, 0.90, 0.76), (0.96, 0.82, 0.80))


@dataclass(frozen=True, slots=True)
class Background:
    """One background: what may be said of it, and the numbers to paint it by."""

    place: Place
    time: str
    colour: int
    """The colour of a plain one, as an index of COLOURS; else -1."""
    ground: float
    """How many tokens from the top the ground begins; beyond the picture's height where there is none."""
    numbers: tuple[float, ...]


def pick(rng: random.Random, grid: tuple[int, int]) -> Background:
    """A random background for a picture of `grid` (width, height) tokens."""
    place = PLACES[0] if rng.random() < 0.3 else rng.choice(PLACES[1:])
    if place.kind == "plain":
        return _plain(rng, place, grid)
    if place.kind == "space":
        return _space(rng, place, grid)
    time = rng.choices(tuple(SKIES), (3, 1, 1))[0] if place.outdoors else "day"
    return _scenery(rng, place, time, grid)


def _plain(rng: random.Random, place: Place, grid: tuple[int, int]) -> Background:
    colour = rng.randrange(len(COLOURS))
    rgb = COLOURS[colour].rgb
    fade = rng.choice((0.0, 0.0, 0.25))
    paler: Rgb = (rgb[0] + (1 - rgb[0]) * fade, rgb[1] + (1 - rgb[1]) * fade, rgb[2] + (1 - rgb[2]) * fade)
    numbers = _vector(sky_top=paler, sky_bottom=rgb, horizon=(float(grid[1]),), shore=(99.0,))
    return Background(place, "day", colour, 99.0, numbers)


def _space(rng: random.Random, place: Place, grid: tuple[int, int]) -> Background:
    disc = (rng.randrange(1, grid[0]), rng.randrange(1, grid[1]), rng.choice((0.0, 0.6, 0.9)))
    numbers = _vector(
        sky_top=(0.03, 0.03, 0.12), sky_bottom=(0.16, 0.08, 0.28), horizon=(float(grid[1]),), shore=(99.0,),
        disc=disc, disc_rgb=rng.choice(((0.93, 0.78, 0.55), (0.80, 0.86, 0.95))), stars=(0.6,),
    )  # fmt: skip
    return Background(place, "night", -1, 99.0, numbers)


def _scenery(rng: random.Random, place: Place, time: str, grid: tuple[int, int]) -> Background:
    width, height = grid
    top, bottom, light = SKIES[time]
    if not place.outdoors:
        top = bottom = rng.choice(WALLS)
    ground = float(round(height * place.horizon))
    shore = ground
    if place.water:
        ground, shore = ground - 1, ground
    disc = (rng.randrange(1, width), 1.0, rng.choice((0.0, 0.5))) if place.outdoors else (0, 0, 0)
    clouds: list[float] = []
    for _ in range(CLOUDS_MAX):
        shown = place.outdoors and time != "night" and rng.random() < 0.4
        clouds += [rng.randrange(width + 1), rng.randrange(1, 3), float(shown)]
    peaks: list[float] = []
    for _ in range(PEAKS_MAX):
        peaks += [rng.randrange(width + 1), rng.randrange(1, max(2, int(ground) - 1)) if place.peaks else 0.0]
    numbers = _vector(
        sky_top=top, sky_bottom=bottom, far=place.far, near=place.near, horizon=(min(ground, 99.0),), shore=(shore,),
        water_far=(0.25, 0.62, 0.84), water_near=(0.10, 0.45, 0.75), waviness=(place.waviness,),
        disc=disc, disc_rgb={"day": (1.0, 0.92, 0.45), "sunset": (1.0, 0.85, 0.55), "night": (0.96, 0.95, 0.86)}[time],
        clouds=tuple(clouds), cloud_rgb=(1.0, 1.0, 1.0) if time == "day" else (1.0, 0.80, 0.76),
        peaks=tuple(peaks), peak_rgb=(0.50, 0.55, 0.66), stars=(0.5 if time == "night" and place.outdoors else 0.0,),
        light=light,
    )  # fmt: skip
    return Background(place, time, -1, shore if shore < height else 99.0, numbers)


def _vector(**given: tuple[float, ...]) -> tuple[float, ...]:
    numbers: list[float] = []
    for name, width in FIELDS:
        values = given.get(name, (1.0,) * width if name == "light" else (0.0,) * width)
        assert len(values) == width, name
        numbers += [float(value) for value in values]
    return tuple(numbers)
