"""The format of backup files: a backup reads back as written, or is refused."""

import contextlib
import io
import tarfile
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from easel.domain.secret import Secret
from easel.outside.backup.archive import BackupReader, BackupUnusable, BackupWriter, Manifest
from easel.outside.backup.seal import SealKey

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


def written(
    manifest: Manifest = MANIFEST,
    more: Callable[[BackupWriter], object] = lambda _: None,
    key: SealKey | None = None,
) -> bytes:
    file = io.BytesIO()
    fill(BackupWriter(file, key), manifest, more)
    return file.getvalue()


def fill(
    writer: BackupWriter,
    manifest: Manifest,
    more: Callable[[BackupWriter], object] = lambda _: None,
) -> None:
    writer.manifest(manifest)
    writer.secret(SECRET)
    writer.seal()
    writer.dump(io.BytesIO(DUMP), len(DUMP))
    for name, data in PICTURES.items():
        writer.picture(f"{name[:2]}/{name}", data)
    more(writer)
    writer.end(len(PICTURES), 0)


def read(data: bytes, key: SealKey | None = None) -> tuple[Manifest, str, bytes, dict[str, bytes]]:
    reader = BackupReader(io.BytesIO(data))
    manifest = reader.manifest()
    secret = reader.secret()
    if manifest.sealed_with is not None:
        reader.seal(key)
    dump = io.BytesIO()
    reader.dump(manifest, dump)
    return manifest, secret, dump.getvalue(), dict(reader.pictures(manifest.pictures))


WHOLE = (MANIFEST, SECRET, DUMP, PICTURES)
BACKUP = written()
KEY = SealKey.from_secret(Secret("t" * 32))
SEALED_MANIFEST = msgspec.structs.replace(MANIFEST, format=2, sealed_with="secret")
SEALED = written(SEALED_MANIFEST, key=KEY)


def test_a_backup_reads_back_as_it_was_written() -> None:
    assert read(BACKUP) == WHOLE


def test_any_tar_program_can_list_it() -> None:
    with tarfile.open(fileobj=io.BytesIO(BACKUP)) as tar:
        names = tar.getnames()
        assert names[:3] == ["manifest.json", "secret", "database.dump"]
        assert names[-1] == "complete.json"
        assert all(member.mode == 0o600 for member in tar)


@given(position=st.integers(0, len(BACKUP) - 1), bit=st.integers(0, 7))
def test_a_flipped_bit_is_refused_or_has_no_effect(position: int, bit: int) -> None:
    damaged = bytearray(BACKUP)
    damaged[position] ^= 1 << bit
    with contextlib.suppress(BackupUnusable):
        assert read(bytes(damaged)) == WHOLE


@given(length=st.integers(0, len(BACKUP) - 1))
def test_a_truncated_backup_is_refused(length: int) -> None:
    with pytest.raises(BackupUnusable, match=r"truncated|not a backup"):
        read(BACKUP[:length])


@given(st.binary(max_size=3000))
def test_other_files_are_refused(data: bytes) -> None:
    with pytest.raises(BackupUnusable, match="not a backup of Easel"):
        BackupReader(io.BytesIO(data)).manifest()


NESTED = b"[" * 400_000
MARK = b'{"kind":"easel backup","format":2,"migrations":'


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[1]",
        b'{"kind":"easel backup"}',
        b"\xff",
        NESTED,
        MARK + NESTED,
        NESTED + b"]" * 400_000,
        b" " * 2**21,
    ],
)
def test_other_tar_archives_are_refused(content: bytes) -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        member = tarfile.TarInfo("manifest.json")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    with pytest.raises(BackupUnusable, match="not a backup of Easel"):
        read(file.getvalue())


def test_a_newer_format_is_refused_with_the_advice_to_use_that_version() -> None:
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
def test_a_member_with_an_invalid_picture_name_is_refused(name: str) -> None:
    with pytest.raises(BackupUnusable, match="damaged"):
        read(written(more=lambda writer: writer.picture(name, b"x")))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.XHDTYPE])
def test_a_member_that_is_not_a_plain_file_is_refused(kind: bytes) -> None:
    name = "ab" + "0" * 30 + ".webp"
    member = tarfile.TarInfo(f"pictures/ab/{name}")
    member.type, member.linkname = kind, "/etc/passwd"
    at = BACKUP.index(b"complete.json")
    hostile = BACKUP[:at] + member.tobuf(tarfile.GNU_FORMAT) + BACKUP[at:]
    with pytest.raises(BackupUnusable, match="damaged"):
        read(hostile)


@pytest.mark.parametrize(
    "claim",
    [
        {"pictures": 2},
        {"dump_bytes": 2**41},
        {"dump_bytes": 0},
        {"tasks": -1},
        {"secret_fingerprint": "x"},
        {"easel": "0.1.0\x1b[2J"},
        {"salt": "x"},
        {"sealed_with": "nothing"},
    ],
)
def test_a_manifest_with_impossible_values_is_refused(claim: dict[str, Any]) -> None:
    with pytest.raises(BackupUnusable, match=r"damaged|not a backup"):
        read(written(msgspec.structs.replace(MANIFEST, **claim)))


def test_a_picture_over_the_limit_is_refused_before_it_is_read() -> None:
    member = tarfile.TarInfo("pictures/ab/ab" + "0" * 30 + ".webp")
    member.size = 2**33
    at = BACKUP.index(b"complete.json")
    with pytest.raises(BackupUnusable, match="damaged"):
        read(BACKUP[:at] + member.tobuf(tarfile.GNU_FORMAT) + BACKUP[at:])


@pytest.mark.parametrize("depth", [100_000, 400_000])
def test_a_deeply_nested_last_member_is_refused(depth: int) -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as tar:
        member = tarfile.TarInfo("complete.json")
        content = b'{"pictures":' + b"[" * depth
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    at = BACKUP.index(b"complete.json")
    with pytest.raises(BackupUnusable, match="damaged"):
        read(BACKUP[:at] + file.getvalue())


@given(position=st.integers(0, len(SEALED) - 1), bit=st.integers(0, 7))
def test_a_flipped_bit_of_a_sealed_backup_is_refused_or_has_no_effect(position: int, bit: int) -> None:
    damaged = bytearray(SEALED)
    damaged[position] ^= 1 << bit
    with contextlib.suppress(BackupUnusable):
        assert read(bytes(damaged), KEY) == (SEALED_MANIFEST, *WHOLE[1:])


class HalfKey(SealKey):
    """A file with a valid seal at its start but not at its end, as after tampering in between."""

    def seal(self, part: str, digest: bytes) -> str:
        return super().seal(part, digest) if part == "seal.json" else ""


def test_exchanged_pictures_in_a_sealed_backup_are_refused() -> None:
    exchanged = written(SEALED_MANIFEST, key=HalfKey(KEY.sealed_with, KEY.key))
    assert read(exchanged)[0] == SEALED_MANIFEST
    with pytest.raises(BackupUnusable, match="damaged"):
        read(exchanged, KEY)


def test_a_backup_sealed_with_another_key_is_refused_before_its_database_is_read() -> None:
    reader = BackupReader(io.BytesIO(SEALED))
    reader.manifest()
    reader.secret()
    with pytest.raises(BackupUnusable, match="seal does not match this secret"):
        reader.seal(SealKey.from_secret(Secret("u" * 32)))


def test_writing_the_secret_last_gives_the_same_backup(tmp_path: Path) -> None:
    with (tmp_path / "late").open("wb") as file:
        fill(BackupWriter(file, KEY, is_secret_last=True), SEALED_MANIFEST)
    assert (tmp_path / "late").read_bytes() == SEALED
