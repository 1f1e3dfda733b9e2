"""The audit log: what operators did. A trigger of the database allows adding entries and nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from easel.domain.audit_log import Action
from easel.store.database import Reader, Writer


@dataclass(frozen=True, slots=True)
class NewEntry:
    """An entry to add. `account_id` is None where it concerns no single account."""

    operator: str
    action: Action
    subject: str
    account_id: int | None
    details: Mapping[str, Any]
    api_key_id: int | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry as it is listed. `api_key_id` is the key that was used, where the action came over HTTP."""

    id: int
    at: datetime
    operator: str
    api_key_id: int | None
    action: str
    subject: str
    account: str | None
    details: dict[str, Any]


@dataclass(frozen=True, slots=True)
class EntrySearch:
    """Which entries to list. None matches all. `before_id` leaves out that entry and all later ones."""

    account: str | None
    action: str | None
    operator: str | None
    api_key_id: int | None
    since: timedelta | None
    before_id: int | None
    count_max: int


async def add(connection: Writer, new: NewEntry) -> None:
    """Add an entry, with the time of the transaction."""
    await connection.execute(
        "INSERT INTO audit_log (operator, action, subject, account_id, details, api_key_id) VALUES (%s, %s, %s, %s, %s, %s)",
        (new.operator, new.action, new.subject, new.account_id, Jsonb(dict(new.details)), new.api_key_id),
    )


async def list_entries(connection: Reader, search: EntrySearch) -> list[Entry]:
    """The latest entries, newest first."""
    cursor = connection.cursor(row_factory=class_row(Entry))
    values = {name: getattr(search, name) for name in EntrySearch.__slots__}
    await cursor.execute(
        """
        SELECT entry.id, entry.at, entry.operator, entry.api_key_id, entry.action, entry.subject,
            account.name AS account, entry.details
        FROM audit_log AS entry LEFT JOIN accounts AS account ON account.id = entry.account_id
        WHERE (%(account)s::text IS NULL OR account.name = %(account)s)
          AND (%(action)s::text IS NULL OR entry.action = %(action)s)
          AND (%(operator)s::text IS NULL OR entry.operator = %(operator)s)
          AND (%(api_key_id)s::bigint IS NULL OR entry.api_key_id = %(api_key_id)s)
          AND (%(before_id)s::bigint IS NULL OR entry.id < %(before_id)s)
          AND (%(since)s::interval IS NULL OR entry.at >= now() - %(since)s::interval)
        ORDER BY entry.id DESC LIMIT %(count_max)s
        """,
        values,
    )
    return await cursor.fetchall()


async def latest_details(connection: Reader, action: Action) -> dict[str, Any] | None:
    """The details of the latest entry of an action; None when there is none."""
    cursor = await connection.execute(
        "SELECT details FROM audit_log WHERE action = %s ORDER BY id DESC LIMIT 1", (action,)
    )
    row = await cursor.fetchone()
    return None if row is None else dict(row[0])
