"""Finds things that others cover so far that they are not shown. Pure.

It compares the boxes of pictures, which are a little larger than their shapes, on a grid of points.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Final

from easel.engines.sketch.composing.scene import Placed

Aspect = Callable[[Placed], float]
"""The width of a picture, compared with its height."""
COVERED_MAX: Final = 0.55
"""What is covered more than this is not shown. Shapes within a box make it about 60 % of the picture."""
SIDE: Final = 9
"""Points of the grid on each side."""
SLIM_BELOW: Final = 0.75
"""What is slimmer than this, compared with its height, is often somebody with arms at their sides."""
SLIM, BROAD, TALL = 0.66, 0.9, 0.94
"""How much of the width of its box a slim and a broad picture fills, and how much of the height."""
Box = tuple[float, float, float, float]


def hidden(placed: Sequence[Placed], aspect: Aspect, held: Collection[tuple[int, int]] = ()) -> set[int]:
    """The things of the wish that are in the scene but not to be seen: all pictures of them are covered.

    `held` has pairs of a thing and the vessel that it is in, above whose edge it is seen, and of a chair and who sits
    there.
    """
    if len({one.thing for one in placed}) < 2:
        return set()
    boxes = [_box(one, aspect(one)) for one in placed]
    covered: dict[int, bool] = {}
    for at, one in enumerate(placed):
        if one.thing >= 0 and covered.get(one.thing, True):
            later = [
                number
                for number in range(at + 1, len(placed))
                if placed[number].thing >= 0 and (one.thing, placed[number].thing) not in held
            ]
            over = [boxes[number] for number in later if _meet(boxes[at], boxes[number])]
            covered[one.thing] = _covered(boxes[at], over) > COVERED_MAX
    return {thing for thing, is_covered in covered.items() if is_covered}


def _box(one: Placed, aspect: float) -> Box:
    half = (SLIM if aspect < SLIM_BELOW else BROAD) * one.height * aspect / 2
    margin = (1 - TALL) / 2 * one.height
    return one.x - half, one.y - one.height + margin, one.x + half, one.y - margin


def _meet(first: Box, second: Box) -> bool:
    return first[0] < second[2] and second[0] < first[2] and first[1] < second[3] and second[1] < first[3]


def _covered(box: Box, over: Sequence[Box]) -> float:
    if not over:
        return 0.0
    left, top, right, bottom = box
    inside = 0
    for row in range(SIDE):
        y = top + (row + 0.5) / SIDE * (bottom - top)
        for column in range(SIDE):
            x = left + (column + 0.5) / SIDE * (right - left)
            inside += any(a <= x <= c and b <= y <= d for a, b, c, d in over)
    return inside / SIDE**2
