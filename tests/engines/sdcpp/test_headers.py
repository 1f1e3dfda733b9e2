"""Headers of weight files are read with a limit on everything, because anybody may have made the file."""

import random
import struct
from pathlib import Path

import pytest

from easel.engines.sdcpp.headers import HeaderWrong, read_header
from tests.support.gguf_files import text, write_gguf, write_safetensors

SHAPES = {"a.weight": (3, 32), "b": (5,)}
INFINITE = b'{"a": {"shape": [1e999], "data_offsets": [0, 4]}}'
HEAD = struct.Struct("<4sIQQ")


def why_refused(file: Path) -> str:
    with pytest.raises(HeaderWrong) as wrong:
        read_header(file)
    return str(wrong.value)


@pytest.mark.parametrize("version", [2, 3])
def test_shapes_and_facts_of_gguf(tmp_path: Path, version: int) -> None:
    header = read_header(write_gguf(tmp_path / "a", SHAPES, {"general.architecture": "x", "n": 2.5}, version))
    assert (header.shapes, header.facts) == (SHAPES, {"general.architecture": "x", "n": 2.5})


def test_shapes_of_safetensors(tmp_path: Path) -> None:
    assert read_header(write_safetensors(tmp_path / "a", SHAPES)).shapes == SHAPES


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "neither GGUF nor safetensors"),
        (b"PK\x03\x04" + bytes(100), "neither GGUF nor safetensors"),
        (HEAD.pack(b"GGUF", 1, 1, 1), "GGUF of version 1"),
        (HEAD.pack(b"GGUF", 3, 2**62, 1), f"claims {2**62} tensors"),
        (HEAD.pack(b"GGUF", 3, 1, 2**40), "1099511627776 entries"),
        (HEAD.pack(b"GGUF", 3, 1, 0) + struct.pack("<Q", 2**63), "a text of 9223372036854775808 bytes"),
        (HEAD.pack(b"GGUF", 3, 1, 0) + struct.pack("<Q", 200), "too long, or cut off"),
        (HEAD.pack(b"GGUF", 3, 0, 1) + text("n") + struct.pack("<IIQ", 9, 4, 2**60), "a list of 1152921504606846976"),
        (HEAD.pack(b"GGUF", 3, 0, 1) + text("n") + struct.pack("<IIQ", 9, 9, 1), "lists of lists"),
        (HEAD.pack(b"GGUF", 3, 0, 1) + text("n") + struct.pack("<I", 77), "unknown kind 77"),
        (HEAD.pack(b"GGUF", 3, 1, 0) + text("t") + struct.pack("<I", 5), "t has 5 sides"),
        (HEAD.pack(b"GGUF", 3, 1, 0) + text("t") + struct.pack("<I2QIQ", 2, 2**33, 2**33, 0, 0), "impossible shape"),
        (HEAD.pack(b"GGUF", 3, 1, 0) + text("t") + struct.pack("<IQIQ", 1, 30, 12, 0), "impossible shape"),
        (HEAD.pack(b"GGUF", 3, 1, 0) + text("t") + struct.pack("<IQIQ", 1, 32, 99, 0), "number format"),
        (HEAD.pack(b"GGUF", 3, 1, 0) + text("t") + struct.pack("<IQIQ", 1, 32, 0, 2**40), "shorter than its header"),
        (struct.pack("<Q", 2**60) + b"{}", "neither GGUF nor safetensors"),
        (struct.pack("<Q", 4) + b"nope", "its header is damaged"),
        (struct.pack("<Q", 9) + b'{"a": 1} ', "its header is damaged"),
        (struct.pack("<Q", len(INFINITE)) + INFINITE, "its header is damaged"),
        (struct.pack("<Q", 2) + b"{}more", "does not have the length"),
    ],
)
def test_a_hostile_header_is_refused_with_a_reason(tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "a.gguf"
    file.write_bytes(content)
    assert words in why_refused(file)


def test_a_file_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    for file in (write_gguf(tmp_path / "a", SHAPES), write_safetensors(tmp_path / "b", SHAPES)):
        whole = file.read_bytes()
        for length in range(0, len(whole), 7):
            file.write_bytes(whole[:length])
            why_refused(file)


def test_changed_bytes_never_raise_anything_else(tmp_path: Path) -> None:
    dice = random.Random(7)
    for file in (write_gguf(tmp_path / "a", SHAPES), write_safetensors(tmp_path / "b", SHAPES)):
        whole = file.read_bytes()
        for _ in range(300):
            changed = bytearray(whole)
            for _ in range(3):
                changed[dice.randrange(len(changed))] = dice.randrange(256)
            file.write_bytes(changed)
            try:
                read_header(file)
            except HeaderWrong:
                continue
