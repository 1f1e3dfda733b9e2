"""Brings a database to the schema that this version of Easel needs.

Migrations go forward only. Each step is a transaction of its own, and all of them run under one lock, so any number of
processes can start at once, and the next one finishes what a killed process left undone. A database that a newer Easel
has used is refused.

Processes of earlier versions that are running continue on the new schema, so a step removes nothing that they use, and
what they write must stay valid (`docs/how-to/upgrade.md`). Earlier versions that start afterwards are refused.
"""

import asyncio
import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import resources
from typing import Final, LiteralString

import psycopg
from psycopg.conninfo import conninfo_to_dict

from easel.domain.errors import Unusable
from easel.domain.secret import Secret
from easel.store import locks
from easel.store.database import DatabaseUnavailable, Reader, Writer
from easel.store.locks import Lock
from easel.store.sessions import CONNECTION_SETTINGS

_OLD_QUEUE: Final = "queue/"
"""Begins the names of the steps with which earlier versions made the tables of their queue, Procrastinate's."""
_LOCK_TIMEOUT_S: Final = 60
_STEP_LOCK_TIMEOUT_S: Final = 2
_STEP_PAUSE_S: Final = 1.0
_STEP_ATTEMPTS_MAX: Final = 20
_SERVER_VERSION_MIN: Final = 14


class SchemaUnusable(Unusable):
    """This version cannot use the database; the message tells the operator why."""


class SecretMismatch(SchemaUnusable):
    """The database was set up with another secret."""


@dataclass(frozen=True, slots=True)
class Step:
    """Statements that are applied together, and the name under which they are recorded."""

    name: str
    statements: LiteralString


async def prepare(url: str, secret: Secret, *, creates: bool = True) -> None:
    """Apply missing steps, and check that the database was set up with this installation's secret.

    Creates Easel's tables in a database without them, or refuses it if `creates` is False. Raises SchemaUnusable with a
    sentence, DatabaseUnavailable if the database cannot be reached.
    """
    check_url(url)
    try:
        async with await Writer.connect(url, autocommit=True, **CONNECTION_SETTINGS) as connection:
            # A role that is used through a pooler has a timeout of its own.
            await connection.execute("SET statement_timeout = 0")
            await connection.execute(f"SET lock_timeout = '{_LOCK_TIMEOUT_S}s'")
            await locks.take(connection, Lock.SCHEMA)
            _refuse_old_server(connection)
            await connection.execute(f"SET lock_timeout = '{_STEP_LOCK_TIMEOUT_S}s'")
            if not creates:
                await refuse_strange(connection)
            await _migrate(connection)
            await check_secret(connection, secret)
    except psycopg.errors.LockNotAvailable:
        raise SchemaUnusable(
            "Easel cannot update the database's tables while another process holds them, such as a backup, an audit or "
            "another start: try again when that has finished."
        ) from None
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise DatabaseUnavailable(f"{type(error).__name__}: {error}") from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise SchemaUnusable(
            f"The database user may not create Easel's tables ({error.diag.message_primary}): "
            "grant it CREATE on the database and its schema."
        ) from error
    except psycopg.Error as error:
        raise SchemaUnusable(
            f"Easel's tables cannot be created ({error.diag.message_primary}): give Easel a database of its own."
        ) from error


def steps() -> Iterator[Step]:
    """All steps in order."""
    files = sorted(resources.files("easel.store.migrations").iterdir(), key=lambda file: file.name)
    for file in files:
        if file.name.endswith(".sql"):
            yield Step(file.name, file.read_text(encoding="utf-8"))


def is_newer(applied: Iterable[str]) -> bool:
    """Whether a newer version of Easel recorded some of these steps."""
    known = {step.name for step in steps()}
    return any(name not in known and not name.startswith(_OLD_QUEUE) for name in applied)


def check_url(url: str) -> None:
    """Check the form of a database's URL. Raises SchemaUnusable."""
    try:
        conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        # Its own message would show a part of the password.
        raise SchemaUnusable(
            "EASEL_DATABASE_URL is not a valid URL: write it as postgresql://user:password@host:5432/database, "
            "with %, @, / and : in the password as %25, %40, %2F and %3A."
        ) from None


def _refuse_old_server(connection: Reader) -> None:
    if connection.info.server_version < _SERVER_VERSION_MIN * 10_000:
        raise SchemaUnusable(f"Easel needs PostgreSQL {_SERVER_VERSION_MIN} or newer.")


async def refuse_strange(connection: Reader) -> None:
    """Raise SchemaUnusable where the database is not Easel's."""
    row = await (await connection.execute("SELECT to_regclass('easel_migrations') IS NULL")).fetchone()
    if row == (True,):
        raise SchemaUnusable(
            "This database has no Easel tables: set EASEL_DATABASE_URL to Easel's database, or EASEL_DATA_DIR to the folder "
            "of a private one, or set this database up with `easel serve`."
        )


async def _migrate(connection: Writer) -> None:
    await connection.execute(
        "CREATE TABLE IF NOT EXISTS easel_migrations ("
        "name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
    )
    rows = await (await connection.execute("SELECT name FROM easel_migrations")).fetchall()
    applied = {name for (name,) in rows}
    if is_newer(applied):
        raise SchemaUnusable(
            "This database was last used by a newer Easel: start that version, or restore a backup made before it."
        )
    for step in steps():
        if step.name not in applied:
            await _apply_patiently(connection, step)


async def _apply_patiently(connection: Writer, step: Step) -> None:
    """Apply a step while other processes work, or run long queries. A session that waits for a table makes all others
    wait behind it, so this one waits briefly, steps back and retries."""
    for _ in range(_STEP_ATTEMPTS_MAX - 1):
        with contextlib.suppress(psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            return await apply(connection, step)
        await asyncio.sleep(_STEP_PAUSE_S)
    return await apply(connection, step)


async def apply(connection: Writer, step: Step) -> None:
    """Apply one step and record it, both or neither."""
    async with connection.transaction():
        await connection.execute(step.statements)
        await connection.execute("INSERT INTO easel_migrations (name) VALUES (%s)", (step.name,))


async def check_secret(connection: Writer, secret: Secret) -> None:
    """Compare the secret with the one that the database was set up with. Raises SecretMismatch."""
    await connection.execute(
        "INSERT INTO installation (secret_fingerprint) VALUES (%s) ON CONFLICT DO NOTHING", (secret.fingerprint,)
    )
    row = await (await connection.execute("SELECT secret_fingerprint FROM installation")).fetchone()
    assert row is not None
    if row[0] != secret.fingerprint:
        way_out = (
            "Put the file back from a backup" if secret.is_kept else "Give this process the same secret as the others"
        )
        raise SecretMismatch(
            f"{secret.source} is not the secret that this database was set up with: its keys and links would not work. "
            f"{way_out}; if it is lost for good, run `easel secret reset`."
        )


async def set_fingerprint(connection: Writer, secret: Secret) -> None:
    """Make the database accept another secret. Raises SchemaUnusable where it is not Easel's."""
    await refuse_strange(connection)
    await connection.execute("UPDATE installation SET secret_fingerprint = %s", (secret.fingerprint,))
