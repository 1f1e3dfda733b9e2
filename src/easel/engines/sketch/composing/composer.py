"""Composes a scene of a wish: chooses what the prompt leaves open, then arranges the units (`arrangement.py`)."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from easel.engines.sketch.backgrounds import background
from easel.engines.sketch.composing.arrangement import Arrangement
from easel.engines.sketch.composing.dice import Dice
from easel.engines.sketch.composing.scene import Placed, Scene
from easel.engines.sketch.composing.units import CLOTHING, UnitBuilder
from easel.engines.sketch.painting.lettering import can_write
from easel.engines.sketch.pictures.library import Library
from easel.engines.sketch.reading.wish import Relation, Thing, Wish

SIGN: Final = "sign"
LANDSCAPES: Final = ("mountains", "meadow", "sea", "forest", "desert", "beach", "snow", "river")
INDOORS: Final = frozenset({"room", "kitchen"})
"""Places that furniture decides, before anything that may also stand outside."""
TIMES: Final = ("day", "day", "day", "day", "sunset", "dawn")
SHOWN_AT_ONCE: Final = {
    "riding": {"bicycle": "biking", "kick-scooter": "biking", "surfboard": "surfing", "water-wave": "surfing"},
}  # fmt: skip
"""Pictures that show two things and their relation by themselves."""


def compose(wish: Wish, width_px: int, height_px: int, seed: int, library: Library) -> Scene:
    """The scene of a wish. The same arguments give the same scene on every machine."""
    dice = Dice(seed, wish_key(wish))
    shown, missing = _drawable(_with_signs(_merged(wish, library)), library)
    if shown.place is not None and not background.has(shown.place):
        missing.append(shown.place)
        shown = replace(shown, place=None)
    place = shown.place or _place(shown, library, dice.named("place"))
    ground = background.find(place)
    time = shown.time or _time(shown, dice.named("time"))
    horizon = ground.horizon * height_px
    builder = UnitBuilder(shown, library, dice.named("units"))
    arrangement = Arrangement(shown, ground, width_px, height_px, builder, dice.named("arrangement"))
    placed = tuple(_inscribed(arrangement.placed(), shown))
    return Scene(
        wish=shown,
        width_px=width_px,
        height_px=height_px,
        seed=seed,
        place=place,
        place_colour=shown.place_colour,
        time=time,
        weather=shown.weather,
        season=shown.season or ("winter" if shown.weather == "snowfall" else None),
        style=shown.style,
        horizon=horizon,
        placed=placed,
        not_drawn=tuple(dict.fromkeys((*wish.not_understood, *missing, *_uncounted(shown, placed), *_unwritten(wish)))),
    )


def _with_signs(wish: Wish) -> Wish:
    """The wish with a sign for each text that no sign of the prompt carries yet. Unwritable texts get none."""
    texts = [text for text in wish.quotes if can_write(text)]
    signs = sum(thing.count for thing in wish.things if thing.picture == SIGN)
    more = tuple(Thing(SIGN, text) for text in texts[signs:])
    return replace(wish, things=wish.things + more)


def _inscribed(placed: Iterator[Placed], wish: Wish) -> Iterator[Placed]:
    """The placed things, with the texts on the signs."""
    texts = iter([text for text in wish.quotes if can_write(text)])
    for one in placed:
        yield replace(one, text=next(texts, ""), is_mirrored=False) if one.picture == SIGN else one


def wish_key(wish: Wish) -> str:
    """What makes the pictures of different prompts differ under the same seed."""
    return ";".join([*(f"{thing.picture},{thing.count},{thing.colour}" for thing in wish.things), wish.place or ""])


def _merged(wish: Wish, library: Library) -> Wish:
    """The wish with pairs of things replaced by one picture that shows both, and clothes by their colour."""
    for at, relation in enumerate(wish.relations):
        if relation.other is None or relation.kind not in ("riding", "on", "wearing", "inside"):
            continue
        subject, other = wish.things[relation.subject], wish.things[relation.other]
        shown = SHOWN_AT_ONCE["riding"].get(other.picture)
        if shown is not None and subject.picture in ("man", "woman", "person", "boy", "girl", "child"):
            who = {"boy": "man", "girl": "woman", "child": "person"}.get(subject.picture, subject.picture)
            return _merged(_without(wish, at, replace(subject, picture=f"{who}-{shown}")), library)
        if other.picture in CLOTHING and relation.kind in ("wearing", "inside") and other.colour is not None:
            return _merged(_without(wish, at, replace(subject, colour=other.colour)), library)
        if _is_served(wish, relation, library):
            return _merged(replace(_without(wish, at, subject), place="table-top"), library)
    return wish


def _is_served(wish: Wish, relation: Relation, library: Library) -> bool:
    """Whether all there is are small things on a table, which then fills the picture."""
    if relation.kind != "on" or relation.other is None or wish.things[relation.other].picture != "table" or wish.place:
        return False
    others = [thing for at, thing in enumerate(wish.things) if at != relation.other]
    return all(library.traits(thing.picture).stance == "small" for thing in others)


def _without(wish: Wish, at: int, subject: Thing) -> Wish:
    """The wish without a relation and its other thing."""
    gone = wish.relations[at]
    assert gone.other is not None
    things = [subject if index == gone.subject else thing for index, thing in enumerate(wish.things)]
    del things[gone.other]
    relations = tuple(_renumbered(wish.relations[:at] + wish.relations[at + 1 :], gone.other, gone.subject))
    return replace(wish, things=tuple(things), relations=relations)


def _renumbered(relations: Sequence[Relation], gone: int, heir: int | None) -> Iterator[Relation]:
    for relation in relations:
        ends = [relation.subject, relation.other]
        if gone in ends and heir is None:
            continue
        moved = [heir if end == gone else end for end in ends]
        moved = [end - 1 if end is not None and end > gone else end for end in moved]
        if moved[0] is not None and moved[0] != moved[1]:
            yield Relation(relation.kind, moved[0], moved[1])


def _drawable(wish: Wish, library: Library) -> tuple[Wish, list[str]]:
    """The wish without things that have no picture, and their words."""
    missing: list[str] = []
    while True:
        gone = next((at for at, thing in enumerate(wish.things) if not library.has(thing.picture)), None)
        if gone is None:
            return wish, missing
        missing.append(wish.things[gone].word)
        things = wish.things[:gone] + wish.things[gone + 1 :]
        wish = replace(wish, things=things, relations=tuple(_renumbered(wish.relations, gone, None)))


def _place(wish: Wish, library: Library, dice: Dice) -> str:
    """Where things are at home. Most of them decide, the first before the others."""
    if not wish.things:
        return dice.pick(LANDSCAPES) if wish.is_empty or not wish.quotes else background.PLAIN
    if wish.style == "logo":
        return background.PLAIN
    votes: Counter[str] = Counter()
    stances = [library.traits(thing.picture).stance for thing in wish.things]
    for number, thing in enumerate(wish.things):
        for rank, place in enumerate(library.traits(thing.picture).places):
            votes[place] += (6 if number == 0 else 4) - min(rank, 3) + (4 if rank == 0 and place in INDOORS else 0)
    if any(stance not in ("flies", "sky", "small") for stance in stances):
        votes.pop("sky", None)
    if any(stance not in ("small", "sky") for stance in stances):
        for indoors in ("table-top", "studio"):
            votes.pop(indoors, None)
    if {"space"} & votes.keys() and any(stance in ("stands", "head", "swims") for stance in stances):
        votes = Counter({"planet": 1})
    if not votes:
        return "meadow"
    best = max(votes.values())
    return dice.pick([place for place in votes if votes[place] >= best - 1])


def _time(wish: Wish, dice: Dice) -> str:
    pictures = {thing.picture for thing in wish.things}
    if pictures & {"full-moon", "crescent-moon", "star", "shooting-star-trail", "fireworks-burst", "bat", "ghost"}:
        return "night"
    return "day" if wish.weather is not None else dice.pick(TIMES)


def _unwritten(wish: Wish) -> list[str]:
    return [text for text in wish.quotes if not can_write(text)]


def _uncounted(wish: Wish, placed: tuple[Placed, ...]) -> list[str]:
    shown = {one.thing for one in placed}
    return [thing.word for at, thing in enumerate(wish.things) if at not in shown]
