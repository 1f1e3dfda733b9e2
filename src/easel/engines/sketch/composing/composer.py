"""Composes a scene of a wish: chooses what the prompt leaves open, then arranges the units (`arrangement.py`)."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from easel.engines.sketch.backgrounds import background
from easel.engines.sketch.composing.arrangement import Arrangement
from easel.engines.sketch.composing.dice import Dice
from easel.engines.sketch.composing.scene import Placed, Scene
from easel.engines.sketch.composing.simplification import renumbered, simplified
from easel.engines.sketch.composing.supporting import supported
from easel.engines.sketch.composing.units import UnitBuilder
from easel.engines.sketch.painting.lettering import can_write
from easel.engines.sketch.pictures.library import Library
from easel.engines.sketch.reading.wish import Thing, Wish

SIGN: Final = "sign"
LANDSCAPES: Final = ("mountains", "meadow", "sea", "forest", "desert", "beach", "snow", "river")
INDOORS: Final = frozenset({"room", "kitchen"})
"""Places that furniture decides, before anything that may also stand outside."""
TIMES: Final = ("day", "day", "day", "day", "sunset", "dawn")


def compose(wish: Wish, width_px: int, height_px: int, seed: int, library: Library) -> Scene:
    """The scene of a wish. The same arguments give the same scene on every machine."""
    dice = Dice(seed, wish_key(wish))
    shown, missing = _drawable(_with_signs(simplified(wish, library)), library)
    shown = supported(shown, library)
    if shown.place is not None and not background.has(shown.place):
        missing.append(shown.place)
        shown = replace(shown, place=None)
    place = shown.place or _place(shown, library, dice.named("place"))
    place = _ashore(place, shown, library)
    ground = background.find(place)
    time = shown.time or _time(shown, dice.named("time"))
    horizon = ground.horizon * height_px
    builder = UnitBuilder(shown, library, dice.named("units"))
    arrangement = Arrangement(shown, ground, width_px, height_px, builder, dice.named("arrangement"))
    placed = tuple(_inscribed(arrangement.placed(), shown, library))
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


def _inscribed(placed: Iterator[Placed], wish: Wish, library: Library) -> Iterator[Placed]:
    """The placed things, with the texts on the signs, and no mirror writing."""
    texts = iter([text for text in wish.quotes if can_write(text)])
    for one in placed:
        text = next(texts, "") if one.picture == SIGN else one.text
        yield replace(one, text=text, is_mirrored=one.is_mirrored and "fixed" not in library.traits(one.picture).marks)


def wish_key(wish: Wish) -> str:
    """What makes the pictures of different prompts differ under the same seed."""
    return ";".join([*(f"{thing.picture},{thing.count},{thing.colour}" for thing in wish.things), wish.place or ""])


def _drawable(wish: Wish, library: Library) -> tuple[Wish, list[str]]:
    """The wish without things that have no picture, and their words."""
    missing: list[str] = []
    while True:
        gone = next((at for at, thing in enumerate(wish.things) if not library.has(thing.picture)), None)
        if gone is None:
            return wish, missing
        missing.append(wish.things[gone].word)
        things = wish.things[:gone] + wish.things[gone + 1 :]
        wish = replace(wish, things=things, relations=tuple(renumbered(wish.relations, gone, None)))


def _place(wish: Wish, library: Library, dice: Dice) -> str:
    """Where things are at home. Most of them decide, the first before the others."""
    if not wish.things:
        return dice.pick(LANDSCAPES) if wish.is_empty or not wish.quotes else background.PLAIN
    if wish.style == "logo":
        return background.PLAIN
    votes: Counter[str] = Counter()
    stances = [library.traits(thing.picture).stance for thing in wish.things]
    for number, thing in enumerate(wish.things):
        places_of = library.traits(thing.picture)
        for rank, place in enumerate(places_of.places):
            votes[place] += (
                (9 if places_of.stance == "swims" and rank == 0 else 6 if number == 0 else 4)
                - min(rank, 3)
                + (4 if rank == 0 and place in INDOORS else 0)
            )
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


def _ashore(place: str, wish: Wish, library: Library) -> str:
    """The beach instead of the open sea, if nothing is there that floats."""
    stances = {library.traits(thing.picture).stance for thing in wish.things} - {"flies", "sky"}
    return "beach" if place == "sea" and stances and not stances & {"swims", "deep"} else place


def _time(wish: Wish, dice: Dice) -> str:
    pictures = {thing.picture for thing in wish.things}
    if pictures & {
        "full-moon",
        "crescent-moon",
        "star",
        "shooting-star-trail",
        "fireworks-burst",
        "bat",
        "ghost",
        "aurora",
    }:
        return "night"
    return "day" if wish.weather is not None else dice.pick(TIMES)


def _unwritten(wish: Wish) -> list[str]:
    return [text for text in wish.quotes if not can_write(text)]


def _uncounted(wish: Wish, placed: tuple[Placed, ...]) -> list[str]:
    shown = {one.thing for one in placed}
    return [thing.word for at, thing in enumerate(wish.things) if at not in shown]
