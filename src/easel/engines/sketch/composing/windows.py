"""Shows those who look out of a window from inside: before a window through which the place is seen that they look
at."""

from dataclasses import replace
from typing import Final

from easel.engines.sketch.composing.settings import INDOORS
from easel.engines.sketch.pictures.library import Library
from easel.engines.sketch.reading.wish import Wish

WINDOW: Final = "window"
AT_A_WINDOW: Final = frozenset({"looking-out", "looking", "inside", "on", "next", "in-front"})
VIEWS: Final = {
    "beach": "sea", "city": "city", "desert": "sea", "forest": "forest", "garden": "forest", "jungle": "forest",
    "lake": "sea", "mountains": "mountains", "river": "forest", "sea": "sea", "snow": "mountains", "street": "city",
    "underwater": "sea",
}  # fmt: skip
WEATHERS: Final = {"rain": "rain", "storm": "rain", "snowfall": "snow"}
"""What is seen through the window instead of a meadow, by the place and by the weather."""


def seen_from_inside(wish: Wish, library: Library) -> Wish:
    """The wish in a room with a view, if one of its things is at a window."""
    at = next(
        (
            relation.other
            for relation in wish.relations
            if relation.other is not None
            and wish.things[relation.other].picture == WINDOW
            and relation.kind in AT_A_WINDOW
            and library.is_creature(wish.things[relation.subject].picture)
            and (relation.kind == "looking-out" or wish.place not in INDOORS or relation.kind == "on")
        ),
        None,
    )
    if at is None:
        return wish
    view = VIEWS.get(wish.place or "") or WEATHERS.get(wish.weather or "")
    window = replace(wish.things[at], picture=f"{WINDOW}-{view}" if view else WINDOW)
    things = (*wish.things[:at], window, *wish.things[at + 1 :])
    relations = tuple(
        replace(one, kind="at-window") if one.other == at and one.kind in AT_A_WINDOW else one for one in wish.relations
    )
    return replace(wish, things=things, relations=relations, place=wish.place if wish.place in INDOORS else "room")
