"""Scenes: which things stand where on which background, chosen at random, with all that a caption may say of them.

A scene is laid out on a lattice of tokens. Every thing is a square of whole tokens at a whole token's place; a picture
of any resolution can be composed from it (see composer.py).
"""

import random
from dataclasses import dataclass
from typing import Final

from training import backgrounds
from training.backgrounds import Background
from training.cast import Cast, Grid
from training.things import Thing
from training.words import COLOURS

SIZES_TOKENS: Final = (2, 3, 4, 6, 8)
"""A thing is drawn at few sizes, so that each of them is learned soon."""
SLOTS_MAX: Final = 4
COLOURED_SHARE: Final = 0.35


@dataclass(frozen=True, slots=True)
class Slot:
    """One thing in the picture: its index, its box in tokens, whether it is mirrored, its colour (-1: its own)."""

    thing: int
    size: int
    left: int
    top: int
    mirrored: bool
    colour: int


@dataclass(frozen=True, slots=True)
class Story:
    """What a caption may say."""

    thing: Thing
    colour: int = -1
    count: int = 1
    size: str = ""
    place: str = ""
    relation: str = ""
    other: Thing | None = None
    other_colour: int = -1


@dataclass(frozen=True, slots=True)
class Scene:
    """A whole picture: slots are drawn in their order."""

    grid: Grid
    background: Background
    slots: tuple[Slot, ...]
    story: Story


def fitting(most: int) -> int:
    """The largest size of at most so many tokens."""
    return max(size for size in SIZES_TOKENS if size <= most)


def size_alone(word: str, grid: Grid) -> int:
    """How large one thing alone is on that grid, in tokens, where the caption says `small`, `big` or nothing of it."""
    big = fitting(min(grid))
    return {"small": SIZES_TOKENS[0], "": fitting(big - 1), "big": big}[word]


def pick_grid(rng: random.Random, cast: Cast) -> Grid:
    """A grid, as often as its shape is worth."""
    return rng.choices([grid for grid, _ in cast.grids], [weight for _, weight in cast.grids])[0]


def pick(rng: random.Random, cast: Cast, grid: Grid) -> Scene:
    """A random scene of that grid, without what is reserved for judging."""
    while True:
        scene = pick_any(rng, cast, grid)
        things = tuple(dict.fromkeys(slot.thing for slot in scene.slots))
        if not reserved_pair(things) and not any(reserved_colour(slot.thing, slot.colour) for slot in scene.slots):
            return scene


def reserved_colour(thing: int, colour: int) -> bool:
    """Whether this thing never has this colour in training, so that a judge can ask for it as something new."""
    return colour >= 0 and (7 * thing + 5 * colour) % 16 == 0


def reserved_pair(things: tuple[int, ...]) -> bool:
    """Whether these two things never meet in training."""
    return len(things) == 2 and sum(things) % 12 == 0


def pick_any(rng: random.Random, cast: Cast, grid: Grid) -> Scene:
    """A random scene of that grid, with what is reserved."""
    background = backgrounds.pick(rng, grid)
    layout = rng.choices((_alone, _several, _placed, _pair), (56, 14, 8, 22))[0]
    slots, story = layout(rng, cast, grid, background)
    assert all(0 <= slot.left <= grid[0] - slot.size and 0 <= slot.top <= grid[1] - slot.size for slot in slots)
    return Scene(grid, background, tuple(slots), story)


def _colour(rng: random.Random, background: Background) -> int:
    """Now and then a colour, but none that a plain background swallows."""
    colour = rng.randrange(len(COLOURS)) if rng.random() < COLOURED_SHARE else -1
    return -1 if colour == background.colour else colour


def _bottom(thing: Thing, size: int, height: int, background: Background) -> int:
    """The row where a thing's box ends: on the ground if there is ground and it stands, anywhere else in the air."""
    if background.ground > height or thing.home == "air":
        return (height + size) // 2
    return height if size >= height - 1 else height - 1


def _alone(rng: random.Random, cast: Cast, grid: Grid, background: Background) -> tuple[list[Slot], Story]:
    index = rng.randrange(len(cast.things))
    size_word = rng.choices(("", "small", "big"), (6, 1, 2))[0]
    size = size_alone(size_word, grid)
    bottom = _bottom(cast.things[index], size, grid[1], background)
    left = (grid[0] - size) // 2
    colour = _colour(rng, background)
    slot = Slot(index, size, left, bottom - size, rng.random() < cast.mirrored_share, colour)
    return [slot], Story(cast.things[index], colour, size=size_word)


def _placed(rng: random.Random, cast: Cast, grid: Grid, background: Background) -> tuple[list[Slot], Story]:
    """One thing at a side that the caption names."""
    index = rng.randrange(len(cast.things))
    across, along = grid[0] >= 5, grid[1] >= 5
    place = rng.choice((("left", "right") if across else ()) + (("top", "bottom") if along else ()) + ("middle",))
    size = fitting(min(max(grid) // 2, min(grid) - 2, 3))
    left, top = (grid[0] - size) // 2, (grid[1] - size) // 2
    if place in ("left", "right"):
        left = 0 if place == "left" else grid[0] - size
        top = _bottom(cast.things[index], size, grid[1], background) - size
    elif place != "middle":
        top = 0 if place == "top" else grid[1] - size
    colour = _colour(rng, background)
    return [Slot(index, size, left, top, rng.random() < cast.mirrored_share, colour)], Story(
        cast.things[index], colour, place=place
    )


def _several(rng: random.Random, cast: Cast, grid: Grid, background: Background) -> tuple[list[Slot], Story]:
    index = rng.randrange(len(cast.things))
    count = rng.randint(2, SLOTS_MAX)
    rows = _rows(count, grid)
    size = fitting(min(grid[1] // len(rows), grid[0] // max(rows), 5))
    colour = _colour(rng, background)
    mirrored = rng.random() < cast.mirrored_share
    slots = []
    height = size * len(rows)
    top = min(grid[1] - height, (grid[1] - height + 1) // 2 + (background.ground < grid[1]) * (len(rows) == 1))
    for row, length in enumerate(rows):
        gap = (grid[0] - size * length) // (length + 1)
        left = (grid[0] - size * length - gap * (length - 1)) // 2
        slots += [
            Slot(index, size, left + column * (size + gap), top + row * size, mirrored, colour)
            for column in range(length)
        ]
    return slots, Story(cast.things[index], colour, count=count)


def _rows(count: int, grid: Grid) -> tuple[int, ...]:
    """How many things stand in each row, chosen so that they are as big as can be."""
    shapes = {2: ((2,), (1, 1)), 3: ((3,), (1, 2), (1, 1, 1)), 4: ((4,), (2, 2), (1, 1, 1, 1))}[count]
    return max(shapes, key=lambda rows: min(grid[1] // len(rows), grid[0] // max(rows)))


def _pair(rng: random.Random, cast: Cast, grid: Grid, background: Background) -> tuple[list[Slot], Story]:
    """Two things in a relation that the caption names."""
    first, second = rng.sample(range(len(cast.things)), 2)
    colours = _colour(rng, background), _colour(rng, background)
    beside, over = grid[0] >= 5, grid[1] >= 5
    choices = (("left", "right", "beside") if beside else ()) + (("above", "below", "on") if over else ())
    relation = rng.choice(choices + (("front",) if min(grid) >= 5 else ()))
    if relation == "front":
        boxes = _overlapping(grid)
    elif relation in {"above", "below", "on"}:
        boxes = _stacked(grid, touching=relation == "on")
    else:
        boxes = _side_by_side(grid, background)
    if relation in {"right", "below"}:
        boxes = boxes[::-1]
    slots = [
        Slot(thing, *box, rng.random() < cast.mirrored_share, colour)
        for thing, box, colour in zip((first, second), boxes, colours, strict=True)
    ]
    story = Story(cast.things[first], colours[0], relation=relation, other=cast.things[second], other_colour=colours[1])
    return slots[::-1], story


Box = tuple[int, int, int]


def _side_by_side(grid: Grid, background: Background) -> list[Box]:
    """Size, left and top of the left one and of the right one."""
    most = fitting(min(grid[1], (grid[0] + 1) // 2, 5))
    other = fitting(min(most, grid[0] - most))
    bottom = min(grid[1], (grid[1] + most + 1) // 2 + (background.ground < grid[1]))
    spare = grid[0] - most - other
    left = spare // 3
    gap = spare - 2 * left
    return [(most, left, bottom - most), (other, left + most + gap, bottom - other)]


def _stacked(grid: Grid, *, touching: bool) -> list[Box]:
    """Size, left and top of the upper one and of the lower one."""
    lower = fitting(min((grid[1] + 1) // 2, grid[0], 5))
    upper = fitting(min(grid[1] - lower, grid[0], lower))
    spare = grid[1] - lower - upper
    gap = 0 if touching else min(1, spare)
    bottom = grid[1] - (spare - gap) // 2
    column = (grid[0] - lower) // 2
    shift = column + (lower - upper) // 2
    return [(upper, shift, bottom - lower - gap - upper), (lower, column, bottom - lower)]


def _overlapping(grid: Grid) -> list[Box]:
    """Size, left and top of the one in front and of the one behind it."""
    behind = fitting(min(min(grid) - 1, 6))
    front = fitting((behind + 1) // 2)
    left = (grid[0] - behind) // 2
    top = grid[1] - behind - 1
    sideways = left + behind - front
    return [(front, sideways, min(grid[1] - front, top + behind - front + 1)), (behind, left, top)]
