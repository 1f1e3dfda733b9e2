"""All pictures by name: those of the pack, those that the project draws itself, and figures made of both.

A file of `own/` is an SVG of any size with a `viewBox`; `data-traits` on its root may hold a line as in `traits.txt`
without the names. It comes before a picture of the same name in the pack. Faces get a body (`figures.py`).
"""

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from easel.engines.sketch.pictures.figures import animal_body, person_body
from easel.engines.sketch.pictures.picture_pack import ID_MARK, OWN, SIDE, Entry, PicturePack
from easel.engines.sketch.pictures.traits import Traits, parsed, traits_of

PEOPLE: Final = {
    "man": "man", "woman": "woman", "girl": "girl", "boy": "boy", "child": "child", "person": "person",
    "old-man": "old-man", "old-woman": "old-woman", "older-person": "older-person", "man-beard": "man-beard",
    "woman-red-hair": "woman-red-hair", "man-red-hair": "man-red-hair", "woman-curly-hair": "woman-curly-hair",
    "man-curly-hair": "man-curly-hair", "woman-blonde-hair": "woman-blonde-hair", "man-bald": "man-bald",
    "man-blonde-hair": "man-blonde-hair", "woman-white-hair": "woman-white-hair", "man-white-hair": "man-white-hair",
    "santa-claus": "santa-claus", "mrs-claus": "mrs-claus", "clown-face": "clown-face", "baby": "baby",
    "person-curly-hair": "person-curly-hair", "person-blonde-hair": "person-blonde-hair",
    "person-red-hair": "person-red-hair", "men": "man", "women": "woman", "people": "person", "children": "child",
    "robot": "robot", "alien": "alien",
}  # fmt: skip
"""Faces that get a person's body."""
CROWDS: Final = {"people": ("woman", "man", "girl", "boy", "old-man", "person", "woman-red-hair", "man-beard"),
                 "men": ("man", "man-beard", "man-red-hair"),
                 "women": ("woman", "woman-red-hair", "woman-curly-hair"), "children": ("girl", "boy", "child")}  # fmt: skip
"""Names whose members differ from one another."""
CHILDREN: Final = frozenset({"girl", "boy", "child", "baby", "children"})
TONES: Final = ("", "-light", "-medium-light", "-medium", "-medium-dark", "-dark")
_TONE: Final = re.compile(r"-(light|medium-light|medium|medium-dark|dark)$")
_VIEW_BOX: Final = re.compile(r'viewBox="([^"]+)"')
_TRAITS: Final = re.compile(r'data-traits="([^"]+)"')


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that can be placed: its markup, what of it is drawn, and its traits."""

    name: str
    body: str
    box: tuple[float, float, float, float]
    base: tuple[float, float]
    main_colour: str
    traits: Traits
    category: str

    @property
    def width(self) -> float:
        """The width of the drawn part, in its own units."""
        return self.box[2] - self.box[0]

    @property
    def height(self) -> float:
        """The height of the drawn part, in its own units."""
        return self.box[3] - self.box[1]


def untoned(name: str) -> str:
    """The name of a picture without its skin tone."""
    return _TONE.sub("", name)


class Library:
    """Finds pictures. Safe for concurrent use."""

    def __init__(self, pack: PicturePack) -> None:
        self._pack = pack
        self._own = {file.stem: file for file in OWN.glob("*.svg")}
        self.emoji: Mapping[str, str] = {
            entry.emoji.replace("\ufe0f", ""): entry.name for entry in pack.entries.values() if entry.emoji
        }
        self.picture = functools.lru_cache(maxsize=64)(self._picture)

    def has(self, name: str) -> bool:
        """Whether there is a picture of this name."""
        return name in self._own or name in self._pack.entries or name in PEOPLE

    def traits(self, name: str) -> Traits:
        """The traits of a picture, without reading its body."""
        if name in self._own:
            return self._own_picture(name).traits
        entry = self._pack.entries.get(name)
        return traits_of(untoned(name), entry.category if entry is not None else "People & Body")

    def toned(self, name: str, tone: str) -> str:
        """The picture of a person with another skin, if there is one."""
        return name + tone if name + tone in self._pack.entries else name

    def _picture(self, name: str, clothes: str = "#3f7fd0", trousers: str = "#3f4a6b") -> Picture:
        """A picture by name. Raises KeyError. Clothes are for people that get a body."""
        if name in self._own:
            return self._own_picture(name)
        plain = untoned(name)
        face = PEOPLE.get(name) or (name if plain in PEOPLE else None)
        entry = self._pack.entries[face or name]
        traits = traits_of(plain, entry.category)
        if face is not None:
            body, box, base = person_body(self._body(entry), entry, clothes, trousers, is_child=plain in CHILDREN)
            return Picture(name, body, box, base, clothes, traits, entry.category)
        if traits.stance == "head":
            body, box, base = animal_body(self._body(entry), entry)
            return Picture(name, body, box, base, entry.main_colour, traits, entry.category)
        return Picture(name, self._body(entry), entry.box, entry.base, entry.main_colour, traits, entry.category)

    def _body(self, entry: Entry) -> str:
        return self._pack.body(entry.name)

    def _own_picture(self, name: str) -> Picture:
        return _own_picture(name, self._own[name])


@functools.lru_cache(maxsize=256)
def _own_picture(name: str, file: Path) -> Picture:
    """A drawing of this project. Its drawn part is its whole view box."""
    svg = file.read_text(encoding="utf-8")
    view, told = _VIEW_BOX.search(svg), _TRAITS.search(svg)
    assert view is not None, name
    left, top, width, height = map(float, view[1].split())
    body = svg[svg.index(">") + 1 : svg.rindex("</svg>")]
    body = re.sub(r'id="([^"]+)"', rf'id="{ID_MARK}\1"', body)
    body = re.sub(r"url\(#([^)]+)\)", rf"url(#{ID_MARK}\1)", body)
    traits = parsed(told[1]) if told is not None else traits_of(name, "Objects")
    colour = re.search(r'data-colour="(#[0-9a-f]{6})"', svg)
    box = (left, top, left + width, top + height)
    return Picture(name, body, box, (left, left + width), colour[1] if colour else "#808080", traits, "Objects")


assert SIDE == 32
