"""Whether a relation holds between things that are seen, by where they are and never by how they were composed.

Lengths are pixels from the upper left corner. Each rule is about one subject and one other thing; `holds` says for how
many of them it must be true.
"""

from collections.abc import Callable, Sequence
from typing import Final

from easel.engines.sketch.composing.scene import Scene
from tools.sketch_evaluation.sight import Seen

Rule = Callable[[Seen, Seen, Scene], bool]
MOST: Final = 0.8
"""In a crowd the rule must hold for so many."""
CROWD: Final = 16
FACES_US: Final = frozenset({"head", "bust"})
FLOATING_PLACES: Final = frozenset({"sky", "space", "underwater"})


def holds(kind: str, subjects: Sequence[Seen], others: Sequence[Seen], scene: Scene) -> bool:
    """Whether the subjects are in this relation to the others."""
    if kind == "aloft":
        return bool(subjects) and all(_is_aloft(one, scene) for one in subjects)
    if not subjects or not others:
        return False
    if kind == "between":
        return all(_is_between(one, others) for one in subjects)
    rule = _RULES[kind]
    if kind in ("left", "right"):
        return all(rule(one, other, scene) for one in subjects for other in others)
    if kind in ("next", "looking"):
        return any(rule(one, other, scene) for one in subjects for other in others)
    each = _most([any(rule(one, other, scene) for other in others) for one in subjects])
    if kind in ("holding", "wearing"):
        return each or _most([any(rule(one, other, scene) for one in subjects) for other in others])
    return each


def is_at(kind: str, subjects: Sequence[Seen], scene: Scene) -> bool:
    """Whether the subjects are in this relation to the place itself, such as the table on which the picture is."""
    return bool(subjects) and (kind != "on" or not any(_is_aloft(one, scene) for one in subjects))


def _most(results: Sequence[bool]) -> bool:
    return all(results) if len(results) < CROWD else sum(results) >= MOST * len(results)


def _overlap(first: Seen, second: Seen) -> tuple[float, float]:
    """How far two boxes overlap, across and down. Negative if there is a gap."""
    return (
        min(first.right, second.right) - max(first.left, second.left),
        min(first.bottom, second.bottom) - max(first.top, second.top),
    )


def _is_left(one: Seen, other: Seen, _scene: Scene) -> bool:
    """At most half of the boxes overlap, and its middle is to the left."""
    return one.x < other.x - 0.25 * (one.width + other.width) * (0.5 if _nests(one, other) else 1)


def _nests(one: Seen, other: Seen) -> bool:
    """Whether one is so much larger than the other that the small one stands before it."""
    return not 0.4 < one.width / other.width < 2.5


def _is_right(one: Seen, other: Seen, scene: Scene) -> bool:
    return _is_left(other, one, scene)


def _is_between(one: Seen, others: Sequence[Seen]) -> bool:
    return any(other.x < one.x for other in others) and any(other.x > one.x for other in others)


def _is_next(one: Seen, other: Seen, scene: Scene) -> bool:
    """Side by side, not far apart, and on about the same ground."""
    across, down = _overlap(one, other)
    smaller = min(one.width * one.height, other.width * other.height)
    is_apart = across <= 0 or down <= 0 or across * down <= 0.5 * smaller
    is_near = across >= -0.25 * scene.width_px and down > -0.1 * scene.height_px
    return is_near and is_apart and one.x != other.x


def _is_on(one: Seen, other: Seen, _scene: Scene) -> bool:
    """Its lower edge touches the other's shape, higher than the other's lower edge."""
    reach, side = 0.08 * one.height + 2, 0.3 * one.width
    touches = other.has_shape_in(one.x - side, one.rest - reach, one.x + side, one.rest + reach)
    is_higher = one.y < other.y or (other.height < 0.5 * one.height and one.rest < other.bottom)
    return touches and is_higher and one.rest < other.bottom - 0.04 * other.height


def _is_under(one: Seen, other: Seen, _scene: Scene) -> bool:
    """Lower than the other and below its width; what shines far away is above all."""
    if other.stance == "sky":
        return one.y > other.y
    across, down = _overlap(one, other)
    is_below = one.y > other.y and one.top > other.top + 0.1 * other.height
    stands_there = one.bottom > other.bottom - 0.35 * other.height
    return is_below and stands_there and (across >= 0.45 * min(one.width, other.width) or down < 0 < across)


def _is_above(one: Seen, other: Seen, _scene: Scene) -> bool:
    across, _ = _overlap(one, other)
    is_higher = one.y < other.y and one.bottom <= other.top + 0.3 * min(one.height, other.height)
    return is_higher and (across > 0 or "sky" in (one.stance, other.stance))


def _is_behind(one: Seen, other: Seen, scene: Scene) -> bool:
    """Painted first, deeper, and overlapped by the other. What is far in the sky needs not be overlapped."""
    if one.order > other.order:
        return False
    if one.stance in ("sky", "flies") and _is_aloft(one, scene):
        return one.y < other.y or min(_overlap(one, other)) > 0
    return one.placed.depth > other.placed.depth and one.bottom < other.bottom and min(_overlap(one, other)) > 0


def _is_in_front(one: Seen, other: Seen, scene: Scene) -> bool:
    return _is_behind(other, one, scene)


def _is_holding(one: Seen, other: Seen, _scene: Scene) -> bool:
    """The other is at its side or before it, and not much larger than itself; a kite is at the end of its string."""
    across, down = _overlap(one, other)
    is_near = abs(other.x - one.x) < max(one.width, 0.5 * (one.width + other.width))
    return across > -0.05 * one.width and down > 0 and other.height < 1.5 * one.height and is_near


def _is_wearing(one: Seen, other: Seen, _scene: Scene) -> bool:
    """The other is painted over it, within its width and not far above it."""
    is_within = one.left < other.x < one.right and one.top - 0.6 * other.height < other.y < one.bottom
    return is_within and other.order > one.order and other.width < 1.6 * one.width


def _is_riding(one: Seen, other: Seen, _scene: Scene) -> bool:
    """Over the other's middle, rising above it, and touching it."""
    is_over = abs(one.x - other.x) <= 0.4 * other.width and one.y < other.y
    return is_over and one.top < other.top + 0.25 * other.height and other.top < one.bottom + 2 < other.bottom


def _is_inside(one: Seen, other: Seen, _scene: Scene) -> bool:
    """Its middle, or most of it, is in the other, which hides a part of it or holds it whole."""
    across, down = _overlap(one, other)
    share = max(0.0, across) * max(0.0, down) / (one.width * one.height)
    is_held = share > 0.8 or (share > 0.3 and one.order < other.order)
    return is_held and other.left < one.x < other.right and one.width < 1.15 * other.width


def _is_looking(one: Seen, other: Seen, scene: Scene) -> bool:
    """It is turned to the other; what faces us must only be near."""
    across, _ = _overlap(one, other)
    if one.stance in FACES_US or across > 0:
        return across > -0.4 * scene.width_px
    return one.placed.is_mirrored == (other.x > one.x)


def _is_aloft(one: Seen, scene: Scene) -> bool:
    """In the air: without shadow and ripple, and above where things stand."""
    is_free = not one.placed.has_shadow and not one.placed.has_ripple
    return is_free and (scene.place in FLOATING_PLACES or one.bottom < scene.horizon + 0.15 * scene.height_px)


_RULES: Final[dict[str, Rule]] = {
    "left": _is_left, "right": _is_right, "next": _is_next, "on": _is_on, "under": _is_under, "above": _is_above,
    "behind": _is_behind, "in-front": _is_in_front, "holding": _is_holding, "wearing": _is_wearing,
    "riding": _is_riding, "inside": _is_inside, "looking": _is_looking,
}  # fmt: skip
