"""The terms of all languages in one file, as they are searched for: reading it takes a fifth of the time.

`make rules` writes the file from the TOML files, and it is committed with them. It names their digest. If that is
another, which is so while somebody edits them, the file is not used.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from easel.domain.moderation.terms import Term

FILE: Final = "compiled.txt"
LINE_BREAK: Final = "\\n"
"""Stands for a line break in a term, which its author wrote in two lines."""


class Parsed(NamedTuple):
    """What the files of all languages say. See `Lexicon` and `Context` for the words."""

    terms: Sequence[Term]
    ordinary: Mapping[str, frozenset[str]]
    against: frozenset[str]
    support: frozenset[str]
    parts: frozenset[str]


class _Kind(msgspec.Struct, frozen=True, array_like=True):
    """What many terms have in common; see `Term`."""

    is_open: bool
    concepts: tuple[str, ...]
    hides: bool
    languages: frozenset[str]
    depends_on_context: bool


class _Head(msgspec.Struct, frozen=True):
    """The first line of the file. Each of the others is a term: its text, its words if they differ, and its kind."""

    digest: str
    kinds: list[_Kind]
    ordinary: dict[str, frozenset[str]]
    against: frozenset[str]
    support: frozenset[str]
    parts: frozenset[str]


def digest(files: Iterable[Path]) -> str:
    """A digest of the files' names and content."""
    made = hashlib.sha256()
    for file in files:
        content = file.read_bytes()
        made.update(f"{file.name} {len(content)}\n".encode() + content)
    return made.hexdigest()


def written(parsed: Parsed, digest: str) -> str:
    """The content of the file."""
    numbers: dict[_Kind, int] = {}
    lines = []
    for term in parsed.terms:
        kind = _Kind(term.is_open, term.concepts, term.hides, term.languages, term.depends_on_context)
        words = " ".join((term.first, *term.rest))
        number = numbers.setdefault(kind, len(numbers))
        text = term.text.replace("\n", LINE_BREAK)
        lines.append(f"{text}\t{'' if words == text.removesuffix('*') else words}\t{number}")
    head = _Head(digest, list(numbers), dict(parsed.ordinary), parsed.against, parsed.support, parsed.parts)
    return "\n".join([msgspec.json.encode(head, order="deterministic").decode(), *lines, ""])


def read(text: str, digest: str) -> Parsed | None:
    """What the file says; None if it was written from other files."""
    first, *lines = text.split("\n")
    head = msgspec.json.decode(first, type=_Head)
    if head.digest != digest:
        return None
    kinds = [(each.is_open, each.concepts, each.hides, each.languages, each.depends_on_context) for each in head.kinds]
    return Parsed(_terms(lines, kinds), head.ordinary, head.against, head.support, head.parts)


def _terms(
    lines: Iterable[str], kinds: Sequence[tuple[bool, tuple[str, ...], bool, frozenset[str], bool]]
) -> Sequence[Term]:
    words_so_far: dict[str, str] = {}  # many terms have the same words, which are then in memory once
    one = words_so_far.setdefault
    terms = []
    for line in lines:
        if line:
            text, words, number = line.split("\t")
            beginning, *rest = [one(word, word) for word in (words or text.removesuffix("*")).split()]
            text = text.replace(LINE_BREAK, "\n")
            terms.append(Term(one(text, text), beginning, tuple(rest), *kinds[int(number)]))
    return terms
