"""Adds a relation to those of a prompt, between the things that the sentence means by it. Changes the list that it
gets."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from easel.engines.sketch.reading.vessels import VESSELS
from easel.engines.sketch.reading.wish import Relation, Thing

CARRIED: Final = frozenset({"on", "inside", "riding", "under"})
HELD: Final = frozenset({"holding", "wearing"})
DONE: Final = frozenset({"holding", "wearing", "riding", "looking"})
"""What is done by someone, never by what is worn, held or stood on."""
PLACED: Final = frozenset({"in-front", "behind", "next"})
"""Where someone is, never what is held or worn."""
APART: Final = frozenset(
    {"on", "under", "behind", "in-front", "next", "above", "between", "holding", "riding", "looking"}
)
"""What leads to another thing, so that a colour after it is never that of the thing before it."""
TURNED: Final = {"topped": "on", "containing": "inside"}
"""Relations that are said from the other side, and what they say of it."""
KEPT_TOGETHER: Final = frozenset({"holding", "wearing", "riding"})
"""What is held, worn or ridden is where the one is who does it."""


def doer(relations: Sequence[Relation], kind: str, last: int) -> int:
    """Who does what is said next, or is where it says: `a monkey wearing a hat holding a banana` holds it, the hat does
    not, and `a knight with a sword in front of a castle` stands there."""
    through = (
        HELD
        if kind == "with"
        else {*HELD, "with"}
        if kind in PLACED
        else {*DONE, "with", "inside", "on", "under", "between"}
    )
    if kind not in DONE | PLACED and kind != "with":
        return last
    earlier = [one.subject for one in relations if one.other == last and one.kind in through]
    return doer(relations, kind, earlier[0]) if earlier and earlier[0] < last else last


def join_done(relations: list[Relation], kind: str, subject: int, other: int) -> None:
    """Join a doer with what is worn or the like, and what was joined with that; where that is, the doer is."""
    for at, one in enumerate(relations):
        if one.subject != other or one.other == subject or one.kind in KEPT_TOGETHER:
            continue
        is_both = one.kind == "next" and one.other == other - 1
        relations[at] = replace(one, kind=kind if is_both else one.kind, subject=subject)
    relations.append(Relation(kind, subject, other))


def join_carried(relations: list[Relation], kind: str, subject: int, other: int, things: Sequence[Thing]) -> None:
    """Join what stands before `on` and the like: not what is held, worn or in a vessel, but what has it; and both of `a
    and b`."""
    vessels = [one.other for one in relations if one.kind == "inside" and one.subject == subject]
    subject = next((at for at in vessels if at is not None and at < subject and things[at].picture in VESSELS), subject)
    holder = next((one.subject for one in relations if one.other == subject and one.kind in HELD), subject)
    relations.append(Relation(kind, holder, other))
    last = relations[-2] if len(relations) > 1 else None
    if last is not None and last.kind == "next" and last.subject + 1 == last.other == holder:
        relations.append(Relation(kind, last.subject, other))


def is_shared(last: Relation | None, things: Sequence[Thing], *, is_after: bool) -> bool:
    """Whether what comes after `and` is related as the last thing is: worn too, held too, in the same basket."""
    if last is None:
        return False
    if last.kind in ("wearing", "holding", "with"):
        return last.other == len(things) - 1
    is_content = last.other is not None and last.kind in TURNED.values() and things[last.other].picture in VESSELS
    is_last = last.subject == len(things) - 1
    return is_last and (last.kind in CARRIED if is_after else is_content and last.subject > (last.other or 0))


def put_on_top(relations: list[Relation], open_kind: str | None, last: int) -> None:
    """Put the last thing on the one that has it, if nothing follows `on top`: `a cake with a cherry on top`."""
    if open_kind in ("on", "above") and relations and relations[-1] == Relation("with", relations[-1].subject, last):
        relations[-1] = Relation("on", last, relations[-1].subject)


def released(relations: list[Relation], gone: int) -> str | None:
    """Take away the relation that leads to a thing, and give its kind."""
    for at, relation in enumerate(relations):
        if relation.other == gone and relation.subject != gone:
            del relations[at]
            return relation.kind
    return None


def actor(relations: Sequence[Relation], last: int) -> int:
    """Who does what is said next: the last thing, or the one that stands on it, wears it and so on."""
    return next((one.subject for one in reversed(relations) if one.other == last), last)


def is_unrelated(relations: Sequence[Relation], thing: int) -> bool:
    """Whether nothing has been said of where a thing is."""
    return all(thing not in (relation.subject, relation.other) for relation in relations)
