"""Checks the database's tables through a pooler, which cannot update them: migrations need locks and settings that a
session keeps."""

import re
from importlib import resources
from typing import Final

import psycopg

from easel.domain.secret import Secret
from easel.store import schema
from easel.store.database import DatabaseUnavailable, Reader, Writer
from easel.store.schema import SchemaUnusable
from easel.store.sessions import Sessions

_POOLED: Final = Sessions(is_pooled=True, direct_url=None, prepares=False)
_OWN_STEP: Final = re.compile(r"\d{4}_\w+\.sql")


async def check(url: str, secret: Secret) -> None:
    """Check that the tables are those of this version, and that the database was set up with this secret.

    Raises SchemaUnusable with a sentence, DatabaseUnavailable if the database cannot be reached.
    """
    schema.check_url(url)
    try:
        async with await Writer.connect(url, autocommit=True, **_POOLED.connection_settings) as connection:
            await schema.refuse_strange(connection)
            await _refuse_other_version(connection)
            await schema.check_secret(connection, secret)
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise DatabaseUnavailable(f"{type(error).__name__}: {error}") from error


async def _refuse_other_version(connection: Reader) -> None:
    rows = await (await connection.execute("SELECT name FROM easel_migrations")).fetchall()
    applied = {name for (name,) in rows if _OWN_STEP.fullmatch(name)}
    known = {
        file.name for file in resources.files("easel.store.migrations").iterdir() if _OWN_STEP.fullmatch(file.name)
    }
    if applied - known:
        raise SchemaUnusable(
            "This database was last used by a newer Easel: start that version, or restore a backup made before it."
        )
    if known - applied:
        raise SchemaUnusable(
            "The database's tables are those of an older Easel, and they cannot be updated through a pooler: start one "
            "process of this version with EASEL_DATABASE_DIRECT_URL, the URL of the same database without the pooler."
        )
