"""Usage: what an account's tasks came to, by day and key. A trigger counts them when they end."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, LiteralString

from psycopg.rows import class_row

from easel.store.database import Reader

_SUMS: Final[LiteralString] = """
    sum(completed)::bigint AS completed, sum(cancelled)::bigint AS cancelled, sum(refused)::bigint AS refused,
    sum(failed)::bigint AS failed, sum(spent_microcredits)::bigint AS spent_microcredits
"""
_COUNTED: Final[LiteralString] = "account_id = %s AND day BETWEEN %s AND %s"

DAYS: Final[LiteralString] = f"SELECT day, {_SUMS} FROM daily_usage WHERE {_COUNTED} GROUP BY day ORDER BY day"  # noqa: S608
KEYS: Final[LiteralString] = f"""
    SELECT usage.*, key.name, key.hint FROM (
        SELECT api_key_id, {_SUMS} FROM daily_usage WHERE {_COUNTED} GROUP BY api_key_id
        ORDER BY spent_microcredits DESC, api_key_id LIMIT %s
    ) AS usage JOIN api_keys AS key ON key.id = usage.api_key_id
    ORDER BY spent_microcredits DESC, key.id
"""  # noqa: S608 - ours
ROWS: Final[LiteralString] = f"""
    SELECT usage.day, usage.completed, usage.cancelled, usage.refused, usage.failed, usage.spent_microcredits,
        key.id AS api_key_id, key.name, key.hint
    FROM (SELECT * FROM daily_usage WHERE {_COUNTED} ORDER BY day, api_key_id LIMIT %s) AS usage
    JOIN api_keys AS key ON key.id = usage.api_key_id ORDER BY usage.day, key.id
"""  # noqa: S608 - ours


@dataclass(frozen=True, slots=True)
class Period:
    """The days from `first` to `last`, in UTC, both included."""

    first: date
    last: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """How many tasks ended in each way, and what the completed ones cost."""

    completed: int
    cancelled: int
    refused: int
    failed: int
    spent_microcredits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DayUsage(Sums):
    """The usage of one day."""

    day: date


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyUsage(Sums):
    """The usage of one key."""

    api_key_id: int
    name: str
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyDayUsage(KeyUsage):
    """The usage of one key on one day."""

    day: date


async def today(connection: Reader) -> date:
    """The day in UTC, by the database's clock."""
    row = await (await connection.execute("SELECT (now() AT TIME ZONE 'UTC')::date")).fetchone()
    assert row is not None
    day: date = row[0]
    return day


async def by_day(connection: Reader, account_id: int, period: Period) -> Sequence[DayUsage]:
    """An account's usage on each day on which a task ended, oldest first."""
    cursor = connection.cursor(row_factory=class_row(DayUsage))
    await cursor.execute(DAYS, (account_id, period.first, period.last))
    return await cursor.fetchall()


async def by_key(connection: Reader, account_id: int, period: Period, count_max: int) -> Sequence[KeyUsage]:
    """The usage of the account's keys, starting with the one that spent most."""
    cursor = connection.cursor(row_factory=class_row(KeyUsage))
    await cursor.execute(KEYS, (account_id, period.first, period.last, count_max))
    return await cursor.fetchall()


async def by_day_and_key(connection: Reader, account_id: int, period: Period, count_max: int) -> Sequence[KeyDayUsage]:
    """The usage of each key on each day, oldest first."""
    cursor = connection.cursor(row_factory=class_row(KeyDayUsage))
    await cursor.execute(ROWS, (account_id, period.first, period.last, count_max))
    return await cursor.fetchall()
