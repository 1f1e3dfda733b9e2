"""Brings a database to the schema that this version of Easel needs.

Forward only, each step in a transaction of its own, all of them under one lock, so that any number of processes may
start at once. A database that a newer Easel has touched is refused rather than guessed at. The queue's schema is
Procrastinate's own; its steps are recorded beside ours.
"""

from collections.abc import Iterator
from importlib import resources
from typing import Final, LiteralString

import procrastinate.schema
import psycopg

from easel.domain.errors import EaselError
from easel.domain.secret import Secret
from easel.store.database import CONNECTION_SETTINGS, Connection, DatabaseUnavailable

_LOCK: Final = 0x6561_7365_6C  # "easel"
_QUEUE_BASELINE: Final = "queue/schema.sql"
_LOCK_TIMEOUT_S: Final = 60


class SchemaUnusable(EaselError):
    """The database cannot serve this version; the message tells the operator why."""


async def prepare(url: str, secret: Secret) -> None:
    """Apply what is missing, and check that the database belongs to this installation's secret.

    Raises SchemaUnusable with a sentence, DatabaseUnavailable when the database cannot be reached.
    """
    try:
        async with await psycopg.AsyncConnection.connect(url, autocommit=True, **CONNECTION_SETTINGS) as connection:
            await connection.execute(f"SET lock_timeout = '{_LOCK_TIMEOUT_S}s'")
            await connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
            await _refuse_old_server(connection)
            await _migrate(connection)
            await _check_secret(connection, secret)
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise DatabaseUnavailable(f"{type(error).__name__}: {error}") from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise SchemaUnusable(
            f"The database user may not create Easel's tables ({error.diag.message_primary}): "
            "grant it CREATE on the database and its schema."
        ) from error


async def _refuse_old_server(connection: Connection) -> None:
    if connection.info.server_version < 140000:
        raise SchemaUnusable("Easel needs PostgreSQL 14 or newer.")


async def _migrate(connection: Connection) -> None:
    await connection.execute(
        "CREATE TABLE IF NOT EXISTS easel_migrations ("
        "name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
    )
    rows = await (await connection.execute("SELECT name FROM easel_migrations")).fetchall()
    applied = {name for (name,) in rows}
    known = list(_steps(fresh_queue=not applied))
    ours = {name for name, _ in known} | {name for name, _ in _queue_steps()} | {_QUEUE_BASELINE}
    if applied - ours:
        raise SchemaUnusable(
            "This database was last used by a newer Easel: start that version, or restore a backup made before it."
        )
    for name, statements in known:
        if name not in applied:
            async with connection.transaction():
                if statements:
                    await connection.execute(statements)
                await connection.execute("INSERT INTO easel_migrations (name) VALUES (%s)", (name,))


def _steps(*, fresh_queue: bool) -> Iterator[tuple[str, LiteralString]]:
    """All steps in order. On a fresh database the queue's whole schema stands for all of the queue's steps so far."""
    if fresh_queue:
        yield _QUEUE_BASELINE, procrastinate.schema.SchemaManager.get_schema()
        for name, _ in _queue_steps():
            yield name, ""
    else:
        yield from _queue_steps()
    yield from _sql_files("easel.store.migrations", "")


def _queue_steps() -> Iterator[tuple[str, LiteralString]]:
    return _sql_files("procrastinate.sql.migrations", "queue/")


def _sql_files(package: str, prefix: str) -> Iterator[tuple[str, LiteralString]]:
    files = sorted(resources.files(package).iterdir(), key=lambda file: file.name)
    for file in files:
        if file.name.endswith(".sql"):
            yield prefix + file.name, file.read_text(encoding="utf-8")


async def _check_secret(connection: Connection, secret: Secret) -> None:
    await connection.execute(
        "INSERT INTO installation (secret_fingerprint) VALUES (%s) ON CONFLICT DO NOTHING", (secret.fingerprint,)
    )
    row = await (await connection.execute("SELECT secret_fingerprint FROM installation")).fetchone()
    assert row is not None
    if row[0] != secret.fingerprint:
        raise SchemaUnusable(
            "EASEL_SECRET is not the secret that this database was set up with: "
            "its keys and links would not work. Give this process the same secret as the others."
        )
