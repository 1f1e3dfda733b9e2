"""The file of pictures: one small read for each picture.

`pictures.pack` is made by `python -m tools.sketch_pictures`. It begins with a magic word and the length of its index.
The index is compressed JSON: a row for each picture with its name, its emoji, its category, its main colour, the box
that its drawn parts fill, and where its body lies. Each body is compressed by itself, with a dictionary of strings that
all of them use. A body is SVG markup on a square of 32 units. The ids in it hold a mark that `place` replaces, so that
any number of bodies fit into one document.
"""

import json
import struct
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PACK: Final = Path(__file__).parent / "pictures.pack"
OWN: Final = Path(__file__).parent / "own"
"""A file for each thing that this project draws itself."""
SIDE: Final = 32
"""The side of every picture, in its own units."""
ID_MARK: Final = "\u00a7"
"""Stands in each id of a body for what makes it unique in a document."""

_MAGIC: Final = b"EASELPIX1\n"
_HEAD: Final = struct.Struct(">II")


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of a picture without its body."""

    name: str
    emoji: str
    category: str
    main_colour: str
    """The colour of most of its area, such as `#d28b4c`."""
    box: tuple[float, float, float, float]
    """Left, top, right and bottom of what is drawn, in units of the picture."""
    base: tuple[float, float] = (0.0, 32.0)
    """Left and right of what touches the ground: the lowest twelfth of the drawn part."""


class PicturePack:
    """Reads pictures from a pack. Safe for concurrent use."""

    def __init__(self, file: Path = PACK) -> None:
        self._file = file
        with file.open("rb") as opened:
            if opened.read(len(_MAGIC)) != _MAGIC:
                raise ValueError(f"{file} is no pack of pictures")
            index_bytes, dictionary_bytes = _HEAD.unpack(opened.read(_HEAD.size))
            rows = json.loads(zlib.decompress(opened.read(index_bytes)))
            self._dictionary = zlib.decompress(opened.read(dictionary_bytes))
            self._start = opened.tell()
        self._places: dict[str, tuple[int, int]] = {}
        entries: dict[str, Entry] = {}
        for name, emoji, category, colour, box, base, offset, length in rows:
            entries[name] = Entry(name, emoji, category, colour, tuple(box), tuple(base))
            self._places[name] = (offset, length)
        self.entries: Mapping[str, Entry] = entries

    def body(self, name: str) -> str:
        """The markup of a picture, with ID_MARK in its ids."""
        offset, length = self._places[name]
        with self._file.open("rb") as opened:
            opened.seek(self._start + offset)
            packed = opened.read(length)
        unpacking = zlib.decompressobj(zdict=self._dictionary)
        return (unpacking.decompress(packed) + unpacking.flush()).decode()


def write(file: Path, pictures: Iterable[tuple[Entry, str]]) -> None:
    """Write a pack. The same pictures in the same order give the same bytes with the same zlib."""
    listed = list(pictures)
    dictionary = _dictionary([body for _, body in listed])
    blobs, rows, offset = [], [], 0
    for entry, body in listed:
        packing = zlib.compressobj(9, zdict=dictionary)
        blob = packing.compress(body.encode()) + packing.flush()
        rows.append(
            [entry.name, entry.emoji, entry.category, entry.main_colour, entry.box, entry.base, offset, len(blob)]
        )
        blobs.append(blob)
        offset += len(blob)
    index = zlib.compress(json.dumps(rows, ensure_ascii=False, separators=(",", ":")).encode(), 9)
    shared = zlib.compress(dictionary, 9)
    file.write_bytes(b"".join([_MAGIC, _HEAD.pack(len(index), len(shared)), index, shared, *blobs]))


def _dictionary(bodies: list[str]) -> bytes:
    """What deflate may refer to before a body begins: the beginnings of some bodies, spread over all of them."""
    step = max(1, len(bodies) // 24)
    return "".join(body[-1300:] for body in bodies[::step]).encode()[-32_000:]
