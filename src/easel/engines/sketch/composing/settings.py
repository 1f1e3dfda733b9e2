"""Chooses where and when a scene is if the prompt does not say it: where most of its things are at home."""

from collections import Counter
from typing import Final

from easel.engines.sketch.backgrounds import background
from easel.engines.sketch.composing.context import EDIBLE, is_meal
from easel.engines.sketch.composing.dice import Dice
from easel.engines.sketch.pictures.library import Library
from easel.engines.sketch.reading.wish import Thing, Wish

LANDSCAPES: Final = ("mountains", "meadow", "sea", "forest", "desert", "beach", "snow", "river")
FURNISHED: Final = frozenset({"room", "kitchen"})
"""Places that furniture decides, before anything that may also stand outside."""
INDOORS: Final = frozenset({"room", "kitchen", "library", "cafe", "stage", "table-top", "studio"})
INDOORS_VOTES: Final = 8
WITH_LAKES: Final = frozenset({"mountains", "meadow", "forest"})
"""Places where there may be a lake."""
BUILDING_M: Final = 3.6
"""What is as tall as this is never indoors."""
TOWNS: Final = frozenset({"city", "street", "cafe", "market"})
TIMES: Final = ("day", "day", "day", "day", "day", "day", "sunset", "dawn")
NIGHTLY: Final = frozenset({
    "full-moon", "crescent-moon", "star", "shooting-star-trail", "fireworks-burst", "bat", "ghost", "aurora",
})  # fmt: skip
"""What is seen at night."""


def chosen_place(wish: Wish, library: Library, dice: Dice) -> str:
    """Where things are at home. Most of them decide, the first before the others."""
    if not wish.things:
        return dice.pick(LANDSCAPES) if wish.is_empty or not wish.quotes else background.PLAIN
    if wish.style == "logo":
        return background.PLAIN
    votes = _votes(wish, library)
    if any(thing.pose == "swimming" for thing in wish.things) and not {"sea", "underwater"} & votes.keys():
        return "sea"
    if not votes:
        return "meadow"
    best = max(votes.values())
    return dice.pick([place for place in votes if votes[place] >= best - 1])


def _votes(wish: Wish, library: Library) -> Counter[str]:
    """How much each place fits. Places where one of the things cannot be have no votes."""
    votes: Counter[str] = Counter()
    placing = [thing for thing in wish.things if not _is_contained(wish, thing, library)]
    if is_meal(wish, library):
        placing = [thing for thing in placing if thing.picture not in EDIBLE]
    traits = [library.traits(thing.picture) for thing in placing]
    for number, known in enumerate(traits):
        for rank, place in enumerate(known.places):
            votes[place] += (
                (9 if known.stance == "swims" and rank == 0 else 6 if number == 0 else 4)
                - min(rank, 3)
                + (INDOORS_VOTES if rank == 0 and place in FURNISHED and _is_furniture(placing[number], library) else 0)
            )
    stances = {known.stance for known in traits}
    unfit: set[str] = set()
    if stances - {"flies", "sky"}:
        unfit.add("sky")
    if stances - {"small", "sky"}:
        unfit |= {"table-top", "studio"}
    if "sky" in stances or any(known.stance == "stands" and known.height_m >= BUILDING_M for known in traits):
        unfit |= INDOORS
    if any(_is_rural(thing, library) for thing in placing):
        unfit |= TOWNS
    if "space" in votes and stances & {"stands", "head", "swims"}:
        return Counter({"planet": 1})
    return Counter({place: count for place, count in votes.items() if place not in unfit})


def _is_furniture(thing: Thing, library: Library) -> bool:
    """Whether a thing stands indoors and nowhere else."""
    traits = library.traits(thing.picture)
    return traits.stance == "stands" and len(traits.places) == 1 and not library.is_creature(thing.picture)


def _is_rural(thing: Thing, library: Library) -> bool:
    """Whether a thing is a building that does not stand in a town, such as a castle."""
    traits = library.traits(thing.picture)
    is_building = traits.stance == "stands" and traits.height_m >= BUILDING_M and "plant" not in traits.marks
    return is_building and not library.is_creature(thing.picture) and not TOWNS & set(traits.places)


def _is_contained(wish: Wish, thing: Thing, library: Library) -> bool:
    """Whether a thing is a flower in a vase, food in a bowl or a fish on a plate, which may be wherever these are."""
    if library.is_creature(thing.picture) and library.traits(thing.picture).stance not in ("swims", "deep"):
        return False
    held = (one for one in wish.relations if one.kind in ("inside", "on") and wish.things[one.subject] is thing)
    holders = (one.other for one in held)
    return any(at is not None and library.traits(wish.things[at].picture).stance == "small" for at in holders)


def ashore(place: str, wish: Wish, library: Library) -> str:
    """The beach instead of the open sea, if nothing is there that floats."""
    stances = {library.traits(thing.picture).stance for thing in wish.things} - {"flies", "sky"}
    floats = stances & {"swims", "deep"} or any(thing.pose == "swimming" for thing in wish.things)
    return "beach" if place == "sea" and stances and not floats else place


def afloat(place: str, wish: Wish, library: Library) -> str:
    """A lake instead of dry land in a landscape, if a boat or a swan is there."""
    floats = any(library.traits(thing.picture).stance == "swims" for thing in wish.things)
    return "lake" if floats and place in WITH_LAKES else place


def chosen_time(wish: Wish, dice: Dice) -> str:
    """Mostly day, and night if something is there that is seen then."""
    if {thing.picture for thing in wish.things} & NIGHTLY:
        return "night"
    return "day" if wish.weather is not None else dice.pick(TIMES)


def chosen_season(wish: Wish, place: str, library: Library) -> str | None:
    """Winter where something is that is at home in snow, or if snow falls."""
    if wish.season is not None or place == "snow":
        return wish.season
    at_home = [library.traits(thing.picture).places[:1] for thing in wish.things]
    return "winter" if wish.weather == "snowfall" or ("snow",) in at_home else None
