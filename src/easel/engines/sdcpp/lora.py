"""Writes a LoRA again, in the form in which stable-diffusion.cpp adds it rightly.

The library adds what it understands of a file, and passes over the rest with a warning: names without a prefix, and a
change of queries or values alone. It takes the rank of a change of rank one for another number, so alpha then counts
wrongly. Here, every change gets a name that the library knows and a scale that needs no rank, and queries, keys and
values are all changed or none. The numbers are copied as they are. Files that cannot be added completely are refused,
as the zimage engine refuses them, and so is LoKr.
"""

import json
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from easel.engines.engine import EngineUnusable
from easel.engines.lora_layout import PROJECTIONS, Change, Lora, Shape, layout, strength_in_header, why_not_added
from easel.engines.sdcpp.headers import Header, HeaderWrong, Place, read_header
from easel.engines.sdcpp.model_files import without_prefixes

TENSOR_BYTES_MAX: Final = 2**30
_PREFIX: Final = "diffusion_model."
_FUSED: Final = ".attention.qkv"
_NAMES: Final = (
    ("final_layer", "all_final_layer.2-1"),
    ("x_embedder", "all_x_embedder.2-1"),
    (".attention.out", ".attention.to_out.0"),
)
"""Parts of the names of the model's first publication, which the library keeps, and what diffusers calls them."""
_NUMBERS: Final[Mapping[str, tuple[int, str | None]]] = {
    "F32": (4, "<f"), "F16": (2, "<e"), "BF16": (2, None), "F64": (8, "<d"), "I64": (8, "<q"), "I32": (4, "<i"),
}  # fmt: skip
"""Bytes of a number in each format, and how Python reads it."""
_NOT_FINITE: Final = {
    "F32": re.compile(rb"[\x7f\xff]"),
    "BF16": re.compile(rb"[\x7f\xff]"),
    "F16": re.compile(rb"[\x7c-\x7f\xfc-\xff]"),
}
"""The upper byte of numbers that are not finite, or beyond 1e38, in the formats that the library adds."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor to be written: its format, its shape, and its bytes, or where they lie in the LoRA's file."""

    number_format: str
    shape: Shape
    source: Place | bytes

    @property
    def length_bytes(self) -> int:
        """How many bytes it has."""
        if isinstance(self.source, bytes):
            return len(self.source)
        return self.source.end_bytes - self.source.begin_bytes


def changes_of(lora: Lora, transformer: Path) -> list[Change]:
    """The changes that a LoRA makes to a transformer, by their headers. Raises EngineUnusable."""
    try:
        return _changes(_header(lora), layers_of(transformer))
    except (HeaderWrong, OSError, ValueError) as error:
        raise EngineUnusable(why_not_added(lora.file, error)) from error


def rewrite(lora: Lora, transformer: Path, target: BinaryIO) -> int:
    """Write a LoRA again, and return how many tensors it has then. Raises EngineUnusable, and OSError from `target`."""
    try:
        header = _header(lora)
        changes = _changes(header, layers_of(transformer))
        with lora.file.open("rb") as opened:
            tensors = dict(_written(lora, header, changes, opened))
            target.write(_head(tensors))
            for name, tensor in tensors.items():
                target.write(_read(opened, name, tensor))
    except (HeaderWrong, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise EngineUnusable(why_not_added(lora.file, error)) from error
    return len(tensors)


def layers_of(transformer: Path) -> dict[str, Shape]:
    """The linear layers of a transformer's file, by their names in diffusers, and their shapes."""
    layers: dict[str, Shape] = {}
    for name, shape in without_prefixes(read_header(transformer)).items():
        layer = name.removesuffix(".weight")
        if layer == name or len(shape) != 2:
            continue
        for published, diffusers in _NAMES:
            if layer.startswith(published) or (published[0] == "." and layer.endswith(published)):
                layer = layer.replace(published, diffusers)
        if layer.endswith(_FUSED):
            third = (shape[0] // len(PROJECTIONS), shape[1])
            layers |= {f"{layer.removesuffix('qkv')}{projection}": third for projection in PROJECTIONS}
        else:
            layers[layer] = shape
    return layers


def _header(lora: Lora) -> Header:
    if not lora.file.is_file():
        raise EngineUnusable(
            f"The LoRA file {lora.file} does not exist: set EASEL_LORA to a .safetensors file, or unset it."
        )
    return read_header(lora.file)


def _changes(header: Header, layers: Mapping[str, Shape]) -> list[Change]:
    """Raises ValueError."""
    changes = layout(header.shapes, layers)
    if any(change.is_kronecker for change in changes):
        raise ValueError("it is a LoKr, which only the zimage engine adds")
    changed = [layer for change in changes for layer in change.layers]
    if len(changed) != len(set(changed)):
        raise ValueError("it changes queries, keys and values twice, together and one by one")
    for name, place in header.places.items():
        size_bytes, _layout = _NUMBERS.get(place.number_format, (0, None))
        numbers = 1
        for side in header.shapes[name]:
            numbers *= side
        if place.end_bytes - place.begin_bytes != numbers * size_bytes:
            raise ValueError(f"{name} has the number format {place.number_format}, or another length than its shape")
    return changes


def _written(lora: Lora, header: Header, changes: Sequence[Change], opened: BinaryIO) -> Iterator[tuple[str, Tensor]]:
    """The tensors to be written, by their names."""
    strength = lora.scale * strength_in_header(str(header.facts.get("lora_adapter_metadata", "{}")))
    changed = {change.layers[0] for change in changes if len(change.layers) == 1}
    for change in changes:
        rank = header.shapes[change.tensors["down"]][0]
        alpha = change.tensors.get("alpha")
        scale = strength * (1.0 if alpha is None else _scalar(opened, header.places[alpha]) / rank)
        name = library_name(change)
        for kind, ending in (("down", ".lora_down.weight"), ("up", ".lora_up.weight")):
            tensor = change.tensors[kind]
            place = header.places[tensor]
            if place.number_format not in _NOT_FINITE:
                raise ValueError(f"{tensor} has the number format {place.number_format}")
            yield name + ending, Tensor(place.number_format, header.shapes[tensor], place)
        yield f"{name}.scale", Tensor("F32", (1,), struct.pack("<f", scale))
        yield from _unchanged(change, changed, header)


def _unchanged(change: Change, changed: set[str], header: Header) -> Iterator[tuple[str, Tensor]]:
    """Changes by nothing of the projections that the file leaves alone, beside the first that it changes. The library
    joins all three."""
    layer = change.layers[0]
    stem, _, projection = layer.rpartition(".")
    if len(change.layers) > 1 or projection not in PROJECTIONS:
        return
    missing = [other for other in PROJECTIONS if f"{stem}.{other}" not in changed]
    present = [other for other in PROJECTIONS if other not in missing]
    if projection != present[0]:
        return
    inputs = header.shapes[change.tensors["down"]][1]
    outputs = header.shapes[change.tensors["up"]][0]
    for other in missing:
        name = f"{_PREFIX}{stem}.{other}"
        yield f"{name}.lora_down.weight", Tensor("F32", (1, inputs), bytes(4 * inputs))
        yield f"{name}.lora_up.weight", Tensor("F32", (outputs, 1), bytes(4 * outputs))
        yield f"{name}.scale", Tensor("F32", (1,), struct.pack("<f", 1.0))


def library_name(change: Change) -> str:
    """What the library calls the layers of a change."""
    layer = change.layers[0]
    if len(change.layers) > 1:
        layer = f"{layer.rpartition('.')[0]}.qkv"
    for published, diffusers in _NAMES:
        layer = layer.replace(diffusers, published)
    return _PREFIX + layer


def _head(tensors: Mapping[str, Tensor]) -> bytes:
    """The beginning of a safetensors file with these tensors."""
    listed: dict[str, object] = {}
    begin_bytes = 0
    for name, tensor in tensors.items():
        end_bytes = begin_bytes + tensor.length_bytes
        listed[name] = {"dtype": tensor.number_format, "shape": tensor.shape, "data_offsets": [begin_bytes, end_bytes]}
        begin_bytes = end_bytes
    header = json.dumps(listed).encode()
    header = header.ljust(-(-len(header) // 8) * 8)
    return struct.pack("<Q", len(header)) + header


def _read(opened: BinaryIO, name: str, tensor: Tensor) -> bytes:
    """The bytes of a tensor. Raises ValueError if its numbers are not finite."""
    if isinstance(tensor.source, bytes):
        return tensor.source
    if tensor.length_bytes > TENSOR_BYTES_MAX:
        raise ValueError(f"{name} has {tensor.length_bytes} bytes")
    opened.seek(tensor.source.begin_bytes)
    numbers = opened.read(tensor.length_bytes)
    size_bytes, _layout = _NUMBERS[tensor.number_format]
    if _NOT_FINITE[tensor.number_format].search(numbers[size_bytes - 1 :: size_bytes]):
        raise ValueError(f"{name.removeprefix(_PREFIX)} is not finite")
    return numbers


def _scalar(opened: BinaryIO, place: Place) -> float:
    """One number. Raises ValueError."""
    opened.seek(place.begin_bytes)
    number = opened.read(place.end_bytes - place.begin_bytes)
    if place.number_format == "BF16":
        number = b"\0\0" + number
    layout_of_number = _NUMBERS[place.number_format][1] or "<f"
    (value,) = struct.unpack(layout_of_number, number)
    if not abs(value) < 1e6:
        raise ValueError("an alpha is not finite")
    return float(value)
