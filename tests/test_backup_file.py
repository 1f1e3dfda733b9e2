"""The backup file's form: what is read is what was written, or a refusal."""

import contextlib
import io
import tarfile
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from easel.outside.backup_file import BackupReader, BackupUnusable, BackupWriter, Manifest

SECRET = "s" * 64
DUMP = b"a dump " * 200
PICTURES = {f"{number:02x}" + "0" * 30 + ".webp": bytes([number]) * (700 * number) for number in range(1, 4)}
MANIFEST = Manifest(
    format=1,
    easel="0.1.0",
    created_at=datetime(2026, 11, 21, tzinfo=UTC),
    postgres_major=18,
    migrations=["0001_spine.sql"],
    secret_fingerprint="0" * 32,
    has_secret=True,
    has_pictures=True,
    dump_bytes=len(DUMP),
    dump_sha256=sha256(DUMP).hexdigest(),
    accounts=1,
    tasks=3,
    unfinished=0,
    pictures=3,
)


def written(manifest: Manifest = MANIFEST, more: Callable[[BackupWriter], object] = lambda _: None) -> bytes:
    file = io.BytesIO()
    writer = BackupWriter(file)
    writer.manifest(manifest)
    writer.secret(SECRET)
    writer.dump(io.BytesIO(DUMP), len(DUMP))
    for name, data in PICTURES.items():
        writer.picture(f"{name[:2]}/{name}", data)
    more(writer)
    writer.end(len(PICTURES), 0)
    return file.getvalue()


def read(data: bytes) -> tuple[Manifest, str, bytes, dict[str, bytes]]:
    reader = BackupReader(io.BytesIO(data))
    manifest = reader.manifest()
    secret = reader.secret()
    dump = io.BytesIO()
    reader.dump(manifest, dump)
    return manifest, secret, dump.getvalue(), dict(reader.pictures(manifest.pictures))


WHOLE = (MANIFEST, SECRET, DUMP, PICTURES)
BACKUP = written()


def test_what_was_written_is_read() -> None:
    assert read(BACKUP) == WHOLE


def test_any_tar_can_list_it() -> None:
    with tarfile.open(fileobj=io.BytesIO(BACKUP)) as tar:
        names = tar.getnames()
        assert names[:3] == ["manifest.json", "secret", "database.dump"]
        assert names[-1] == "complete.json"
        assert all(member.mode == 0o600 for member in tar)


@given(position=st.integers(0, len(BACKUP) - 1), bit=st.integers(0, 7))
def test_a_flipped_bit_is_refused_or_without_effect(position: int, bit: int) -> None:
    damaged = bytearray(BACKUP)
    damaged[position] ^= 1 << bit
    with contextlib.suppress(BackupUnusable):
        assert read(bytes(damaged)) == WHOLE


@given(length=st.integers(0, len(BACKUP) - 1))
def test_a_backup_that_was_cut_off_is_refused(length: int) -> None:
    with pytest.raises(BackupUnusable, match=r"cut off|no backup"):
        read(BACKUP[:length])


@given(st.binary(max_size=3000))
def test_another_file_is_no_backup(data: bytes) -> None:
    with pytest.raises(BackupUnusable, match="no backup of Easel"):
        BackupReader(io.BytesIO(data)).manifest()


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"kind":"easel backup"}', b"\xff"])
def test_another_tar_is_no_backup(content: bytes) -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        member = tarfile.TarInfo("manifest.json")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    with pytest.raises(BackupUnusable, match="no backup of Easel"):
        read(file.getvalue())


def test_a_later_form_of_backup_is_left_to_the_easel_that_made_it() -> None:
    later = BACKUP.replace(b'"format": 1', b'"format": 3')
    with pytest.raises(BackupUnusable, match="newer Easel"):
        read(later)


@pytest.mark.parametrize(
    "name",
    [
        "../../../etc/passwd",
        "/etc/passwd",
        "ab/../../ab" + "0" * 30 + ".webp",
        "ab/cd" + "0" * 30 + ".webp",
        "secret",
        "",
    ],
)
def test_a_name_that_no_picture_has_is_refused(name: str) -> None:
    with pytest.raises(BackupUnusable, match="damaged"):
        read(written(more=lambda writer: writer.picture(name, b"x")))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.XHDTYPE])
def test_a_member_that_is_no_plain_file_is_refused(kind: bytes) -> None:
    name = "ab" + "0" * 30 + ".webp"
    member = tarfile.TarInfo(f"pictures/ab/{name}")
    member.type, member.linkname = kind, "/etc/passwd"
    at = BACKUP.index(b"complete.json")
    hostile = BACKUP[:at] + member.tobuf(tarfile.GNU_FORMAT) + BACKUP[at:]
    with pytest.raises(BackupUnusable, match="damaged"):
        read(hostile)


@pytest.mark.parametrize(
    "claim", [{"pictures": 2}, {"dump_bytes": 2**41}, {"dump_bytes": 0}, {"tasks": -1}, {"secret_fingerprint": "x"}]
)
def test_a_manifest_that_claims_what_cannot_be_is_refused(claim: dict[str, Any]) -> None:
    with pytest.raises(BackupUnusable, match=r"damaged|no backup"):
        read(written(msgspec.structs.replace(MANIFEST, **claim)))


def test_a_picture_larger_than_any_is_refused_before_it_is_read() -> None:
    member = tarfile.TarInfo("pictures/ab/ab" + "0" * 30 + ".webp")
    member.size = 2**33
    at = BACKUP.index(b"complete.json")
    with pytest.raises(BackupUnusable, match="damaged"):
        read(BACKUP[:at] + member.tobuf(tarfile.GNU_FORMAT) + BACKUP[at:])
