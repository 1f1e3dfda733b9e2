"""Reads what is in weight files without loading it: names, shapes and number formats from safetensors headers.

The format: the length of the header (8 bytes, little-endian), a JSON header with the format, shape and offsets of every
tensor, and the data.
"""

import json
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from easel.engines.engine import EngineUnusable

HEADER_BYTES_MAX = 100_000_000
"""The safetensors format's own limit for a file's header."""


@dataclass(frozen=True, slots=True)
class TensorEntry:
    """One tensor of a file. `number_format` is the format's own name, such as `BF16`."""

    shape: tuple[int, ...]
    number_format: str

    @property
    def parameters(self) -> int:
        """How many numbers it has."""
        return prod(self.shape)


def read_entries(file: Path) -> dict[str, TensorEntry]:
    """The tensors of a safetensors file by name. Raises EngineUnusable if it is damaged or another kind of file."""
    with file.open("rb") as opened:
        header_bytes = int.from_bytes(opened.read(8), "little")
        header = opened.read(header_bytes) if header_bytes <= HEADER_BYTES_MAX else b""
    try:
        listed = {name: entry for name, entry in json.loads(header).items() if name != "__metadata__"}
        data_bytes = max((entry["data_offsets"][1] for entry in listed.values()), default=0)
        entries = {name: TensorEntry(tuple(entry["shape"]), str(entry["dtype"])) for name, entry in listed.items()}
        is_whole = file.stat().st_size == 8 + header_bytes + data_bytes
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise EngineUnusable(f"{file} is not a safetensors file: copy or download it again.") from error
    if not is_whole:
        raise EngineUnusable(f"{file} does not have the length that its header states: copy or download it again.")
    return entries


def read_json(file: Path) -> dict[str, Any]:
    """The JSON object in a file. Raises EngineUnusable."""
    try:
        read = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise EngineUnusable(f"{file} cannot be read ({error}): copy or download it again.") from error
    if not isinstance(read, dict):
        raise EngineUnusable(f"{file} is damaged: copy or download it again.")
    return read
