"""What composing and painting must know of a picture: `traits.txt`, read once.

Heights are those of real things, in metres; composing brings them nearer to one another. A thing that the project draws
itself carries its traits in its own file instead. A line of `traits.txt`, or the attribute `data-traits` of a drawing,
holds how a thing stands, how tall it is and where it is at home, or some of these:

- `seat=0.6`: where one sits or stands on it, as a share of its height; elsewhere it is the top
- `sunk=0.36`: how much of its height, from below, is water that belongs to the picture and is not shown
- `head=-0.3,0.9,0.36`: where the head of a thing is that looks to the left: its middle and its top as shares of width
  and height, and its width
- `worn=head`: what wears it has it on its `head`, `eyes`, `neck` or `body`
- `is=covers`: a mark, one of `MARKS`
- `suit=#a0b0c0,#304050`: the colours of the coat and trousers that a bust gets below the chest; `robe=#a0b0c0`: those
  of a robe. With either, it stands
- `face=cat-face`: the face that a lying or sitting animal gets a body for
- `handle=0.1,0`: where it is held, to the right of its middle and above its lower edge, as shares of width and height
- `coats=natural,gray`: the colours that it may have if the prompt names none, one of which the seed picks
- `main=#a0b0c0`: the colour that is changed if the prompt names one, instead of the colour of most of its area
- `window=-0.2,0.4,0.6,0.3`: where those look out of a vehicle who are in it: from where to where beside its middle, and
  the lower edge and the height, as shares of its width and height
- `shows=scarf,#1345b7`: the picture shows this already, in this colour (without a colour, it cannot be changed)
"""

import functools
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal, cast, get_args

TRAITS: Final = Path(__file__).parent / "traits.txt"
Stance = Literal["stands", "small", "swims", "deep", "flies", "sky", "bust", "head"]
Worn = Literal["head", "eyes", "neck", "body"]
STANCES: Final = frozenset(get_args(Stance))
MARKS: Final = {
    "busy": "its right hand is in its picture, so that its body has none",
    "creature": "it is alive, and may do things",
    "closed": "who is in it is shown in front of it",
    "covers": "others may be under it",
    "deck": "who is on it stands",
    "far": "it stands at the horizon, behind everything",
    "fixed": "it has letters or hands, so it is never mirrored",
    "glows": "it shines by itself and takes no light from outside",
    "hangs": "indoors it hangs on the wall",
    "plant": "it is a plant or a part of nature that does nothing",
    "held-high": "it is held above the head, or flies at its string",
    "windows": "its windows are lit in the dark",
    "tailless": "its body has no tail to be seen",
    "top": "others stand on it if they are with it",
}


@dataclass(frozen=True, slots=True)
class Traits:
    """What is known of one thing."""

    stance: Stance
    height_m: float
    places: tuple[str, ...] = ()
    seat: float | None = None
    sunk: float = 0.0
    """How much of its height, from below, is water of its own, which is not shown."""
    head: tuple[float, float, float] | None = None
    worn: Worn | None = None
    suit: tuple[str, ...] = ()
    """The colours of a coat and trousers, or of a robe."""
    face: str | None = None
    handle: tuple[float, float] | None = None
    window: tuple[float, float, float, float] | None = None
    coats: tuple[str, ...] = ()
    main_colour: str | None = None
    shows: tuple[tuple[str, str], ...] = ()
    """The pictures that it shows already, with their colours: empty if they cannot be changed."""
    marks: frozenset[str] = frozenset()


BY_CATEGORY: Final = {
    "Animals & Nature": Traits("stands", 0.6, ("meadow",)),
    "Food & Drink": Traits("small", 0.15, ("table-top",)),
    "Travel & Places": Traits("stands", 4.0, ("city", "meadow")),
    "Objects": Traits("small", 0.3, ("table-top", "studio")),
    "Activities": Traits("small", 0.35, ("studio", "table-top")),
    "People & Body": Traits("small", 0.4, ("studio", "table-top")),
}
PLAIN: Final = Traits("small", 0.4, ("studio",))


def traits_of(name: str, category: str) -> Traits:
    """The traits of a thing by its name, and what is not said of it by its category."""
    usual = BY_CATEGORY.get(category, PLAIN)
    return functools.reduce(_with, _told(name), usual)


def _told(name: str) -> tuple[str, ...]:
    """The lines of a name, or else those of the same person without `man` or `woman`."""
    listed = _listed()
    if name in listed:
        return listed[name]
    gender, _, rest = name.partition("-")
    if gender not in ("man", "woman", "mx"):
        return ()
    return listed.get(rest) or listed.get(f"person-{rest}") or ()


def parsed(told: str, usual: Traits = PLAIN) -> Traits:
    """The traits that a drawing tells of itself."""
    return _with(usual, told)


def lines() -> list[tuple[str, list[str]]]:
    """What each line of the file tells, and the names that it tells this of."""
    listed = [line for line in TRAITS.read_text(encoding="utf-8").splitlines() if line.strip() and line[0] != "#"]
    return [(told, names.split()) for told, names in (line.split(": ", 1) for line in listed)]


@functools.cache
def _listed() -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for told, names in lines():
        for name in names:
            found[name] = (*found.get(name, ()), told)
    return found


@functools.cache
def _with(traits: Traits, told: str) -> Traits:
    words = [word for word in told.split() if "=" not in word]
    if words:
        assert words[0] in STANCES, told
        places = tuple(words[2].split(",")) if len(words) > 2 else ()
        traits = replace(traits, stance=cast(Stance, words[0]), height_m=float(words[1]), places=places)
    for key, value in (word.split("=", 1) for word in told.split() if "=" in word):
        traits = _said(traits, key, value)
    return traits


def _said(traits: Traits, key: str, value: str) -> Traits:
    """Traits with one of the attributes. Raises KeyError for one that there is not."""
    if key in ("suit", "robe"):
        return replace(traits, suit=tuple(value.split(",")), stance="stands")
    if key == "shows":
        shown, _, colour = value.partition(",")
        return replace(traits, shows=(*traits.shows, (shown, colour)))
    if key == "is":
        return replace(traits, marks=traits.marks | {_one_of(MARKS, value)})
    field, read = _READ[key]
    return replace(traits, **{field: read(value)})


def _one_of(known: Container[str], value: str) -> str:
    if value not in known:
        raise KeyError(value)
    return value


def _numbers(value: str) -> tuple[float, ...]:
    return tuple(map(float, value.split(",")))


_READ: Final[Mapping[str, tuple[str, Callable[[str], Any]]]] = {
    "seat": ("seat", float),
    "sunk": ("sunk", float),
    "head": ("head", _numbers),
    "handle": ("handle", _numbers),
    "window": ("window", _numbers),
    "worn": ("worn", lambda value: _one_of(get_args(Worn), value)),
    "coats": ("coats", lambda value: tuple(value.split(","))),
    "face": ("face", str),
    "main": ("main_colour", str),
}
"""For each attribute the field that it fills, and how its value is read."""
