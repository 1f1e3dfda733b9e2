"""Simplifies a wish before it is composed: what one picture shows by itself, and relations that are shown by others.

Each rule looks at one relation and returns another wish, or None if it does not apply. Rules are tried in their order,
again and again until none applies; each makes the wish simpler, so this ends.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from easel.engines.sketch.composing.attaching import FACE
from easel.engines.sketch.pictures.library import PEOPLE, Library
from easel.engines.sketch.reading.sights import FLAT
from easel.engines.sketch.reading.vessels import VESSELS
from easel.engines.sketch.reading.wish import FIELD, Relation, Thing, Wish

Rule = Callable[[Wish, int, Thing, Thing, Library], Wish | None]

TOP_M: Final = 1.7
"""What is as tall as this does not stand on a table."""
ON_TOP: Final = {"lamp": "desk-lamp"}
"""What is another picture if it stands on furniture."""
CONTENT_MAX_M: Final = 0.9
"""What is not taller than this, or a plant, is in a vessel that is with it."""
FISH, FISHBOWL = frozenset({"fish", "tropical-fish"}), "fishbowl"
POTS: Final = frozenset({"cooking-pot", "pot-of-food"})
OPEN: Final = {"package": "open-box", "hot-beverage": "mug"}
"""Pictures of what is closed, and those that show it open."""
BUS_M: Final = 2.0
"""Who is on a vehicle that is as tall as this is in it."""
BUILDING_M: Final = 4.0
"""What is as tall as this is shown from outside."""
WITHOUT: Final = {("birthday-cake", "candle"): ("cake", "cake-candle")}
"""Pictures that show some of a thing, with that thing, and the pictures of both if the prompt counts them."""
SHOWN_AT_ONCE: Final = {"bicycle": "biking", "kick-scooter": "biking", "surfboard": "surfing", "water-wave": "surfing"}
"""What people ride, and how the pictures are called that show both."""
RIDERS: Final = {"man": "man", "woman": "woman", "person": "person", "boy": "man", "girl": "woman", "child": "person"}


def simplified(wish: Wish, library: Library) -> Wish:
    """The wish when no rule applies any more."""
    return _by_rules(_listed(wish, library), library)


def _listed(wish: Wish, library: Library) -> Wish:
    """The wish in which a table is with everything of a list: `a desk with a laptop, a lamp and a cup`."""
    more: list[Relation] = []
    bound = {end for one in wish.relations if one.kind != "next" for end in (one.subject, one.other)}
    for relation in wish.relations:
        if relation.kind != "with" or relation.other is None:
            continue
        traits = library.traits(wish.things[relation.subject].picture)
        shown = {name for name, _ in traits.shows}
        for at in range(relation.other + 1, len(wish.things)):
            picture = wish.things[at].picture
            if at in bound or not (
                picture in shown or ("top" in traits.marks and library.traits(picture).height_m < TOP_M)
            ):
                break
            more.append(Relation("with", relation.subject, at))
    return replace(wish, relations=(*wish.relations, *more))


def _by_rules(wish: Wish, library: Library) -> Wish:
    for at, relation in enumerate(wish.relations):
        if relation.other is None:
            continue
        subject, other = wish.things[relation.subject], wish.things[relation.other]
        for rule in _RULES:
            changed = rule(wish, at, subject, other, library)
            if changed is not None:
                return _by_rules(changed, library)
    return wish


def _shown_at_once(wish: Wish, at: int, subject: Thing, other: Thing, _library: Library) -> Wish | None:
    """A man riding a bicycle is one picture."""
    is_riding = wish.relations[at].kind in ("riding", "on")
    if not is_riding or other.picture not in SHOWN_AT_ONCE or subject.picture not in RIDERS:
        return None
    picture = f"{RIDERS[subject.picture]}-{SHOWN_AT_ONCE[other.picture]}"
    return _without(wish, at, replace(subject, picture=picture))


def _on_furniture(wish: Wish, at: int, subject: Thing, other: Thing, library: Library) -> Wish | None:
    """A lamp on a table is a small one."""
    relation = wish.relations[at]
    carried, carrier = (other, subject) if relation.kind == "with" else (subject, other)
    is_on = relation.kind in ("on", "with") and "top" in library.traits(carrier.picture).marks
    if not is_on or carried.picture not in ON_TOP:
        return None
    smaller = replace(carried, picture=ON_TOP[carried.picture])
    return replace(wish, things=tuple(smaller if thing is carried else thing for thing in wish.things))


def _in_a_tree(wish: Wish, at: int, _subject: Thing, other: Thing, _library: Library) -> Wish | None:
    """What is in a tree is on it."""
    return _as(wish, at, "on") if wish.relations[at].kind == "inside" and "tree" in other.picture else None


def _in_a_field(wish: Wish, at: int, _subject: Thing, other: Thing, _library: Library) -> Wish | None:
    """What is in a field or a crowd is among them, not on one of them."""
    if wish.relations[at].kind not in ("on", "inside", "with", "next") or other.count < FIELD:
        return None
    return replace(wish, relations=(*wish.relations[:at], *wish.relations[at + 1 :]))


def _before_a_building(wish: Wish, at: int, _subject: Thing, other: Thing, library: Library) -> Wish | None:
    """What is in a building is shown in front of it."""
    traits = library.traits(other.picture)
    is_building = traits.stance == "stands" and traits.height_m >= BUILDING_M
    is_building = is_building or "closed" in traits.marks
    return _as(wish, at, "in-front") if wish.relations[at].kind == "inside" and is_building else None


def _in_a_vehicle(wish: Wish, at: int, subject: Thing, other: Thing, library: Library) -> Wish | None:
    """Who is in a vehicle looks out of its window: only the face is seen."""
    kind, traits = wish.relations[at].kind, library.traits(other.picture)
    is_in = kind in ("inside", "riding") or (
        kind == "on" and traits.height_m >= BUS_M and library.is_person(subject.picture)
    )
    face = _face(subject.picture, library)
    if not is_in or traits.window is None or face is None or subject.pose == FACE:
        return None
    seen = replace(subject, picture=face, pose=FACE)
    things = tuple(seen if number == wish.relations[at].subject else thing for number, thing in enumerate(wish.things))
    return _as(replace(wish, things=things), at, "inside")


def _face(picture: str, library: Library) -> str | None:
    """The picture whose face stands for somebody. None if there is none."""
    if picture in PEOPLE or library.traits(picture).stance == "head":
        return picture
    return library.traits(picture).face


def _in_a_fishbowl(wish: Wish, at: int, subject: Thing, other: Thing, _library: Library) -> Wish | None:
    """One fish in a bowl is in one of glass."""
    is_swimming = wish.relations[at].kind == "inside" and subject.picture in FISH and subject.count == 1
    if not is_swimming or other.picture not in ("bowl", FISHBOWL):
        return None
    relation = wish.relations[at]
    assert relation.other is not None
    turned = _replaced(wish, at, Relation("with", relation.other, relation.subject))
    return _without(turned, at, replace(other, picture=FISHBOWL))


def _planted(wish: Wish, at: int, subject: Thing, other: Thing, library: Library) -> Wish | None:
    """A pot in which a plant is is a flower pot."""
    is_plant = wish.relations[at].kind == "inside" and "plant" in library.traits(subject.picture).marks
    if not is_plant or other.picture not in POTS:
        return None
    pot = replace(other, picture="flower-pot")
    return replace(wish, things=tuple(pot if thing is other else thing for thing in wish.things))


def _opened(wish: Wish, at: int, _subject: Thing, other: Thing, _library: Library) -> Wish | None:
    """A box in which something is, is open."""
    if wish.relations[at].kind != "inside" or other.picture not in OPEN:
        return None
    opened = replace(other, picture=OPEN[other.picture])
    return replace(wish, things=tuple(opened if thing is other else thing for thing in wish.things))


def _shown_already(wish: Wish, at: int, subject: Thing, other: Thing, library: Library) -> Wish | None:
    """What the picture of a thing shows already, is not drawn beside it: a scarf of a snowman gets its colour."""
    colours = dict(library.traits(subject.picture).shows)
    if wish.relations[at].kind not in _SHOWN_BY or other.picture not in colours:
        return None
    if other.colour is None:
        return _without(wish, at, subject)
    own = colours[other.picture]
    return _without(wish, at, replace(subject, dyes=(*subject.dyes, (own, other.colour)))) if own else None


def _counted_on(wish: Wish, at: int, subject: Thing, other: Thing, _library: Library) -> Wish | None:
    """Candles of a cake that are counted are as many, on a cake that shows none of its own."""
    relation = wish.relations[at]
    is_on = relation.kind == "on"
    carrier, carried = (other, subject) if is_on else (subject, other)
    pictures = WITHOUT.get((carrier.picture, carried.picture))
    if pictures is None or relation.kind not in _SHOWN_BY or relation.other is None:
        return None
    if not (carried.is_count_said and carried.count > 1):
        turned = Relation("with", relation.other, relation.subject)
        return _replaced(wish, at, turned) if is_on else None
    ends = (relation.subject, relation.other) if is_on else (relation.other, relation.subject)
    new = {ends[0]: replace(carried, picture=pictures[1]), ends[1]: replace(carrier, picture=pictures[0])}
    things = tuple(new.get(number, thing) for number, thing in enumerate(wish.things))
    return _replaced(replace(wish, things=things), at, Relation("on", *ends))


def _in_bed(wish: Wish, at: int, subject: Thing, other: Thing, library: Library) -> Wish | None:
    """Somebody who sleeps in a bed is one picture."""
    is_asleep = subject.pose in ("sleeping", "lying") and wish.relations[at].kind in ("on", "inside", "under")
    if not is_asleep or other.picture != "bed" or not library.is_person(subject.picture):
        return None
    return _without(wish, at, replace(subject, picture="person-in-bed"))


def _in_vessel(wish: Wish, at: int, subject: Thing, other: Thing, library: Library) -> Wish | None:
    """What a vessel is with is in it, or on a plate, and both are where the prompt says."""
    relation = wish.relations[at]
    traits = library.traits(other.picture)
    is_content = other.picture not in VESSELS and traits.worn is None
    is_content = is_content and ("plant" in traits.marks or traits.height_m <= CONTENT_MAX_M)
    if relation.kind != "with" or subject.picture not in VESSELS or not is_content:
        return None
    assert relation.other is not None
    turned = Relation("on" if subject.picture in FLAT else "inside", relation.other, relation.subject)
    rest = [
        replace(one, subject=relation.subject)
        if one.subject == relation.other and one.other != relation.subject
        else one
        for one in wish.relations
    ]
    return replace(wish, relations=(*rest[:at], turned, *rest[at + 1 :]))


def _in_colour(wish: Wish, at: int, subject: Thing, other: Thing, library: Library) -> Wish | None:
    """Coloured clothes are the colour of who wears them."""
    if wish.relations[at].kind not in ("wearing", "inside", "with") or library.traits(other.picture).worn != "body":
        return None
    return None if other.colour is None else _without(wish, at, replace(subject, colour=other.colour))


def _served(wish: Wish, at: int, subject: Thing, other: Thing, library: Library) -> Wish | None:
    """If all there is are small things on a table, it fills the picture."""
    if wish.relations[at].kind != "on" or other.picture != "table" or wish.place is not None:
        return None
    rest = [thing for thing in wish.things if thing is not other]
    if not all(library.traits(thing.picture).stance == "small" for thing in rest):
        return None
    return replace(_without(wish, at, subject, has_heir=False), place="table-top")


_SHOWN_BY: Final = frozenset({"wearing", "holding", "with", "on", "riding", "inside", "next"})
_RULES: Final[tuple[Rule, ...]] = (
    _shown_at_once,
    _counted_on,
    _shown_already,
    _in_a_field,
    _in_bed,
    _in_vessel,
    _on_furniture,
    _in_a_tree,
    _before_a_building,
    _in_a_vehicle,
    _in_a_fishbowl,
    _planted,
    _opened,
    _in_colour,
    _served,
)


def _as(wish: Wish, at: int, kind: str) -> Wish:
    return _replaced(wish, at, replace(wish.relations[at], kind=kind))


def _replaced(wish: Wish, at: int, relation: Relation) -> Wish:
    return replace(wish, relations=(*wish.relations[:at], relation, *wish.relations[at + 1 :]))


def _without(wish: Wish, at: int, subject: Thing, *, has_heir: bool = True) -> Wish:
    """The wish without a relation and its other thing, whose other relations become the subject's or go too."""
    gone = wish.relations[at]
    assert gone.other is not None
    things = [subject if index == gone.subject else thing for index, thing in enumerate(wish.things)]
    del things[gone.other]
    relations = tuple(
        renumbered(wish.relations[:at] + wish.relations[at + 1 :], gone.other, gone.subject if has_heir else None)
    )
    return replace(wish, things=tuple(things), relations=relations)


def renumbered(relations: Sequence[Relation], gone: int, heir: int | None) -> Iterator[Relation]:
    """Relations without a thing: those of it are its heir\'s, or go too."""
    for relation in relations:
        ends = [relation.subject, relation.other]
        if gone in ends and heir is None:
            continue
        moved = [heir if end == gone else end for end in ends]
        moved = [end - 1 if end is not None and end > gone else end for end in moved]
        if moved[0] is not None and moved[0] != moved[1]:
            yield Relation(relation.kind, moved[0], moved[1])
