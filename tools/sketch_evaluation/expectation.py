"""What a prompt must show, and how that is written.

A line of `prompts/LANGUAGE.txt` is `prompt | item, item, …`. An item is one of these:

- `apple*5:red:big`: a thing, with its count, colour and size where the prompt says them. A count is a number, or
  `some` (two at least), `many` (five at least) or `any`. A thing without a count must be there exactly once.
- `cat on table`, `mouse between dog+cat`, `balloon aloft`: a relation of things that other items name. `on/inside` are
  two that are both right.
- `@beach/sea`: a place, time, weather, season or style, or one of several.
- `?word`: it cannot be drawn and nobody would expect it. It is counted apart.

`names.txt` says which pictures show a name. A name without a line there is a picture's.
"""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent
RELATIONS: Final = frozenset({
    "on", "under", "above", "behind", "in-front", "left", "right", "next", "between", "holding", "riding", "wearing",
    "inside", "looking", "aloft",
})  # fmt: skip
SIZES: Final = frozenset({"big", "small"})
COUNTS_MIN: Final = {"any": 1, "some": 2, "many": 5}


@dataclass(frozen=True, slots=True)
class Item:
    """A thing that must be there."""

    name: str
    pictures: frozenset[str]
    settings: frozenset[str] = frozenset()
    """Places and the like that show it as well."""
    count: str | None = None
    colour: str | None = None
    size: str | None = None


@dataclass(frozen=True, slots=True)
class Bond:
    """A relation that must be seen, in one of several kinds. `others` is empty if the kind needs none."""

    kinds: tuple[str, ...]
    subject: str
    others: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join([self.subject, "/".join(self.kinds), "+".join(self.others)]).strip()


@dataclass(frozen=True, slots=True)
class Expectation:
    """All that a prompt must show."""

    items: tuple[Item, ...] = ()
    bonds: tuple[Bond, ...] = ()
    settings: tuple[frozenset[str], ...] = ()
    undrawable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """A prompt and what it must show."""

    language: str
    prompt: str
    expected: Expectation


def own_cases() -> Iterator[Case]:
    """The prompts of this project."""
    for file in sorted((FOLDER / "prompts").glob("*.txt")):
        for line in file.read_text(encoding="utf-8").splitlines():
            prompt, _, expected = line.partition(" | ")
            yield Case(file.stem, prompt, parsed(expected))


def parsed(text: str) -> Expectation:
    """The expectation that a text writes."""
    items: list[Item] = []
    bonds: list[Bond] = []
    settings: list[frozenset[str]] = []
    undrawable: list[str] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        words = part.split()
        if part.startswith("?"):
            undrawable.append(part[1:])
        elif part.startswith("@"):
            settings.append(frozenset(part[1:].split("/")))
        elif len(words) > 1:
            bonds.append(_bond(words))
        else:
            items.append(_item(part))
    named = {item.name for item in items}
    assert all({bond.subject, *bond.others} <= named for bond in bonds), text
    return Expectation(tuple(items), tuple(bonds), tuple(settings), tuple(undrawable))


def _bond(words: list[str]) -> Bond:
    subject, kinds, *others = words
    bond = Bond(tuple(kinds.split("/")), subject, tuple(others[0].split("+")) if others else ())
    assert set(bond.kinds) <= RELATIONS, words
    return bond


def _item(text: str) -> Item:
    head, *traits = text.split(":")
    names, _, count = head.partition("*")
    assert not count or count.isdigit() or count in COUNTS_MIN, text
    pictures: set[str] = set()
    settings: set[str] = set()
    for name in names.split("/"):
        for picture in _names().get(name, (name,)):
            (settings if picture.startswith("@") else pictures).add(picture.removeprefix("@"))
    return Item(
        name=names.split("/")[0],
        pictures=frozenset(pictures),
        settings=frozenset(settings),
        count=count or None,
        colour=next((trait for trait in traits if trait not in SIZES), None),
        size=next((trait for trait in traits if trait in SIZES), None),
    )


@functools.cache
def _names() -> dict[str, tuple[str, ...]]:
    return {name: tuple(pictures.split()) for name, pictures in table_of(FOLDER / "names.txt")}


def table_of(file: Path) -> Iterator[tuple[str, str]]:
    """The lines `left = right` of a file."""
    for line in file.read_text(encoding="utf-8").splitlines():
        left, is_line, right = line.partition(" = ")
        if is_line and not line.startswith("#"):
            yield left.strip(), right.strip()
