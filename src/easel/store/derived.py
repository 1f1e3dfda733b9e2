"""Derived values: each account's balance, from its ledger entries, and each key's counts, from its holds.

Database triggers keep them correct. This module recomputes them, so that `audit` can check them and `actions/repair.py`
can correct them.
"""

from collections.abc import Collection
from dataclasses import astuple, dataclass
from typing import Final, LiteralString

from psycopg import sql

from easel.store.database import Reader, Writer

BALANCES: Final[LiteralString] = """
    SELECT account.id, account.name, available_microcredits, reserved_microcredits, used_microcredits,
        summed.available, summed.reserved, summed.used
    FROM accounts AS account CROSS JOIN LATERAL (
        SELECT
            coalesce(sum(CASE WHEN kind IN ('grant', 'release') THEN amount_microcredits
                              WHEN kind = 'hold' THEN -amount_microcredits ELSE 0 END), 0)::bigint AS available,
            coalesce(sum(CASE WHEN kind = 'hold' THEN amount_microcredits
                              WHEN kind IN ('capture', 'release') THEN -amount_microcredits ELSE 0 END), 0)::bigint
                AS reserved,
            coalesce(sum(CASE WHEN kind = 'capture' THEN amount_microcredits ELSE 0 END), 0)::bigint AS used
        FROM ledger WHERE ledger.account_id = account.id
    ) AS summed
    """
"""Each account with its stored balance and the sums of its entries."""

COUNTS: Final[LiteralString] = """
    SELECT api_key.id, account.name, api_key.used_microcredits, api_key.reserved_microcredits, api_key.unfinished,
        coalesce(held.used, 0)::bigint AS used, coalesce(held.reserved, 0)::bigint AS reserved,
        coalesce(held.open, 0)::int AS open, account.id AS account_id
    FROM api_keys AS api_key JOIN accounts AS account ON account.id = api_key.account_id LEFT JOIN (
        SELECT tasks.api_key_id,
            sum(holds.amount_microcredits) FILTER (WHERE holds.state = 'captured') AS used,
            sum(holds.amount_microcredits) FILTER (WHERE holds.state = 'open') AS reserved,
            count(*) FILTER (WHERE holds.state = 'open') AS open
        FROM holds JOIN tasks ON tasks.id = holds.task_id GROUP BY tasks.api_key_id
    ) AS held ON held.api_key_id = api_key.id
    """
"""Each key with its stored counts, the sums of its holds, and its account."""


@dataclass(frozen=True, slots=True)
class Books:
    """An account's balance, in micro-credits."""

    available: int
    reserved: int
    used: int


@dataclass(frozen=True, slots=True)
class Counts:
    """What a key has spent and reserved, in micro-credits, and how many of its tasks are unfinished."""

    used: int
    reserved: int
    unfinished: int


@dataclass(frozen=True, slots=True)
class WrongBalance:
    """An account whose balance is not the sum of its entries."""

    account_id: int
    account: str
    stored: Books
    derived: Books


@dataclass(frozen=True, slots=True)
class WrongCounts:
    """A key whose counts do not match its holds."""

    api_key_id: int
    account: str
    stored: Counts
    derived: Counts
    account_id: int


async def wrong_balances(connection: Reader, only: Collection[int] | None = None) -> list[WrongBalance]:
    """Accounts whose balance is wrong. Checks all accounts, or only those with the given ids."""
    cursor = await connection.execute(_limited(BALANCES, "account"), {"only": None if only is None else list(only)})
    found = (WrongBalance(row[0], row[1], Books(*row[2:5]), Books(*row[5:8])) for row in await cursor.fetchall())
    return [balance for balance in found if balance.stored != balance.derived]


async def wrong_counts(connection: Reader, only: Collection[int] | None = None) -> list[WrongCounts]:
    """Keys whose counts are wrong. Checks all keys, or only those with the given ids."""
    cursor = await connection.execute(_limited(COUNTS, "api_key"), {"only": None if only is None else list(only)})
    found = (
        WrongCounts(row[0], row[1], Counts(*row[2:5]), Counts(*row[5:8]), row[8]) for row in await cursor.fetchall()
    )
    return [counts for counts in found if counts.stored != counts.derived]


def _limited(query: LiteralString, table: str) -> sql.Composed:
    only = sql.SQL("WHERE %(only)s::bigint[] IS NULL OR {id} = ANY (%(only)s) ORDER BY {id}")
    return sql.SQL("{} {}").format(sql.SQL(query), only.format(id=sql.Identifier(table, "id")))


async def lock(connection: Writer, api_key_ids: Collection[int], account_ids: Collection[int]) -> None:
    """Lock these keys and accounts until the transaction ends. Keys are locked first, as everywhere else."""
    await connection.execute(
        "SELECT FROM api_keys WHERE id = ANY (%s) ORDER BY id FOR NO KEY UPDATE", (list(api_key_ids),)
    )
    await connection.execute(
        "SELECT FROM accounts WHERE id = ANY (%s) ORDER BY id FOR NO KEY UPDATE", (list(account_ids),)
    )


async def set_balance(connection: Writer, wrong: WrongBalance) -> None:
    """Set an account's balance to the sum of its entries."""
    await connection.execute(
        """
        UPDATE accounts SET available_microcredits = %s, reserved_microcredits = %s, used_microcredits = %s WHERE id = %s
        """,
        (*astuple(wrong.derived), wrong.account_id),
    )


async def set_counts(connection: Writer, wrong: WrongCounts) -> None:
    """Set a key's counts to the sums of its holds."""
    # Without this setting a trigger ignores changes to the counts.
    await connection.execute("SET LOCAL easel.is_repairing = 'true'")
    await connection.execute(
        "UPDATE api_keys SET used_microcredits = %s, reserved_microcredits = %s, unfinished = %s WHERE id = %s",
        (*astuple(wrong.derived), wrong.api_key_id),
    )
