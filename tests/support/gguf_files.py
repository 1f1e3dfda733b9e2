"""Writes GGUF and safetensors files whose tensors are as small as the sdcpp engine's checks allow."""

import json
import struct
from collections.abc import Mapping
from pathlib import Path

Shapes = dict[str, tuple[int, ...]]

TRANSFORMER: Shapes = {
    "cap_embedder.0.weight": (64,),
    "cap_embedder.1.weight": (32, 64),
    "cap_pad_token": (1, 32),
    "layers.0.attention.qkv.weight": (96, 32),
}
TEXT_ENCODER: Shapes = {"token_embd.weight": (8, 64)} | {f"blk.{layer}.attn_norm.weight": (64,) for layer in range(36)}
AUTOENCODER: Shapes = {"decoder.conv_in.weight": (4, 16, 3, 3), "encoder.conv_in.weight": (4, 3, 3, 3)}


def write_gguf(file: Path, shapes: Shapes, facts: Mapping[str, str | float] | None = None, version: int = 3) -> Path:
    """Write a file of float32 zeros."""
    facts = {"general.architecture": "test"} if facts is None else facts
    header = struct.pack("<4sIQQ", b"GGUF", version, len(shapes), len(facts))
    for name, value in facts.items():
        header += text(name)
        header += struct.pack("<I", 8) + text(value) if isinstance(value, str) else struct.pack("<If", 6, value)
    offset = 0
    for name, shape in shapes.items():
        header += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *reversed(shape), 0, offset)
        offset += 4 * count(shape)
    file.write_bytes(header + bytes(offset))
    return file


def write_safetensors(
    file: Path,
    shapes: Shapes,
    metadata: Mapping[str, str] | None = None,
    numbers: Mapping[str, bytes] | None = None,
    number_format: str = "F32",
) -> Path:
    """Write a file of zeros in float32, or of other `numbers` by the names of their tensors."""
    listed: dict[str, object] = {} if metadata is None else {"__metadata__": dict(metadata)}
    data = b""
    for name, shape in shapes.items():
        begin = len(data)
        data += (numbers or {}).get(name, bytes(4 * count(shape)))
        listed[name] = {"dtype": number_format, "shape": list(shape), "data_offsets": [begin, len(data)]}
    header = json.dumps(listed).encode()
    file.write_bytes(struct.pack("<Q", len(header)) + header + data)
    return file


def write_model(folder: Path) -> Path:
    """Write the three files of a model into a folder, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    write_gguf(folder / "turbo.gguf", TRANSFORMER)
    write_gguf(folder / "words.gguf", TEXT_ENCODER, {"general.architecture": "qwen3", "qwen3.rope.freq_base": 1e6})
    write_safetensors(folder / "ae.safetensors", AUTOENCODER)
    return folder


def text(words: str) -> bytes:
    """A text as GGUF stores it."""
    encoded = words.encode()
    return struct.pack("<Q", len(encoded)) + encoded


def count(shape: tuple[int, ...]) -> int:
    """How many numbers a tensor has."""
    product = 1
    for side in shape:
        product *= side
    return product
