"""Accounts and keys, a page at a time, as operators list them.

A page begins after the id of the last row of the page before, so that reading on is as quick as the first page.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString

from psycopg.rows import class_row

from easel.store.accounts import LISTED_KEYS, ListedKey
from easel.store.database import Reader
from easel.store.patterns import in_any_case


@dataclass(frozen=True, slots=True)
class ListedAccount:
    """An account with its balance and the number of its keys that are not revoked."""

    id: int
    name: str
    user_group: str
    available_microcredits: int
    reserved_microcredits: int
    used_microcredits: int
    keys: int
    created_at: datetime


_ACCOUNTS: Final[LiteralString] = """
    SELECT id, name, user_group, available_microcredits, reserved_microcredits, used_microcredits, created_at,
        (SELECT count(*) FROM api_keys WHERE account_id = account.id AND revoked_at IS NULL) AS keys
    FROM accounts AS account
"""


async def now(connection: Reader) -> datetime:
    """The database's time, by which keys expire."""
    row = await (await connection.execute("SELECT now()")).fetchone()
    assert row is not None
    time: datetime = row[0]
    return time


async def accounts(connection: Reader, part: str, after: int, count_max: int) -> Sequence[ListedAccount]:
    """The accounts with higher ids than `after` whose names contain `part`, in whatever case, oldest first."""
    cursor = connection.cursor(row_factory=class_row(ListedAccount))
    contains: LiteralString = " AND name ~* %(pattern)s" if part else ""
    await cursor.execute(
        _ACCOUNTS + " WHERE id > %(after)s" + contains + " ORDER BY id LIMIT %(count_max)s",
        {"pattern": in_any_case(part), "after": after, "count_max": count_max},
    )
    return await cursor.fetchall()


async def account(connection: Reader, account_id: int) -> ListedAccount | None:
    """One account."""
    cursor = connection.cursor(row_factory=class_row(ListedAccount))
    await cursor.execute(_ACCOUNTS + " WHERE id = %s", (account_id,))
    return await cursor.fetchone()


async def keys(connection: Reader, account_id: int | None, after: int, count_max: int) -> Sequence[ListedKey]:
    """The keys with higher ids than `after`, of one account or of all, oldest first."""
    cursor = connection.cursor(row_factory=class_row(ListedKey))
    of_account: LiteralString = "" if account_id is None else " AND api_key.account_id = %(account_id)s"
    await cursor.execute(
        LISTED_KEYS + "WHERE api_key.id > %(after)s" + of_account + " ORDER BY api_key.id LIMIT %(count_max)s",
        {"account_id": account_id, "after": after, "count_max": count_max},
    )
    return await cursor.fetchall()


async def key(connection: Reader, api_key_id: int) -> ListedKey | None:
    """One key."""
    cursor = connection.cursor(row_factory=class_row(ListedKey))
    await cursor.execute(LISTED_KEYS + "WHERE api_key.id = %s", (api_key_id,))
    return await cursor.fetchone()
