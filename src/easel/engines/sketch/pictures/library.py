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

from easel.engines.sketch.painting.markup import Point
from easel.engines.sketch.pictures.bodies import BODIES
from easel.engines.sketch.pictures.figures import Box3, Figure, animal_body, lying_body, person_body
from easel.engines.sketch.pictures.picture_pack import ID_MARK, OWN, SIDE, Entry, PicturePack
from easel.engines.sketch.pictures.traits import Traits, parsed, traits_of
from easel.engines.sketch.pictures.unicorn import HORSE, unicorn_body
from easel.engines.sketch.pictures.uniforms import robed_body, uniformed_body

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
                 "vegetables": ("carrot", "tomato", "broccoli", "leafy-green", "eggplant", "bell-pepper", "ear-of-corn"),
                 "fruit": ("red-apple", "banana", "tangerine", "pear", "strawberry", "grapes", "pineapple"),
                 "women": ("woman", "woman-red-hair", "woman-curly-hair"), "children": ("girl", "boy", "child"),
                 "person-dancing": ("woman-dancing", "man-dancing")}  # fmt: skip
"""Names whose members differ from one another."""
CHILDREN: Final = frozenset({"girl", "boy", "child", "baby", "children"})
UNICORN: Final = "unicorn"
SEATED: Final = frozenset(name for name, body in BODIES.items() if body.sits)
TONES: Final = ("-light", "-medium-light", "-medium", "-medium-dark", "-dark")
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
    grip: Point | None = None
    """Where a hand of it holds something: to the right of its middle and above its lower edge, as shares of its
    height."""
    sits: float = 0.0
    """How much of its height hangs down from what it sits on."""
    lifted: float = 0.0
    """How far it is above the ground, as a share of its height."""
    head_box: Box3 | None = None
    """Its head: to the right of its middle, its top above the lower edge, and its width, as shares of its height."""

    @property
    def has_front(self) -> bool:
        """Whether it is a body that looks at us, not one that is seen from its side."""
        return self.head_box is not None

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
        return name in self._own or name in self._pack.entries or name in PEOPLE or name in CROWDS

    def traits(self, name: str) -> Traits:
        """The traits of a picture, without reading its body."""
        if name in self._own:
            return self._own_picture(name).traits
        if name in CROWDS and name not in PEOPLE:
            return self.traits(CROWDS[name][0])
        entry = self._pack.entries.get(name)
        return traits_of(untoned(name), entry.category if entry is not None else "People & Body")

    def toned(self, name: str, tone: str) -> str:
        """The picture of a person with another skin, if there is one."""
        return name + tone if name + tone in self._pack.entries else name

    def has_limbs(self, name: str) -> bool:
        """Whether a picture gets a person's body, which may sit and hold its limbs in other ways."""
        return name not in self._own and (untoned(name) in PEOPLE or bool(self.traits(name).suit))

    def is_person(self, name: str) -> bool:
        """Whether a picture shows somebody."""
        if name in self._own:
            return False
        entry = self._pack.entries.get(name)
        is_human = entry is None or entry.category == "People & Body"
        return untoned(name) in PEOPLE or (is_human and self.traits(name).stance != "small")

    def is_creature(self, name: str) -> bool:
        """Whether a picture shows somebody or an animal."""
        traits, entry = self.traits(name), self._pack.entries.get(name)
        if "creature" in traits.marks or self.is_person(name):
            return True
        is_animal = name not in self._own and entry is not None and entry.category == "Animals & Nature"
        return is_animal and "plant" not in traits.marks and traits.stance != "sky"

    def variants(self, name: str) -> tuple[str, ...]:
        """Pictures of the same person as a man and as a woman. Empty if there are none."""
        traits = self.traits(name)
        if name in self._own or untoned(name) in PEOPLE or not (traits.suit or traits.stance == "bust"):
            return ()
        return tuple(each for each in (f"man-{name}", f"woman-{name}") if each in self._pack.entries)

    def _picture(
        self, name: str, clothes: str = "#3f7fd0", trousers: str = "#3f4a6b", pose: str = "standing"
    ) -> Picture:
        """A picture by name. Raises KeyError. Clothes and pose are for faces that get a body."""
        if name in CROWDS and name not in PEOPLE:
            name = CROWDS[name][0]
        if name in self._own:
            return self._own_picture(name)
        plain = untoned(name)
        face = PEOPLE.get(name) or (name if plain in PEOPLE else None)
        entry = self._pack.entries[face or name]
        traits = traits_of(plain, entry.category)
        if face is not None and pose != "face":
            figure = person_body(self._body(entry), entry, clothes, trousers, is_child=plain in CHILDREN, pose=pose)
            return _of_figure(name, figure, clothes, traits, entry)
        colour = traits.main_colour or entry.main_colour
        if name == UNICORN:
            horse = self._pack.entries[HORSE]
            return _of_figure(name, unicorn_body(self._body(horse), horse), colour, traits, entry)
        if traits.stance == "head" and pose != "face":
            has_tail = "tailless" not in traits.marks
            figure = (
                lying_body(self._body(entry), entry, colour)
                if pose == "lying"
                else animal_body(self._body(entry), entry, colour, has_tail=has_tail)
            )
            return _of_figure(name, figure, colour, traits, entry)
        if traits.suit:
            make = uniformed_body if len(traits.suit) > 1 else robed_body
            is_busy, sits = "busy" in traits.marks, pose in SEATED
            figure = make(self._body(entry), entry, *traits.suit, is_busy=is_busy, sits=sits)
            return _of_figure(name, figure, traits.suit[0], traits, entry)
        return Picture(name, self._body(entry), entry.box, entry.base, colour, traits, entry.category)

    def _body(self, entry: Entry) -> str:
        return self._pack.body(entry.name)

    def _own_picture(self, name: str) -> Picture:
        return _own_picture(name, self._own[name])


def _of_figure(name: str, figure: Figure, colour: str, traits: Traits, entry: Entry) -> Picture:
    return Picture(
        name,
        figure.body,
        figure.box,
        figure.base,
        colour,
        traits,
        entry.category,
        figure.grip,
        figure.sits,
        figure.lifted,
        figure.head,
    )


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
