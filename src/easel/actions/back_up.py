"""Back up: a snapshot of the database, the secret, and the pictures that tasks showed at that moment go into one file.

The service keeps running. A picture is stored before its task is completed, so every task that is completed in the
snapshot has its picture, unless it was deleted since. Such pictures are left out and counted.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from os import SEEK_END
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO, Final

from easel.domain.picture import object_name
from easel.domain.secret import Secret
from easel.outside.backup.archive import BackupUnusable, BackupWriter, Manifest
from easel.outside.backup.backup_file import Output
from easel.outside.backup.seal import SealKey
from easel.outside.pictures.storage import PictureGone, Pictures
from easel.outside.postgres import dump
from easel.store import snapshot
from easel.store.database import Database

SNAPSHOT_S_MAX: Final = 24 * 60 * 60
_CHUNK_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Source:
    """An installation to back up.

    `is_secret_kept` means that the data folder contains the secret. Otherwise the operator provides it, and the backup
    omits it. `key` seals the backup. `pictures` is None if they stay in their bucket. `postgres_bin` is the folder of
    PostgreSQL's programs; None selects Easel's.
    """

    easel_version: str
    database: Database
    postgres_bin: Path | None
    secret: Secret
    is_secret_kept: bool
    key: SealKey
    pictures: Pictures | None


@dataclass(frozen=True, slots=True)
class BackedUp:
    """What the backup holds."""

    manifest: Manifest
    pictures: int
    pictures_gone: int


async def back_up(source: Source, output: Output, working_dir: Path | None) -> BackedUp:
    """Write the backup. `working_dir` needs room for the database's dump; None selects the temporary folder.

    Raises BackupUnusable, PostgresUnusable, StorageFailed, DatabaseUnavailable.
    """
    with TemporaryFile(dir=working_dir) as dump_file, TemporaryFile(dir=working_dir) as names:
        manifest = await _write_snapshot(source, dump_file, names)
        writer = BackupWriter(output.file, source.key, is_secret_last=output.is_secret_last)
        writer.manifest(manifest)
        if manifest.has_secret:
            writer.secret(source.secret.text)
        writer.seal()
        dump_file.seek(0)
        writer.dump(dump_file, manifest.dump_bytes)
        names.seek(0)
        copied = gone = 0
        for line in names:
            name = object_name(line.decode().strip())
            data = await _picture(source, name)
            if data is None:
                gone += 1
            else:
                writer.picture(name, data)
                copied += 1
        writer.end(copied, gone)
    return BackedUp(manifest, copied, gone)


async def _write_snapshot(source: Source, dump_file: BinaryIO, names: BinaryIO) -> Manifest:
    """Write the database and the names of its pictures into the two files, from the same snapshot."""
    created_at = datetime.now(UTC)
    async with source.database.snapshot(SNAPSHOT_S_MAX) as connection:
        taken = await snapshot.take(connection)
        if taken is None or taken.secret_fingerprint != source.secret.fingerprint:
            raise BackupUnusable(
                "Nothing was backed up, because Easel did not set up this database with this secret. "
                "Set EASEL_SECRET to the secret of the service."
            )
        await dump.dump(source.database.url, source.postgres_bin, taken.id, dump_file)
        pictures = 0
        if source.pictures is not None:
            async for name in snapshot.picture_names(connection):
                names.write(name.encode() + b"\n")
                pictures += 1
    return Manifest(
        format=2,
        easel=source.easel_version,
        created_at=created_at,
        postgres_major=taken.postgres_major,
        migrations=taken.migrations,
        secret_fingerprint=taken.secret_fingerprint.hex(),
        has_secret=source.is_secret_kept,
        has_pictures=source.pictures is not None,
        dump_bytes=dump_file.seek(0, SEEK_END),
        dump_sha256=_digest(dump_file),
        accounts=taken.accounts,
        tasks=taken.tasks,
        unfinished=taken.unfinished,
        pictures=pictures,
        sealed_with=source.key.sealed_with,
        salt=source.key.salt.hex() if source.key.salt is not None else None,
    )


async def _picture(source: Source, name: str) -> bytes | None:
    assert source.pictures is not None
    size_bytes = await source.pictures.size_bytes(name)
    if size_bytes is None:
        return None
    try:
        return await source.pictures.read(name, 0, size_bytes)
    except PictureGone:
        return None


def _digest(file: BinaryIO) -> str:
    file.seek(0)
    digest = hashlib.sha256()
    while chunk := file.read(_CHUNK_BYTES):
        digest.update(chunk)
    return digest.hexdigest()
