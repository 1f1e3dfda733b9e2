"""What a prompt asks for, as far as it was understood: frozen values that composing, tests and measurements read."""

from dataclasses import dataclass
from typing import Final

SOME: Final = 3
MANY: Final = 9
FIELD: Final = 40
"""How many things words without a number stand for."""
SEVERAL: Final = "+"
"""After a thing: its word is the same for one and for several, such as `sheep`, and names several without `a`."""
AMOUNTS: Final = {"some": SOME, "many": MANY, "field": FIELD}


@dataclass(frozen=True, slots=True)
class Thing:
    """One kind of thing, `count` of it. `picture` names it. `word` and `pose_word` are how the prompt says what it is
    and what it does."""

    picture: str
    word: str
    count: int = 1
    is_count_said: bool = False
    colour: str | None = None
    size: str | None = None
    pose: str | None = None
    """What it does by itself, such as `running`: a name of the section `poses` of the tables."""
    pose_word: str = ""
    dyes: tuple[tuple[str, str], ...] = ()
    """Parts of its picture that get another colour: what colour they have, and the name of the new one."""


@dataclass(frozen=True, slots=True)
class Relation:
    """Where `subject` is relative to `other`, both indices of things. Without `other`, relative to the picture."""

    kind: str
    subject: int
    other: int | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """All that was understood of a prompt, and the words that were not."""

    things: tuple[Thing, ...] = ()
    relations: tuple[Relation, ...] = ()
    place: str | None = None
    place_colour: str | None = None
    backdrop: str | None = None
    """The larger place in which the place lies, such as the mountains of `a road through the mountains`."""
    time: str | None = None
    weather: str | None = None
    season: str | None = None
    style: str | None = None
    view: str | None = None
    """From how near things are seen: `portrait` shows a head and what is below it."""
    quotes: tuple[str, ...] = ()
    not_understood: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether the prompt names nothing that can be shown."""
        return not (self.things or self.place or self.time or self.weather or self.quotes)
