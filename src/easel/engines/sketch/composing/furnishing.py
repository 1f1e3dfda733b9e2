"""Furnishes places that would be empty: a room of which no thing is named has a sofa and a lamp.

These things belong to no thing of the prompt.
"""

from dataclasses import replace
from typing import Final

from easel.engines.sketch.composing.dice import Dice
from easel.engines.sketch.pictures.library import Library
from easel.engines.sketch.reading.wish import Thing, Wish

SETS: Final[dict[str, tuple[tuple[str, ...], ...]]] = {
    "room": (("sofa", "lamp"), ("potted-plant", "sofa"), ("armchair", "lamp"), ("bookshelf", "armchair")),
    "cafe": (("chair", "table", "chair"),),
    "garden": (("bench",), ("fountain",)),
    "beach": (("beach-umbrella",), ("palm-tree",), ("palm-tree", "beach-umbrella")),
    "farm": (("tractor",), ("hay-bale", "cow"), ("cow",)),
    "stage": (("microphone",), ("drum-kit",)),
    "street": (("street-lamp", "automobile"), ("bicycle", "street-lamp")),
    "road": (("automobile",),),
    "stadium": (("soccer-ball",),),
    "library": (("armchair", "lamp"), ("desk",)),
}
"""For each place what may be there, from left to right."""


LOW: Final = ("sofa", "armchair", "bed")
"""What may stand below what hangs on the wall."""
INDOORS: Final = frozenset({"room", "cafe", "library"})
INDOORS_SHARE: Final = 0.82
OUTDOORS_SHARE: Final = 0.5


def share(place: str) -> float:
    """How large these things are, compared with things that the prompt names."""
    return INDOORS_SHARE if place in INDOORS else OUTDOORS_SHARE


def furnished(wish: Wish, place: str, library: Library, dice: Dice) -> Wish:
    """The wish with things for its place, if it names none that stand there."""
    if any("hangs" not in library.traits(thing.picture).marks for thing in wish.things) or wish.style == "logo":
        return wish
    if place not in SETS or wish.quotes:
        return wish
    if wish.things:
        return replace(wish, things=(*wish.things, Thing(dice.pick(LOW), "")))
    more = tuple(Thing(name, name) for name in dice.pick(SETS[place]))
    return replace(wish, things=wish.things + more)
