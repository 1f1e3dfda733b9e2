"""Changes the things of a wish by what the whole is: a logo, an abstract picture, a meal."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from easel.engines.sketch.backgrounds import background
from easel.engines.sketch.pictures.library import Library
from easel.engines.sketch.reading.wish import Thing, Wish

EDIBLE: Final = frozenset({"mushroom", "brown-mushroom", "herb", "shamrock", "sheaf-of-rice", "leafy-green"})
"""Plants that are food where there is a meal."""
SHAPES: Final = frozenset({"water-wave"})
"""Things that are mere shapes where all is abstract."""
SEASONAL: Final[Mapping[str, Mapping[str, tuple[str, str | None]]]] = {
    "autumn": {"deciduous-tree": ("deciduous-tree", "orange"), "bush": ("bush", "orange")},
    "winter": {"deciduous-tree": ("leafless-tree", None)},
    "spring": {"deciduous-tree": ("deciduous-tree", "pink")},
}  # fmt: skip
"""What trees look like in each season: their picture and colour."""
EMBLEMS: Final = {
    "beach": "palm-tree", "cafe": "hot-beverage", "cave": "crystals", "city": "skyscraper", "desert": "cactus",
    "farm": "barn", "forest": "evergreen-tree", "garden": "tulip", "kitchen": "cooking-pot", "library": "books",
    "market": "shopping-cart", "meadow": "sunflower", "mountains": "snow-capped-mountain", "planet": "moon-rover",
    "river": "canoe", "road": "automobile", "room": "armchair", "sea": "sailboat", "sky": "cloud", "snow": "snowflake",
    "space": "rocket", "stadium": "trophy", "stage": "microphone", "street": "street-lamp", "underwater": "tropical-fish",
}  # fmt: skip
"""What stands for a place on its logo."""


def with_emblem(wish: Wish) -> Wish:
    """A wish for a logo: on plain ground, and of a place by what stands for it."""
    if wish.style != "logo" or wish.place in (None, background.PLAIN):
        return wish
    assert wish.place is not None
    emblem = EMBLEMS.get(wish.place)
    things = wish.things
    if emblem is not None and emblem not in {thing.picture for thing in things}:
        things = (*things, Thing(emblem, wish.place))
    return replace(wish, things=things, place=background.PLAIN)


def with_shapes(wish: Wish) -> Wish:
    """A wish for abstract shapes without the things that the place itself shows, but with their colour."""
    waves = [thing for thing in wish.things if thing.picture in SHAPES]
    if wish.place != "abstract" or not waves or len(waves) < len(wish.things):
        return wish
    return replace(wish, things=(), relations=(), place_colour=wish.place_colour or waves[0].colour)


def as_food(wish: Wish, library: Library) -> Wish:
    """The wish with mushrooms and herbs as small as they are on a plate, if it is a meal that they are named after."""
    if wish.place is not None or not is_meal(wish, library):
        return wish
    things = [replace(thing, size="tiny") if thing.picture in EDIBLE else thing for thing in wish.things]
    return replace(wish, things=tuple(things))


def in_season(wish: Wish) -> Wish:
    """The wish with trees as its season has them, unless it says their colour."""
    look = SEASONAL.get(wish.season or "", {})
    things = [_as_seasonal(thing, look) if thing.colour is None else thing for thing in wish.things]
    return replace(wish, things=tuple(things))


def _as_seasonal(thing: Thing, look: Mapping[str, tuple[str, str | None]]) -> Thing:
    picture, colour = look.get(thing.picture, (thing.picture, None))
    return replace(thing, picture=picture, colour=colour)


def is_meal(wish: Wish, library: Library) -> bool:
    """Whether a wish is named after something that is at home on a table."""
    return bool(wish.things) and library.traits(wish.things[0].picture).places[:1] == ("table-top",)
