"""Judges a composed scene by an expectation: a verdict for each thing, count, colour, size, relation and setting."""

import functools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from easel.engines.sketch.backgrounds import background
from easel.engines.sketch.composing.composer import compose
from easel.engines.sketch.composing.scene import Scene
from easel.engines.sketch.painting.colour import NAMED, oklab
from easel.engines.sketch.pictures.library import Library, untoned
from easel.engines.sketch.reading.wish import Wish
from tools.sketch_evaluation.expectation import COUNTS_MIN, FOLDER, Bond, Expectation, Item, table_of
from tools.sketch_evaluation.geometry import holds, is_at
from tools.sketch_evaluation.sight import Seen, Sight

KINDS: Final = ("things", "counts", "colours", "sizes", "relations", "places", "moods")
"""What is judged. Moods are times, weathers, seasons and styles."""
FAMILIES: Final = (
    {"yellow", "gold"}, {"green", "dark-green", "lime"}, {"blue", "light-blue", "dark-blue"}, {"gray", "silver"},
)  # fmt: skip
"""Colours that people call by one name where a thing has one of them by nature."""
CLOTHES: Final = frozenset({"dress", "sari", "coat", "kimono", "t-shirt"})
"""What may be shown as the colour of the clothes of who wears it."""
PERSONS: Final = ("man", "woman", "person")
CHANGE_MIN: Final = 1.04
"""So much larger is a thing that is said to be big than without that word."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether one thing that was asked for is right."""

    kind: str
    asked: str
    is_right: bool


@dataclass(frozen=True, slots=True)
class _Found:
    """The pictures that show an item."""

    item: Item
    seen: tuple[Seen, ...]
    is_shown_by_setting: bool = False

    @property
    def visible(self) -> list[Seen]:
        return [one for one in self.seen if one.is_seen]


class Judge:
    """Judges scenes."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._sight = Sight(library)

    def verdicts(self, expected: Expectation, scene: Scene, wish: Wish) -> list[Verdict]:
        """The verdicts on a scene that was composed of a wish."""
        found = self._found(expected, scene)
        plain = None
        judged: list[Verdict] = []
        for one in found.values():
            judged += _of_item(one)
            if one.item.size is not None and one.visible:
                plain = plain or self._found(expected, self._without_sizes(scene, wish))
                judged.append(_of_size(one, found, plain))
        judged += [_of_bond(bond, found, scene) for bond in expected.bonds]
        return judged + [_of_setting(names, scene) for names in expected.settings]

    def of_items(self, expected: Expectation, scene: Scene) -> list[Verdict]:
        """The verdicts on things, counts and colours alone."""
        return [verdict for found in self._found(expected, scene).values() for verdict in _of_item(found)]

    def seen(self, expected: Expectation, scene: Scene) -> dict[str, list[Seen]]:
        """What shows each item, and can be seen."""
        return {name: found.visible for name, found in self._found(expected, scene).items()}

    def unasked(self, expected: Expectation, scene: Scene) -> list[str]:
        """The pictures of a scene that nothing asked for."""
        used = {one.order for found in self._found(expected, scene).values() for one in found.seen}
        return [
            one.placed.picture for one in self._sight.look(scene) if one.order not in used and one.placed.thing >= 0
        ]

    def _without_sizes(self, scene: Scene, wish: Wish) -> Scene:
        plain = replace(wish, things=tuple(replace(thing, size=None) for thing in wish.things))
        return compose(plain, scene.width_px, scene.height_px, scene.seed, self._library)

    def _found(self, expected: Expectation, scene: Scene) -> dict[str, _Found]:
        """Which things of the scene are which items: each thing at most one, those that fit best first."""
        seen = self._sight.look(scene)
        groups = [[one for one in seen if one.placed.thing == at] for at in range(len(scene.wish.things))]
        pairs = sorted(
            ((-_fit(item, groups[at], scene), abs(number - at), number, at)
             for number, item in enumerate(expected.items) for at in range(len(groups))
             if any(_shows(item, one, scene) for one in groups[at])),
        )  # fmt: skip
        taken: dict[int, int] = {}
        for _, _, number, at in pairs:
            if number not in taken.values() and at not in taken:
                taken[at] = number
        for _, _, number, at in pairs:
            taken.setdefault(at, number)
        found = {}
        for number, item in enumerate(expected.items):
            own = [one for at, group in enumerate(groups) if taken.get(at) == number for one in group]
            found[item.name] = self._with_shown(item, [one for one in own if _shows(item, one, scene)], seen, scene)
        return _with_clothes(expected, found)

    def _with_shown(self, item: Item, own: list[Seen], seen: list[Seen], scene: Scene) -> _Found:
        """An item that another picture or the place shows, if nothing shows it by itself."""
        if own:
            return _Found(item, tuple(own))
        shown = [one for one in seen if item.pictures & self._shown_with(one.placed.picture)]
        is_setting = not shown and bool(item.settings & _settings(scene))
        return _Found(item, tuple(shown), is_setting)

    def _shown_with(self, picture: str) -> set[str]:
        listed = {name for name, _ in self._library.traits(untoned(picture)).shows}
        return listed | set(_shown_at_once().get(untoned(picture), ("", ()))[1])


def _of_item(found: _Found) -> Iterator[Verdict]:
    item, visible = found.item, found.visible
    is_there = bool(visible) or found.is_shown_by_setting
    is_one = item.count is not None or found.is_shown_by_setting or len(visible) == 1
    yield Verdict("things", item.name, is_there and is_one)
    if item.count is not None and item.count != "any":
        yield Verdict("counts", f"{item.name}*{item.count}", _is_counted(item.count, len(visible)))
    if item.colour is not None:
        is_right = bool(visible) and all(_has_colour(one, item.colour) for one in visible)
        yield Verdict("colours", f"{item.name}:{item.colour}", is_right)


def _is_counted(asked: str, number: int) -> bool:
    return number == int(asked) if asked.isdigit() else number >= COUNTS_MIN[asked]


def _of_size(one: _Found, found: dict[str, _Found], plain: dict[str, _Found]) -> Verdict:
    """A big thing is larger, beside the others or alone in the picture, than it would be without that word."""
    now, usual = (_relative_height(one.item.name, of) for of in (found, plain))
    ratio = now / usual if usual else 0.0
    is_right = ratio >= CHANGE_MIN if one.item.size == "big" else 0 < ratio <= 1 / CHANGE_MIN
    return Verdict("sizes", f"{one.item.name}:{one.item.size}", is_right)


def _relative_height(name: str, found: dict[str, _Found]) -> float:
    own = _height(found[name].seen)
    others = [_height(one.seen) for other, one in found.items() if other != name and one.seen]
    return own / (sum(others) / len(others)) if others else own


def _height(seen: Sequence[Seen]) -> float:
    return sum(one.height for one in seen) / len(seen) if seen else 0.0


def _of_bond(bond: Bond, found: dict[str, _Found], scene: Scene) -> Verdict:
    subjects = found[bond.subject].visible
    others = [one for name in bond.others for one in found[name].visible]
    is_at_place = any(found[name].is_shown_by_setting for name in bond.others)
    is_right = any(
        is_at(kind, subjects, scene) if is_at_place else _is_one(subjects, others, kind) or holds(kind, subjects, others, scene)
        for kind in bond.kinds
    )  # fmt: skip
    return Verdict("relations", str(bond), is_right)


def _is_one(subjects: list[Seen], others: list[Seen], kind: str) -> bool:
    """Whether one picture shows both, in this relation."""
    if not subjects or [one.order for one in subjects] != [one.order for one in others]:
        return False
    shown = _shown_at_once().get(untoned(subjects[0].placed.picture))
    return kind in ("wearing", "holding") if shown is None else shown[0] == kind


def _of_setting(names: frozenset[str], scene: Scene) -> Verdict:
    kind = "places" if names & set(background.names()) else "moods"
    return Verdict(kind, "@" + "/".join(sorted(names)), bool(names & _settings(scene)))


def _settings(scene: Scene) -> set[str]:
    return {scene.place, scene.time, scene.weather or "", scene.season or "", scene.style or ""}


def _fit(item: Item, group: Sequence[Seen], scene: Scene) -> int:
    visible = [one for one in group if one.is_seen]
    colour = item.colour is not None and bool(visible) and all(_has_colour(one, item.colour) for one in visible)
    count = _is_counted(item.count or "1", len(visible))
    return 4 * colour + 2 * count + (scene.wish.things[group[0].placed.thing].size == item.size)


def _shows(item: Item, one: Seen, scene: Scene) -> bool:
    names = {untoned(one.placed.picture), scene.wish.things[one.placed.thing].picture}
    return any(_is_a(name, asked) for name in names for asked in item.pictures)


def _is_a(name: str, asked: str) -> bool:
    """Whether a picture shows what was asked for: `woman-red-hair` shows a woman, `man-cook` a cook."""
    first, _, rest = name.partition("-")
    return name == asked or (first in PERSONS and asked in (first, rest))


def _with_clothes(expected: Expectation, found: dict[str, _Found]) -> dict[str, _Found]:
    """Clothes that are not a picture of their own are their wearer's."""
    for bond in expected.bonds:
        for name in bond.others if "wearing" in bond.kinds else ():
            if name in CLOTHES and not found[name].seen:
                found[name] = replace(found[name], seen=found[bond.subject].seen)
    return found


def _has_colour(one: Seen, asked: str) -> bool:
    if one.placed.colour is not None:
        return one.placed.colour == asked
    natural = _nearest(one.main_colour)
    return natural == asked or any({natural, asked} <= family for family in FAMILIES)


@functools.cache
def _nearest(colour: str) -> str:
    """The name of the colour that is nearest."""
    return min(NAMED, key=lambda name: math.dist(oklab(NAMED[name]), oklab(colour)))


@functools.cache
def _shown_at_once() -> dict[str, tuple[str, tuple[str, ...]]]:
    """For a picture that shows several things: their relation, and the things besides its own."""
    found = {}
    for pictures, told in table_of(FOLDER / "shows.txt"):
        names, relation = told.split(" : ")
        for picture in pictures.split():
            found[picture] = (relation, tuple(names.split()))
    return found
