"""The usage of keys, derived from their tasks: what the rows by day should add up to.

A trigger keeps the rows. This module recomputes them, so that `audit` can check them and `actions/repair.py` can
correct them. Tasks are never deleted, so the usage of any day can be computed anew.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, LiteralString

from easel.store.database import Reader, Writer

_SUMS: Final[LiteralString] = """
    count(*) FILTER (WHERE status = 'completed') AS completed,
    count(*) FILTER (WHERE error_code = 'request_cancelled') AS cancelled,
    count(*) FILTER (WHERE error_code = 'content_policy_violation') AS refused,
    count(*) FILTER (WHERE error_code NOT IN ('request_cancelled', 'content_policy_violation')) AS failed,
    coalesce(sum(price_microcredits) FILTER (WHERE status = 'completed'), 0) AS spent
"""
WRONG: Final[LiteralString] = f"""
    SELECT api_key_id,
        coalesce(usage.completed, 0), coalesce(usage.cancelled, 0), coalesce(usage.refused, 0),
        coalesce(usage.failed, 0), coalesce(usage.spent, 0),
        coalesce(ended.completed, 0), coalesce(ended.cancelled, 0), coalesce(ended.refused, 0),
        coalesce(ended.failed, 0), coalesce(ended.spent, 0), account_id
    FROM (
        SELECT account_id, api_key_id, sum(completed) AS completed, sum(cancelled) AS cancelled,
            sum(refused) AS refused, sum(failed) AS failed, sum(spent_microcredits) AS spent
        FROM daily_usage GROUP BY account_id, api_key_id
    ) AS usage FULL JOIN (
        SELECT account_id, api_key_id, {_SUMS} FROM tasks WHERE ended_at IS NOT NULL GROUP BY account_id, api_key_id
    ) AS ended USING (account_id, api_key_id)
    WHERE (usage.completed, usage.cancelled, usage.refused, usage.failed, usage.spent)
        IS DISTINCT FROM (ended.completed, ended.cancelled, ended.refused, ended.failed, ended.spent)
"""  # noqa: S608 - constants of ours
"""Each key whose usage over all days is not what its ended tasks came to, with the stored sums and the right ones."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How many tasks of a key ended in each way, and what the completed ones cost, in micro-credits."""

    completed: int
    cancelled: int
    refused: int
    failed: int
    spent: int


@dataclass(frozen=True, slots=True)
class WrongUsage:
    """A key whose usage over all days does not match its tasks."""

    api_key_id: int
    account: str
    stored: Ended
    derived: Ended
    account_id: int


async def wrong_usage(connection: Reader) -> list[WrongUsage]:
    """Keys whose usage is wrong."""
    cursor = await connection.execute(
        f"SELECT wrong.*, name FROM ({WRONG}) AS wrong JOIN accounts ON accounts.id = account_id ORDER BY 1"  # noqa: S608
    )
    return [
        WrongUsage(row[0], row[12], Ended(*map(int, row[1:6])), Ended(*map(int, row[6:11])), row[11])
        for row in await cursor.fetchall()
    ]


async def lock_usage(connection: Writer) -> None:
    """Let no task be counted until the transaction ends.

    Tasks that end wait meanwhile. The transaction must not hold locks of keys or accounts, for which they may wait.
    """
    await connection.execute("LOCK TABLE daily_usage IN SHARE ROW EXCLUSIVE MODE")


async def set_usage(connection: Writer, api_key_ids: Collection[int]) -> None:
    """Count the ended tasks of these keys anew, day by day."""
    ids = list(api_key_ids)
    await connection.execute("DELETE FROM daily_usage WHERE api_key_id = ANY (%s)", (ids,))
    await connection.execute(
        f"""
        INSERT INTO daily_usage (account_id, day, api_key_id, completed, cancelled, refused, failed, spent_microcredits)
        SELECT account_id, (ended_at AT TIME ZONE 'UTC')::date AS day, api_key_id, {_SUMS}
        FROM tasks WHERE ended_at IS NOT NULL AND api_key_id = ANY (%s) GROUP BY account_id, day, api_key_id
        """,  # noqa: S608 - constants of ours
        (ids,),
    )
