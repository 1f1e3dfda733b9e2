"""Composes a scene of a wish: chooses what the prompt leaves open, then arranges the units (`arrangement.py`)."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from easel.engines.sketch.backgrounds import background
from easel.engines.sketch.composing.arrangement import arranged
from easel.engines.sketch.composing.context import as_food, in_season, with_emblem, with_shapes
from easel.engines.sketch.composing.dice import Dice
from easel.engines.sketch.composing.furnishing import furnished, share
from easel.engines.sketch.composing.hidden import hidden
from easel.engines.sketch.composing.posing import posed, shows_pose
from easel.engines.sketch.composing.scene import Placed, Scene
from easel.engines.sketch.composing.settings import (
    afloat,
    ashore,
    chosen_place,
    chosen_season,
    chosen_time,
)
from easel.engines.sketch.composing.simplification import renumbered, simplified
from easel.engines.sketch.composing.supporting import supported
from easel.engines.sketch.composing.unit_builder import UnitBuilder
from easel.engines.sketch.composing.windows import seen_from_inside
from easel.engines.sketch.painting.lettering import can_write
from easel.engines.sketch.pictures.library import Library
from easel.engines.sketch.reading.wish import Thing, Wish

SIGN: Final = "sign"
ARRANGED_MAX: Final = 5
"""So many arrangements are tried until nothing of the prompt is covered."""


def compose(wish: Wish, width_px: int, height_px: int, seed: int, library: Library) -> Scene:
    """The scene of a wish. The same arguments give the same scene on every machine."""
    dice = Dice(seed, wish_key(wish))
    wished = as_food(with_shapes(with_emblem(wish)), library)
    wished = posed(simplified(seen_from_inside(wished, library), library), library)
    shown, missing = _drawable(_with_signs(wished), library)
    shown = supported(in_season(shown), library)
    if shown.place is not None and not background.has(shown.place):
        missing.append(shown.place)
        shown = replace(shown, place=None)
    place = shown.place or chosen_place(shown, library, dice.named("place"))
    place = afloat(ashore(place, shown, library), shown, library)
    stances = {library.traits(thing.picture).stance for thing in shown.things if not _hangs(thing, library)}
    is_close_up = stances == {"small"}
    ground = background.find(place, is_close_up=is_close_up, is_logo=shown.style == "logo")
    time = shown.time or chosen_time(shown, dice.named("time"))
    horizon = ground.horizon * height_px
    full = furnished(shown, place, library, dice.named("furniture"))
    builder = UnitBuilder(full, library, dice.named("units"))
    size = share(place) if full is not shown else 1.0
    placed, unseen = _best_arranged(
        lambda name: arranged(full, ground, (width_px, height_px), builder, dice.named(name), size), shown, library
    )
    told = (*wish.not_understood, *missing, *_unposed(shown, library), *unseen, *_unwritten(wish))
    return Scene(
        wish=shown,
        width_px=width_px,
        height_px=height_px,
        seed=seed,
        place=place,
        place_colour=shown.place_colour,
        backdrop=shown.backdrop,
        time=time,
        weather=shown.weather,
        season=chosen_season(shown, place, library),
        style=shown.style,
        horizon=horizon,
        is_close_up=is_close_up,
        placed=placed,
        not_drawn=tuple(dict.fromkeys(told)),
    )


def _unposed(wish: Wish, library: Library) -> list[str]:
    """The words for what things do that their pictures do not show."""
    return [thing.pose_word for thing in wish.things if thing.pose_word and not shows_pose(thing, library)]


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


def _owned(placed: Iterator[Placed], things: int) -> Iterator[Placed]:
    """The placed things; those that the prompt does not name belong to none of its things."""
    for one in placed:
        yield one if one.thing < things else replace(one, thing=-1)


def _hangs(thing: Thing, library: Library) -> bool:
    return "hangs" in library.traits(thing.picture).marks


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


def _unwritten(wish: Wish) -> list[str]:
    return [text for text in wish.quotes if not can_write(text)]


def _best_arranged(
    arrange: Callable[[str], Iterator[Placed]], wish: Wish, library: Library
) -> tuple[tuple[Placed, ...], list[str]]:
    """The first arrangement in which everything can be seen, or the one in which most can, and the words of the
    rest."""

    def aspect(one: Placed) -> float:
        picture = library.picture(one.picture, one.clothes, one.trousers, one.pose)
        return picture.width / picture.height

    held = {(one.subject, one.other) for one in wish.relations if one.kind == "inside" and one.other is not None}
    held |= {
        (one.other, one.subject)
        for one in wish.relations
        if one.kind == "on"
        and one.other is not None
        and library.traits(wish.things[one.other].picture).seat is not None
    }
    best: tuple[Placed, ...] = ()
    fewest: set[int] | None = None
    for attempt in range(ARRANGED_MAX):
        name = f"arrangement {attempt}" if attempt else "arrangement"
        placed = tuple(_owned(_inscribed(arrange(name), wish, library), len(wish.things)))
        unseen = set(range(len(wish.things))) - {one.thing for one in placed} | hidden(placed, aspect, held)
        if fewest is None or len(unseen) < len(fewest):
            best, fewest = placed, unseen
        if not unseen:
            break
    return best, [wish.things[at].word for at in sorted(fewest or ())]
