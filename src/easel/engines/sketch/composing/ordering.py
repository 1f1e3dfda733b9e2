"""In which order things stand from left to right, as the relations ask for it. Pure."""

from collections.abc import Collection, Sequence
from typing import Final

from easel.engines.sketch.reading.wish import Relation, Wish

SIDEWAYS: Final = frozenset({"left", "right", "next", "looking", "between"})
AT_A_SIDE: Final = frozenset({"at-left", "at-right"})
_ON_ONE_SIDE: Final = frozenset({"left", "right"}) | AT_A_SIDE


def is_mirrorable(wish: Wish) -> bool:
    """Whether the order may as well be the other way round."""
    return not any(relation.kind in _ON_ONE_SIDE for relation in wish.relations)


def in_order(wish: Wish, things: Sequence[int], count_max: int) -> list[int]:
    """The things from left to right, each as often as it is there."""
    order = list(things)
    for relation in wish.relations:
        subject, other = relation.subject, relation.other
        if relation.kind in AT_A_SIDE and subject in order:
            order.remove(subject)
            order.insert(0 if relation.kind == "at-left" else len(order), subject)
        elif other is not None and subject in order and other in order and relation.kind in SIDEWAYS - {"between"}:
            order.remove(subject)
            after = relation.kind == "right" or (relation.kind != "left" and subject > other)
            order.insert(order.index(other) + (1 if after else 0), subject)
    each = [at for at in order for _ in range(min(wish.things[at].count, count_max))]
    for relation in wish.relations:
        if relation.kind == "between" and relation.subject in each:
            each = _with_between(each, relation, wish)
    return each


def side(wish: Wish, at: int, apart: Collection[int]) -> int:
    """At which side of the picture a thing is said to be, or of what stands in another part of it: -1 is left."""
    for relation in wish.relations:
        sign = -1 if relation.kind in ("left", "at-left") else 1 if relation.kind in ("right", "at-right") else 0
        if relation.subject == at and (relation.other is None or relation.other in apart):
            return sign
        if relation.other == at and relation.subject in apart:
            return -sign
    return 0


def _with_between(each: list[int], relation: Relation, wish: Wish) -> list[int]:
    """The subject in the middle of the things that it is between."""
    subject = relation.subject
    rest = [at for at in each if at != subject]
    flanks = _flanks(relation, wish)
    places = [place for place, at in enumerate(rest) if at in flanks]
    middle = places[len(places) // 2] if len(places) > 1 else len(rest) // 2
    return rest[:middle] + [at for at in each if at == subject] + rest[middle:]


def _flanks(relation: Relation, wish: Wish) -> set[int]:
    """What something is between: several of one kind, or two kinds that are named one after the other."""
    other = relation.other
    assert other is not None
    if wish.things[other].count > 1:
        return {other}
    joined = {
        end
        for one in wish.relations
        if one.kind == "next" and other in (one.subject, one.other)
        for end in (one.subject, one.other)
        if end is not None
    } - {relation.subject}
    following = {other + 1} if other + 1 < len(wish.things) else set()
    return joined | {other} if joined else {other} | (following - {relation.subject})
