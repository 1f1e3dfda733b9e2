"""Reads the headers of weight files: which tensors are in them, and in GGUF also what is said about the model.

Headers come from files that anybody may have made, and the library aborts or reads beyond its buffers at some of them.
So they are read here first, with a limit on everything: a file whose header passes has as many tensors, names and bytes
as it says. Weights are not read.
"""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, Final

GGUF_VERSIONS: Final = frozenset({2, 3})
HEADER_BYTES_MAX: Final = 100_000_000
TENSORS_MAX: Final = 20_000
ENTRIES_MAX: Final = 20_000
ITEMS_MAX: Final = 2_000_000
NAME_BYTES_MAX: Final = 256
SIDES_MAX: Final = 4
PARAMETERS_MAX: Final = 2**40
SUFFIXES: Final = (".gguf", ".safetensors", ".sft")

_BLOCKS: Final[Mapping[int, tuple[int, int]]] = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9: (32, 36), 10: (256, 84),
    11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292), 16: (256, 66), 17: (256, 74),
    18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110), 22: (256, 82), 23: (256, 136), 24: (1, 1), 25: (1, 2),
    26: (1, 4), 27: (1, 8), 28: (1, 8), 29: (256, 56), 30: (1, 2), 34: (256, 54), 35: (256, 66), 39: (32, 17),
}  # fmt: skip
"""Numbers and bytes of a block, by the number of each of ggml's types (ggml.h)."""
_SCALARS: Final[Mapping[int, str]] = {
    0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d",
}  # fmt: skip
_STRING: Final = 8
_ARRAY: Final = 9


class HeaderWrong(Exception):
    """This is no weight file, or it is damaged. The words say what is wrong."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the numbers of a tensor lie in a safetensors file, in bytes from its beginning, and their format."""

    number_format: str
    begin_bytes: int
    end_bytes: int


@dataclass(frozen=True, slots=True)
class Header:
    """What a file contains: the shape of each tensor (rows first, as in PyTorch), and what its maker says of it.
    `places` is empty for GGUF."""

    shapes: Mapping[str, tuple[int, ...]]
    facts: Mapping[str, str | float]
    places: Mapping[str, Place] = field(default_factory=dict)


def read_header(file: Path) -> Header:
    """The header of a GGUF or safetensors file. Raises HeaderWrong and OSError."""
    with file.open("rb") as opened:
        length_bytes = file.stat().st_size
        if opened.read(4) == b"GGUF":
            return _Gguf(opened, length_bytes).header()
        opened.seek(0)
        return _safetensors(opened, length_bytes)


class _Gguf:
    def __init__(self, opened: BinaryIO, length_bytes: int) -> None:
        self._opened = opened
        self._length_bytes = length_bytes

    def header(self) -> Header:
        version = self._number("<I")
        if version not in GGUF_VERSIONS:
            raise HeaderWrong(f"it is GGUF of version {version}, and versions 2 and 3 are known")
        tensors, entries = self._number("<Q"), self._number("<Q")
        if tensors > TENSORS_MAX or entries > ENTRIES_MAX:
            raise HeaderWrong(f"it claims {tensors} tensors and {entries} entries")
        facts: dict[str, str | float] = {}
        for _ in range(entries):
            name = self._text(NAME_BYTES_MAX)
            value = self._value(self._number("<I"))
            if value is not None:
                facts[name] = value
        shapes: dict[str, tuple[int, ...]] = {}
        end_bytes = 0
        for _ in range(tensors):
            name, shape, last_bytes = self._tensor()
            if name in shapes:
                raise HeaderWrong(f"it has {name} twice")
            shapes[name] = shape
            end_bytes = max(end_bytes, last_bytes)
        if self._opened.tell() + end_bytes > self._length_bytes:
            raise HeaderWrong("it is shorter than its header says")
        return Header(shapes, facts)

    def _tensor(self) -> tuple[str, tuple[int, ...], int]:
        """Name, shape, and where its data ends behind the header."""
        name = self._text(NAME_BYTES_MAX)
        count = self._number("<I")
        if count > SIDES_MAX:
            raise HeaderWrong(f"{name} has {count} sides")
        sides = [self._number("<Q") for _ in range(count)]
        block = _BLOCKS.get(self._number("<I"))
        offset_bytes = self._number("<Q")
        if block is None:
            raise HeaderWrong(f"{name} has a number format that is not known")
        numbers, block_bytes = block
        parameters = prod(sides)
        if not 0 < parameters <= PARAMETERS_MAX or (sides[:1] and sides[0] % numbers):
            raise HeaderWrong(f"{name} has the impossible shape {sides}")
        return name, tuple(reversed(sides)), offset_bytes + parameters // numbers * block_bytes

    def _value(self, kind: int) -> str | float | None:
        """A value if it is a number or a text. Lists are passed over."""
        if kind == _STRING:
            return self._text(HEADER_BYTES_MAX)
        if kind != _ARRAY:
            return self._scalar(kind)
        item_kind, items = self._number("<I"), self._number("<Q")
        if items > ITEMS_MAX:
            raise HeaderWrong(f"it claims a list of {items} items")
        if item_kind in _SCALARS:
            self._bytes(items * struct.calcsize(_SCALARS[item_kind]))
        elif item_kind == _STRING:
            for _ in range(items):
                self._bytes(self._number("<Q"))
        else:
            raise HeaderWrong("it has lists of lists")
        return None

    def _scalar(self, kind: int) -> float:
        if kind not in _SCALARS:
            raise HeaderWrong(f"it has a value of the unknown kind {kind}")
        (value,) = struct.unpack(_SCALARS[kind], self._bytes(struct.calcsize(_SCALARS[kind])))
        return float(value)

    def _number(self, layout: str) -> int:
        (number,) = struct.unpack(layout, self._bytes(struct.calcsize(layout)))
        return int(number)

    def _text(self, bytes_max: int) -> str:
        length_bytes = self._number("<Q")
        if length_bytes > bytes_max:
            raise HeaderWrong(f"it claims a text of {length_bytes} bytes")
        return self._bytes(length_bytes).decode(errors="replace")

    def _bytes(self, count: int) -> bytes:
        if self._opened.tell() + count > min(HEADER_BYTES_MAX, self._length_bytes):
            raise HeaderWrong("its header is too long, or cut off")
        return self._opened.read(count)


def _safetensors(opened: BinaryIO, length_bytes: int) -> Header:
    """The format: the header's length (8 bytes), a JSON object with every tensor's place, and the data."""
    header_bytes = int.from_bytes(opened.read(8), "little")
    if not 2 <= header_bytes <= min(HEADER_BYTES_MAX, length_bytes - 8):
        raise HeaderWrong("it is neither GGUF nor safetensors")
    try:
        listed: dict[str, Any] = json.loads(opened.read(header_bytes))
        entries = [(name, entry) for name, entry in listed.items() if name != "__metadata__"]
        shapes = {name: tuple(int(side) for side in entry["shape"]) for name, entry in entries}
        begin_bytes = 8 + header_bytes
        places = {
            name: Place(str(entry["dtype"]), *(begin_bytes + int(offset) for offset in entry["data_offsets"]))
            for name, entry in entries
        }
        end_bytes = max((place.end_bytes for place in places.values()), default=begin_bytes)
        said = listed.get("__metadata__", {})
        facts: dict[str, str | float] = {name: text for name, text in said.items() if isinstance(text, str)}
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError):
        raise HeaderWrong("its header is damaged") from None
    if len(shapes) > TENSORS_MAX or any(prod(shape) > PARAMETERS_MAX for shape in shapes.values()):
        raise HeaderWrong("its header claims too much")
    if end_bytes != length_bytes:
        raise HeaderWrong("it does not have the length that its header says")
    if any(not begin_bytes <= place.begin_bytes <= place.end_bytes for place in places.values()):
        raise HeaderWrong("its header is damaged")
    return Header(shapes, facts, places)
