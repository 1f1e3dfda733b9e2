"""Rewrites relations of a wish by what can carry and cover what, so that each can be seen: a frog is under a mushroom,
but of an elephant under a horse the horse stands on the elephant.
"""

from dataclasses import replace
from typing import Final

from easel.engines.sketch.composing.units import drawn_height
from easel.engines.sketch.pictures.library import Library
from easel.engines.sketch.reading.wish import Relation, Wish

COVERING: Final = 1.2
"""So much taller than another thing is what that can be under."""
FAR_OFF: Final = frozenset({"flies", "sky", "deep"})
HEAVY: Final = frozenset({"stands", "head", "bust", "swims"})
"""What is above another thing by standing on it."""


def supported(wish: Wish, library: Library) -> Wish:
    """The wish with relations that can be composed."""
    return replace(wish, relations=tuple(_supported(relation, wish, library) for relation in wish.relations))


def _supported(relation: Relation, wish: Wish, library: Library) -> Relation:
    if relation.other is None:
        return relation
    subject = library.traits(wish.things[relation.subject].picture)
    is_heavy = subject.stance in HEAVY and "held-high" not in subject.marks
    other = library.traits(wish.things[relation.other].picture)
    if relation.kind == "under" and not _covers(relation.other, relation.subject, wish, library):
        return relation if other.stance in FAR_OFF else Relation("on", relation.other, relation.subject)
    if relation.kind == "above" and is_heavy and not _is_aloft(relation.subject, wish):
        return replace(relation, kind="on")
    if relation.kind == "inside" and other.stance == "swims" and other.seat is not None:
        return replace(relation, kind="on")
    return relation


def _covers(above: int, below: int, wish: Wish, library: Library) -> bool:
    """Whether a thing can be above another one that stands on the ground."""
    cover, covered = (library.picture(wish.things[at].picture) for at in (above, below))
    if "covers" in cover.traits.marks or cover.traits.stance in FAR_OFF:
        return "covers" in cover.traits.marks
    return drawn_height(cover, wish.things[above]) > COVERING * drawn_height(covered, wish.things[below])


def _is_aloft(at: int, wish: Wish) -> bool:
    return any(relation.kind == "aloft" and relation.subject == at for relation in wish.relations)
