"""Which things of a wish belong to which others: what is worn, held, ridden, carried or covered."""

from typing import Final

from easel.engines.sketch.pictures.library import Library
from easel.engines.sketch.reading.wish import Relation, Wish

HELD_MAX_M: Final = 1.0
CLOSED: Final = frozenset({"held-high", "hangs"})
"""Marks of things that nothing is in."""
WORN_MAX_M: Final = 0.8
TOP_MAX_M: Final = 1.1
"""What is not taller than this stands on furniture that it is with."""
LIVING: Final = frozenset({"People & Body", "Animals & Nature"})


def belongings(wish: Wish, library: Library) -> dict[int, list[tuple[int, str]]]:
    """For each thing what is attached to it, and how. A thing is attached to one other at most, and never in a ring."""
    found: dict[int, list[tuple[int, str]]] = {}
    carriers: dict[int, int] = {}
    for relation in wish.relations:
        pair = _pair(relation, wish, library)
        if pair is None:
            continue
        carrier, child, kind = pair
        if child in carriers or carrier == child or _leads_to(carriers, carrier, child):
            continue
        carriers[child] = carrier
        found.setdefault(carrier, []).append((child, kind))
    return found


def _leads_to(carriers: dict[int, int], start: int, end: int) -> bool:
    while start in carriers:
        start = carriers[start]
        if start == end:
            return True
    return False


def _pair(relation: Relation, wish: Wish, library: Library) -> tuple[int, int, str] | None:
    """The carrier, what it carries, and how, if a relation attaches one thing to another."""
    subject, other, kind = relation.subject, relation.other, relation.kind
    if other is None:
        return None
    traits = library.traits(wish.things[other].picture)
    if kind == "wearing" and _cannot_be_worn(wish.things[other].picture, library):
        return None
    if kind == "wearing" or (traits.worn is not None and kind in ("inside", "with")):
        return subject, other, "wearing"
    if kind == "holding" and ("held-high" in traits.marks or traits.height_m <= HELD_MAX_M):
        return subject, other, "holding"
    if kind == "with" and _has_on_top(subject, other, wish, library):
        return subject, other, "on"
    if kind == "with" and _is_held(subject, other, wish, library):
        return subject, other, "holding"
    return (other, subject, kind) if _carries(kind, wish.things[other].picture, library) else None


def _cannot_be_worn(name: str, library: Library) -> bool:
    """Whether a thing is alive or too large to be worn, so that it is beside whoever is said to wear it."""
    traits = library.traits(name)
    return traits.worn is None and (library.is_creature(name) or traits.height_m > WORN_MAX_M)


def _carries(kind: str, name: str, library: Library) -> bool:
    """Whether a thing carries another one in this relation."""
    traits = library.traits(name)
    if kind in ("on", "under"):
        return traits.stance not in ("flies", "sky", "deep") or "covers" in traits.marks
    if kind == "inside" and (library.is_creature(name) or traits.marks & CLOSED):
        return False
    if kind in ("above", "inside"):
        return traits.stance != "sky"
    return kind in ("riding", "at-window")


def _has_on_top(subject: int, other: int, wish: Wish, library: Library) -> bool:
    """Whether a piece of furniture has a thing on it that it is with: `a desk with a lamp`."""
    carrier, carried = library.traits(wish.things[subject].picture), library.traits(wish.things[other].picture)
    return "top" in carrier.marks and carried.stance in ("small", "stands") and carried.height_m <= TOP_MAX_M


def _is_held(subject: int, other: int, wish: Wish, library: Library) -> bool:
    name = wish.things[subject].picture
    carrier, held = library.traits(name), library.traits(wish.things[other].picture)
    is_someone = library.is_creature(name) and carrier.stance in ("stands", "head", "bust") and carrier.height_m > 1
    return is_someone and ("held-high" in held.marks or held.stance == "small")
