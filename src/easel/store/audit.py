"""The audit: every invariant of credits and work, as a query that finds violations.

It reads one snapshot, so it can run while the service works. A sound database has no findings.
"""

from dataclasses import dataclass
from typing import Final, LiteralString

from easel.store import derived, derived_usage
from easel.store.database import Reader

TIMEOUT_S: Final = 600
"""Longest that an audit may take."""
FINDINGS_MAX: Final = 20
"""Most findings listed for each invariant."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One violation: the invariant as a sentence, and the account, task or key that violates it."""

    invariant: str
    subject: str


BALANCE: Final = "an account's balance is the sum of its entries"
USED: Final = "a key's used credits are what its tasks were charged"
UNFINISHED: Final = "a key's reserved credits and unfinished tasks are those of its open holds"
USAGE: Final = "a key's usage over all days is what its ended tasks came to"
REPAIRABLE: Final = frozenset({BALANCE, USED, UNFINISHED, USAGE})
"""What `easel credits repair` can correct, because it follows from the ledger, the holds and the tasks."""

INVARIANTS: Final[dict[str, LiteralString]] = {
    BALANCE: f"""
        SELECT name FROM ({derived.BALANCES}) AS balance
        WHERE (available_microcredits, reserved_microcredits, used_microcredits)
            IS DISTINCT FROM (available, reserved, used)
        """,  # noqa: S608 - a constant of ours
    "an account's reserved credits are the sum of its open holds": """
        SELECT account.name FROM accounts AS account
        WHERE reserved_microcredits <> (
            SELECT coalesce(sum(amount_microcredits), 0) FROM holds
            WHERE holds.account_id = account.id AND state = 'open')
        """,
    "no balance is negative": """
        SELECT name FROM accounts
        WHERE least(available_microcredits, reserved_microcredits, used_microcredits) < 0
        """,
    "a task has ended if and only if its hold is resolved": """
        SELECT tasks.id FROM tasks LEFT JOIN holds ON holds.task_id = tasks.id
        WHERE (tasks.status IN ('completed', 'failed')) IS DISTINCT FROM (coalesce(holds.state, 'none') <> 'open')
        """,
    "a task has no hold if and only if moderation refused it at once": """
        SELECT tasks.id FROM tasks LEFT JOIN holds ON holds.task_id = tasks.id
        WHERE tasks.is_refused IS DISTINCT FROM (holds.task_id IS NULL)
        """,
    "a task is charged if and only if it is completed": """
        SELECT tasks.id FROM tasks LEFT JOIN holds ON holds.task_id = tasks.id
        WHERE (tasks.status = 'completed') IS DISTINCT FROM (coalesce(holds.state, 'none') = 'captured')
        """,
    "a task has a callback if and only if it has ended and asked for one": """
        SELECT tasks.id FROM tasks LEFT JOIN callbacks ON callbacks.task_id = tasks.id
        WHERE (tasks.ended_at IS NOT NULL AND tasks.callback_url IS NOT NULL AND callbacks.task_id IS NULL)
            OR (callbacks.task_id IS NOT NULL AND (tasks.ended_at IS NULL
                OR tasks.callback_url IS DISTINCT FROM callbacks.url AND NOT callbacks.is_erased))
        """,
    "every hold has one entry, and at most one that resolves it, both of its amount": """
        SELECT holds.task_id FROM holds LEFT JOIN ledger
            ON ledger.cause = holds.task_id AND ledger.account_id = holds.account_id
            AND ledger.amount_microcredits = holds.amount_microcredits
        WHERE holds.amount_microcredits > 0
        GROUP BY holds.task_id, holds.state
        HAVING count(*) FILTER (WHERE kind = 'hold') <> 1
            OR count(*) FILTER (WHERE kind = 'capture') <> (CASE holds.state WHEN 'captured' THEN 1 ELSE 0 END)
            OR count(*) FILTER (WHERE kind = 'release') <> (CASE holds.state WHEN 'released' THEN 1 ELSE 0 END)
        """,
    "every entry that is not a grant belongs to a hold": """
        SELECT ledger.cause FROM ledger LEFT JOIN holds ON holds.task_id = ledger.cause
        WHERE ledger.kind <> 'grant' AND holds.task_id IS NULL
        """,
    USED: f"SELECT 'key ' || id FROM ({derived.COUNTS}) AS counts WHERE used_microcredits <> used",  # noqa: S608
    UNFINISHED: f"""
        SELECT 'key ' || id FROM ({derived.COUNTS}) AS counts
        WHERE (reserved_microcredits, unfinished) IS DISTINCT FROM (reserved, open)
        """,  # noqa: S608
    "no key has spent more than its limit": """
        SELECT 'key ' || id FROM api_keys
        WHERE used_microcredits + reserved_microcredits > credit_limit_microcredits
        """,
    USAGE: f"SELECT 'key ' || api_key_id FROM ({derived_usage.WRONG}) AS wrong",  # noqa: S608
    "every unfinished task is in the queue": """
        SELECT tasks.id FROM tasks
        WHERE tasks.status IN ('pending', 'processing') AND queue_state IS NULL
        """,
}


async def findings(connection: Reader) -> list[Finding]:
    """All violations, at most FINDINGS_MAX for each invariant. The connection comes from `Database.snapshot`."""
    await allow_scans(connection)
    found: list[Finding] = []
    for invariant, query in INVARIANTS.items():
        cursor = await connection.execute(query)
        found += [Finding(invariant, subject) for (subject,) in await cursor.fetchmany(FINDINGS_MAX)]
    return found


async def allow_scans(connection: Reader) -> None:
    """Let the transaction read and sort whole tables, as no other query does, for up to TIMEOUT_S."""
    await connection.execute(f"SET LOCAL statement_timeout = '{TIMEOUT_S}s'")
    for reading in ("seqscan", "sort"):
        await connection.execute(f"SET LOCAL enable_{reading} = on")
