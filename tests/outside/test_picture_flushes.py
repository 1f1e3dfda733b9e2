"""What storing a picture in a folder asks of the file system."""

import asyncio
import shutil
from pathlib import Path

import pytest

from easel.outside.pictures.storage import Pictures
from tests.support.tracing import can_trace, traced

NAME = "ab/abcdef0123456789.webp"
THREE_PICTURES = """
import asyncio
from easel.outside.pictures.storage import Pictures
pictures = Pictures({folder!r})
for name in ("ab/abcdef.webp", "ab/abcdeg.webp", "ab/abcdeh.webp"):
    asyncio.run(pictures.put(name, b"picture", "image/webp"))
"""


@pytest.mark.skipif(not can_trace(), reason="strace cannot be used here")
def test_a_picture_costs_one_flush_of_its_bytes_and_then_one_of_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    calls = traced(THREE_PICTURES.format(folder=str(folder)), "write,fdatasync,fsync,rename", tmp_path / "trace")
    kinds = [call.partition("(")[0] for call in calls if str(folder) in call]
    assert kinds[-8:] == ["write", "fdatasync", "rename", "fsync"] * 2
    named = [call for call in calls if call.startswith("fsync")][-2:]
    assert all(f"<{folder}/ab>" in call for call in named)


def test_a_picture_is_stored_after_somebody_removed_its_folder(tmp_path: Path) -> None:
    pictures = Pictures(str(tmp_path))
    asyncio.run(pictures.put(NAME, b"before", "image/webp"))
    shutil.rmtree(tmp_path / "ab")
    shutil.rmtree(tmp_path / ".staging")
    asyncio.run(pictures.put(NAME, b"after", "image/webp"))
    assert asyncio.run(pictures.read(NAME, 0, 5)) == b"after"
