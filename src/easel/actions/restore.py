"""Restore: an empty installation is filled from a backup and brought up to date.

The caller must not use the installation before this returns, because the backup may prove damaged until then.
Unfinished tasks are drawn again as soon as there is a worker, and none is blamed for having been interrupted.

A database dump can execute anything. It is loaded only if its seal was checked or the operator waived the check, and
then by a role that has no rights outside its own database.
"""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

from easel.actions import audit_log
from easel.domain.picture import CONTENT_TYPE_BY_EXTENSION, object_name
from easel.domain.secret import Secret
from easel.outside.backup.archive import BackupReader, BackupUnusable, Ending, Manifest
from easel.outside.backup.seal import SealKey
from easel.outside.pictures.storage import Pictures
from easel.outside.postgres import dump
from easel.store import console_sessions, schema, workers
from easel.store.database import Database


@dataclass(frozen=True, slots=True)
class Target:
    """An installation to fill: its database is empty, and its secret is the backup's.

    `working_dir` has room for the database's dump.
    """

    database: Database
    postgres_bin: Path | None
    secret: Secret
    pictures: Pictures
    working_dir: Path


def check(manifest: Manifest, easel_version: str, postgres_bin: Path | None, given_secret: Secret | None) -> None:
    """Refuse a backup that cannot be restored here. Raises BackupUnusable, PostgresUnusable."""
    if schema.is_newer(manifest.migrations):
        raise BackupUnusable(
            f"The backup's database was last used by a newer Easel than this one ({easel_version}). "
            f"Restore it with that version. The backup was made with {manifest.easel}."
        )
    ours = dump.major(postgres_bin)
    if manifest.postgres_major > ours:
        raise BackupUnusable(
            f"The backup comes from PostgreSQL {manifest.postgres_major}, but the programs here are version {ours}. "
            "Set EASEL_POSTGRES_BIN to the programs of that version or a newer one."
        )
    if given_secret is None and not manifest.has_secret:
        raise BackupUnusable(
            "The backup holds no secret, because its service had it from EASEL_SECRET. Set EASEL_SECRET to it."
        )
    if given_secret is not None and given_secret.fingerprint.hex() != manifest.secret_fingerprint:
        raise BackupUnusable(
            "EASEL_SECRET is not the secret of the backup's service, so its keys and links would not work. "
            + ("Unset it: the backup holds the right one." if manifest.has_secret else "Set the right one.")
        )


@dataclass(frozen=True, slots=True)
class Proofs:
    """What an operator provides to check a backup's seal, from outside the backup."""

    secret: Secret | None
    passphrase: str | None


def seal_key(manifest: Manifest, proofs: Proofs) -> SealKey:
    """The key to check the backup's seal with. Raises BackupUnusable if there is no seal, or its key was not given."""
    match manifest.sealed_with:
        case None:
            raise BackupUnusable(
                "The backup has no seal, because an earlier Easel made it, so it cannot be checked for changes. "
                "If you know where it comes from, restore it with --unverified."
            )
        case "secret" if proofs.secret is not None:
            return SealKey.from_secret(proofs.secret)
        case "passphrase" if proofs.passphrase is not None and manifest.salt is not None:
            return SealKey.from_passphrase(proofs.passphrase, bytes.fromhex(manifest.salt))
        case "secret":
            how = "name a file that holds its installation's secret with --secret-file, or set EASEL_SECRET"
        case _:
            how = "name the file that holds the passphrase with --passphrase-file"
    raise BackupUnusable(
        f"The backup cannot be checked, because it is sealed with a {manifest.sealed_with} that was not given: {how}. "
        "Or, if you know where it comes from, restore it with --unverified."
    )


async def restore(reader: BackupReader, manifest: Manifest, target: Target) -> Ending:
    """Load the rest of the backup, starting with its database, into the target.

    Raises BackupUnusable, PostgresUnusable, StorageFailed, SchemaUnusable, DatabaseUnavailable.
    """
    with TemporaryFile(dir=target.working_dir) as dump_file:
        reader.dump(manifest, dump_file)
        dump_file.seek(0)
        await dump.load(target.database.url, target.postgres_bin, dump_file)
    await schema.prepare(target.database.url, target.secret)
    async with target.database.transaction() as connection:
        await workers.delete_all(connection)
        # A session that was signed out since the backup must not come back.
        await console_sessions.end_all(connection)
        await audit_log.record_restore(connection, manifest.created_at, manifest.easel)
    for name, data in reader.pictures(manifest.pictures):
        content_type = CONTENT_TYPE_BY_EXTENSION[name[name.index(".") :]]
        await target.pictures.put(object_name(name), data, content_type)
    return reader.ending
