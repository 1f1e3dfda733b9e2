"""How things stand, how tall they are and where they are at home: `traits.txt`, read once.

Heights are those of real things, in metres; composing brings them nearer to one another. A thing that the project draws
itself may carry its traits in its own file instead.
"""

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, cast, get_args

TRAITS: Final = Path(__file__).parent / "traits.txt"
Stance = Literal["stands", "small", "swims", "deep", "flies", "sky", "bust", "head"]
STANCES: Final = frozenset(get_args(Stance))


@dataclass(frozen=True, slots=True)
class Traits:
    """What composing must know of a thing."""

    stance: Stance
    height_m: float
    places: tuple[str, ...] = ()


BY_CATEGORY: Final = {
    "Animals & Nature": Traits("stands", 0.6, ("meadow",)),
    "Food & Drink": Traits("small", 0.15, ("table-top",)),
    "Travel & Places": Traits("stands", 4.0, ("city", "meadow")),
    "Objects": Traits("small", 0.3, ("table-top", "studio")),
    "Activities": Traits("small", 0.35, ("studio", "table-top")),
    "People & Body": Traits("bust", 1.8, ("street", "garden", "meadow")),
}
PLAIN: Final = Traits("small", 0.4, ("studio",))


def traits_of(name: str, category: str) -> Traits:
    """The traits of a thing by its name, or else by its category."""
    return _listed().get(name) or BY_CATEGORY.get(category, PLAIN)


def parsed(line: str) -> tuple[Traits, list[str]]:
    """The traits and the names of a line."""
    what, names = line.split(":")
    stance, height_m, *places = what.split()
    assert stance in STANCES, line
    return Traits(cast(Stance, stance), float(height_m), tuple(places[0].split(",")) if places else ()), names.split()


@functools.cache
def _listed() -> dict[str, Traits]:
    found: dict[str, Traits] = {}
    for line in TRAITS.read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            traits, names = parsed(line)
            for name in names:
                found.setdefault(name, traits)
    return found
