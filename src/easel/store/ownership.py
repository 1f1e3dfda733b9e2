"""Gives the private database to an ordinary role. The service uses this role instead of the server's superuser.

The superuser creates the role, gives it the database, and hands over what an earlier version created in its own name.
It runs no code that is stored in the database: a restored database may hold an attacker's functions, and these must
never run with more rights than the role has.
"""

import contextlib
import time
from typing import Any, Final, LiteralString

import psycopg
from psycopg import Connection, sql
from psycopg.rows import TupleRow

from easel.store import locks
from easel.store.database import DatabaseUnavailable
from easel.store.locks import Lock
from easel.store.schema import SchemaUnusable
from easel.store.sessions import CONNECTION_SETTINGS

_LOCK_TIMEOUT_S: Final = 2
_PAUSE_S: Final = 1.0
_ATTEMPTS_MAX: Final = 20
# Only PostgreSQL's own functions and operators are found, whatever the database's owner created or set.
_SETTINGS: Final[dict[str, Any]] = {
    "autocommit": True,
    "options": f"-c search_path=pg_catalog -c lock_timeout={_LOCK_TIMEOUT_S}s",
}

_RIGHTS: Final = "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"
_IS_ORDINARY: Final[LiteralString] = """
    SELECT rolcanlogin AND NOT (rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls)
    FROM pg_roles WHERE rolname = %s
"""
_OWNER: Final[LiteralString] = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()"

# An index, an array type, and a sequence that belongs to a column follow their table or type.
_NOT_OWNED: Final[LiteralString] = """
    WITH here AS (SELECT oid FROM pg_namespace WHERE nspname = 'public'), role AS (
        SELECT oid FROM pg_roles WHERE rolname = %s
    ), of_others AS (
        SELECT 'pg_class'::regclass AS classid, pg_class.oid,
            CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END
                AS kind,
            pg_class.oid::regclass::text AS name
        FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'S') AND relnamespace = (SELECT oid FROM here)
            AND relowner <> (SELECT oid FROM role)
        UNION ALL
        SELECT 'pg_proc'::regclass, pg_proc.oid, 'ROUTINE', pg_proc.oid::regprocedure::text
        FROM pg_proc WHERE pronamespace = (SELECT oid FROM here) AND proowner <> (SELECT oid FROM role)
        UNION ALL
        SELECT 'pg_type'::regclass, pg_type.oid, 'TYPE', pg_type.oid::regtype::text
        FROM pg_type LEFT JOIN pg_class ON pg_class.oid = typrelid
        WHERE typnamespace = (SELECT oid FROM here) AND typowner <> (SELECT oid FROM role)
            AND (typtype IN ('e', 'd', 'r') OR relkind = 'c')
    )
    SELECT kind, name FROM of_others
    WHERE NOT EXISTS (SELECT FROM pg_depend WHERE pg_depend.classid = of_others.classid
        AND objid = of_others.oid AND deptype IN ('a', 'i', 'e'))
"""


def hand_over(superuser_url: str, role: str) -> None:
    """Make a role the owner of the database that the superuser's URL names, and of everything in it.

    Creates the role if needed. Does nothing if all this is already done. It can run while a service does. Raises
    SchemaUnusable with a sentence, DatabaseUnavailable.
    """
    try:
        with psycopg.connect(superuser_url, **(CONNECTION_SETTINGS | _SETTINGS)) as connection:
            _hand_over_patiently(connection, role)
    except psycopg.errors.LockNotAvailable:
        raise SchemaUnusable(
            "The private database cannot be given to an ordinary role while a backup or an audit reads it: "
            "try again when that has finished."
        ) from None
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise DatabaseUnavailable(f"{type(error).__name__}: {error}") from error


def _hand_over_patiently(connection: Connection[TupleRow], role: str) -> None:
    """A session that waits for a table makes all others wait behind it, so this one waits briefly, steps back and
    retries."""
    for _ in range(_ATTEMPTS_MAX - 1):
        with contextlib.suppress(psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            return _hand_over(connection, role)
        time.sleep(_PAUSE_S)
    return _hand_over(connection, role)


def _hand_over(connection: Connection[TupleRow], role: str) -> None:
    """One object at a time, so that it never holds one table while it waits for another."""
    owner = sql.Identifier(role)
    locks.take_blocking(connection, Lock.OWNERSHIP)
    _make_ordinary(connection, role)
    if connection.execute(_OWNER).fetchone() != (role,):
        database = sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(database, owner))
    for kind, name in connection.execute(_NOT_OWNED, (role,)).fetchall():
        # Kind and name come from the catalogue, which quotes the name.
        connection.execute(sql.SQL(f"ALTER {kind} {name} OWNER TO {{}}").format(owner))


def _make_ordinary(connection: Connection[TupleRow], role: str) -> None:
    found = connection.execute(_IS_ORDINARY, (role,)).fetchone()
    if found is None:
        connection.execute(sql.SQL(f"CREATE ROLE {{}} {_RIGHTS}").format(sql.Identifier(role)))
    elif found != (True,):
        connection.execute(sql.SQL(f"ALTER ROLE {{}} {_RIGHTS}").format(sql.Identifier(role)))
