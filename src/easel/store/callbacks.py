"""Callbacks: messages that tell a receiver that a task has ended, and the outcome of every attempt to deliver them.

A trigger adds a callback when its task ends. A process claims it for one attempt. If the process dies, the claim
expires and another process makes the next attempt. Only the latest claim can record an outcome.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from psycopg.rows import class_row

from easel.domain.delivery import ATTEMPT_TIMEOUT_S, INTERRUPTIONS_MAX, RETRY_DELAYS_S, Attempted, State
from easel.store.database import Reader, Writer

CLAIM_S: Final = ATTEMPT_TIMEOUT_S + 3
"""How long a process has to make an attempt and record its outcome."""
LOOKED_THROUGH_MAX: Final = 1000
"""How many due callbacks to examine for some that can be attempted now."""

ATTEMPTS_KEPT_MAX: Final = 100
"""Attempts kept for a callback that is delivered again and again. Older ones are deleted."""


@dataclass(frozen=True, slots=True)
class ClaimedCallback:
    """A callback that this process is to attempt once. `body` is None before the first attempt.

    `claimed_at` is the database's time. `secret_overlaps` says that the previous secret signs too.
    """

    task_id: str
    account_id: int
    url: str
    receiver: str
    body: bytes | None
    number: int
    failures: int
    secret_generation: int
    secret_overlaps: bool
    claimed_at: datetime


@dataclass(frozen=True, slots=True)
class Room:
    """How many more callbacks can be attempted: in all, per receiver, and per account. The maps hold the number of
    attempts under way at each receiver and for each account."""

    count: int
    per_receiver: int
    per_account: int
    at_receivers: Mapping[str, int]
    of_accounts: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt. None stands for what is not known, or not known yet."""

    number: int
    began_at: datetime
    outcome: str | None
    status_code: int | None
    duration_ms: int | None


@dataclass(frozen=True, slots=True)
class Callback:
    """A task's callback and all attempts at it, oldest first."""

    task_id: str
    url: str
    state: str
    is_claimed: bool
    next_attempt_at: datetime
    attempts: Sequence[Attempt]


@dataclass(frozen=True, slots=True)
class ListedCallback:
    """A callback as it is listed. `last_outcome` is None before the first attempt and while one is under way."""

    task_id: str
    account: str
    state: str
    attempts: int
    last_outcome: str | None
    last_status_code: int | None
    created_at: datetime


# MATERIALIZED has each part evaluated once and in this order. A planner that saw empty tables would nest them.
_CLAIM: Final = """
    WITH due AS MATERIALIZED (
        SELECT task_id, receiver, account_id, next_attempt_at FROM callbacks
        WHERE state = 'delivering' AND next_attempt_at <= now()
          AND NOT (is_claimed AND interruptions >= %(interruptions_max)s)
          AND receiver <> ALL (%(full_receivers)s) AND account_id <> ALL (%(full_accounts)s)
        ORDER BY next_attempt_at LIMIT %(looked_through_max)s
    ), at_receivers AS MATERIALIZED (
        SELECT due.*, coalesce(under_way.count, 0)
            + row_number() OVER (PARTITION BY receiver ORDER BY next_attempt_at, task_id) AS place
        FROM due LEFT JOIN unnest(%(receivers)s::text[], %(receiver_counts)s::int[]) AS under_way (name, count)
            ON under_way.name = due.receiver
    ), of_accounts AS MATERIALIZED (
        SELECT at_receivers.task_id, next_attempt_at, coalesce(under_way.count, 0)
            + row_number() OVER (PARTITION BY account_id ORDER BY next_attempt_at, task_id) AS place
        FROM at_receivers LEFT JOIN unnest(%(accounts)s::bigint[], %(account_counts)s::int[]) AS under_way (id, count)
            ON under_way.id = at_receivers.account_id
        WHERE at_receivers.place <= %(per_receiver)s
    ), picked AS MATERIALIZED (
        SELECT task_id FROM of_accounts WHERE place <= %(per_account)s ORDER BY next_attempt_at LIMIT %(count)s
    ), locked AS MATERIALIZED (
        SELECT task_id FROM callbacks
        WHERE task_id = ANY (ARRAY(SELECT task_id FROM picked)) AND state = 'delivering' AND next_attempt_at <= now()
        FOR UPDATE SKIP LOCKED
    ), claimed AS (
        UPDATE callbacks SET is_claimed = true, attempts = attempts + 1,
            interruptions = interruptions + is_claimed::int, next_attempt_at = now() + make_interval(secs => %(claim_s)s)
        WHERE task_id = ANY (ARRAY(SELECT task_id FROM locked))
        RETURNING *
    ), interrupted AS (
        UPDATE callback_attempts AS attempt SET outcome = 'interrupted' FROM claimed
        WHERE attempt.task_id = claimed.task_id AND attempt.number = claimed.attempts - 1 AND attempt.outcome IS NULL
    ), begun AS (
        INSERT INTO callback_attempts (task_id, number) SELECT task_id, attempts FROM claimed
    ), forgotten AS (
        DELETE FROM callback_attempts AS attempt USING claimed
        WHERE attempt.task_id = claimed.task_id AND attempt.number <= claimed.attempts - %(attempts_kept_max)s
    )
    SELECT claimed.task_id, claimed.account_id, claimed.url, claimed.receiver, claimed.body,
        claimed.attempts AS number, claimed.failures,
        account.callback_secret_generation AS secret_generation,
        coalesce(account.callback_secret_overlap_until > now(), false) AS secret_overlaps, now() AS claimed_at
    FROM claimed JOIN accounts AS account ON account.id = claimed.account_id
"""


async def claim(connection: Writer, room: Room) -> list[ClaimedCallback]:
    """Claim due callbacks for one attempt each, as many as there is room for."""
    cursor = connection.cursor(row_factory=class_row(ClaimedCallback))
    await cursor.execute(
        _CLAIM,
        {
            "full_receivers": [name for name, count in room.at_receivers.items() if count >= room.per_receiver],
            "full_accounts": [number for number, count in room.of_accounts.items() if count >= room.per_account],
            "looked_through_max": LOOKED_THROUGH_MAX,
            "interruptions_max": INTERRUPTIONS_MAX,
            "attempts_kept_max": ATTEMPTS_KEPT_MAX,
            "receivers": list(room.at_receivers),
            "receiver_counts": list(room.at_receivers.values()),
            "accounts": list(room.of_accounts),
            "account_counts": list(room.of_accounts.values()),
            "claim_s": CLAIM_S,
            "per_receiver": room.per_receiver,
            "per_account": room.per_account,
            "count": room.count,
        },
    )
    return await cursor.fetchall()


async def store_body(connection: Writer, task_id: str, body: bytes) -> bytes:
    """Store a body, unless there is one already. Returns the stored one."""
    cursor = await connection.execute(
        "UPDATE callbacks SET body = coalesce(body, %s) WHERE task_id = %s RETURNING body", (body, task_id)
    )
    row = await cursor.fetchone()
    assert row is not None, "a claimed callback is never deleted"
    return bytes(row[0])


async def record_outcome(
    connection: Writer, claimed: ClaimedCallback, attempted: Attempted, state: State, due_in_s: float
) -> bool:
    """Record the outcome of an attempt and the state that follows. The next attempt, if any, is due in `due_in_s`.

    Returns False, and records nothing, if the claim had expired.
    """
    values = {
        "task_id": claimed.task_id,
        "number": claimed.number,
        "state": state,
        "is_failure": state is not State.DELIVERED,
        "due_in_s": due_in_s,
        "outcome": attempted.outcome,
        "status_code": attempted.status_code,
        "duration_ms": attempted.duration_ms,
    }
    cursor = await connection.execute(
        """
        WITH noted AS (
            UPDATE callbacks SET state = %(state)s, is_claimed = false, failures = failures + %(is_failure)s::int,
                next_attempt_at = now() + make_interval(secs => %(due_in_s)s)
            WHERE task_id = %(task_id)s AND attempts = %(number)s AND is_claimed RETURNING task_id
        )
        UPDATE callback_attempts AS attempt
        SET outcome = %(outcome)s, status_code = %(status_code)s, duration_ms = %(duration_ms)s
        FROM noted WHERE attempt.task_id = noted.task_id AND attempt.number = %(number)s
        """,
        values,
    )
    return cursor.rowcount == 1


async def cap_delays(connection: Writer) -> None:
    """Limit the time until a next attempt to the longest retry delay, or to the length of a claim.

    An attempt that is further away was scheduled before the clock was set back.
    """
    await connection.execute(
        """
        UPDATE callbacks SET next_attempt_at = now() + make_interval(secs => %(wait_s)s)
        WHERE state = 'delivering' AND next_attempt_at > now() + make_interval(secs => %(wait_s)s + 1)
        """,
        {"wait_s": max(CLAIM_S, *RETRY_DELAYS_S)},
    )


async def give_up_interrupted(connection: Writer) -> list[str]:
    """End the deliveries during which too many processes have died. Returns their task ids."""
    cursor = await connection.execute(
        """
        WITH given_up AS (
            UPDATE callbacks SET state = 'failed', is_claimed = false
            WHERE state = 'delivering' AND next_attempt_at <= now() AND is_claimed AND interruptions >= %s
            RETURNING task_id, attempts
        ), interrupted AS (
            UPDATE callback_attempts AS attempt SET outcome = 'interrupted' FROM given_up
            WHERE attempt.task_id = given_up.task_id AND attempt.number = given_up.attempts AND attempt.outcome IS NULL
        )
        SELECT task_id FROM given_up
        """,
        (INTERRUPTIONS_MAX,),
    )
    return [task_id for (task_id,) in await cursor.fetchall()]


async def find(connection: Reader, task_id: str) -> Callback | None:
    """A task's callback; None when it has none, or has not ended."""
    cursor = await connection.execute(
        "SELECT url, state, is_claimed, next_attempt_at FROM callbacks WHERE task_id = %s AND NOT is_erased",
        (task_id,),
    )
    row = await cursor.fetchone()
    if row is None:
        return None
    attempts = connection.cursor(row_factory=class_row(Attempt))
    await attempts.execute(
        """
        SELECT number, began_at, outcome, status_code, duration_ms FROM callback_attempts
        WHERE task_id = %s ORDER BY number
        """,
        (task_id,),
    )
    url, state, is_claimed, next_attempt_at = row
    return Callback(task_id, url, state, is_claimed, next_attempt_at, await attempts.fetchall())


async def redeliver(connection: Writer, task_id: str) -> bool:
    """Deliver a callback again immediately. Returns False, and changes nothing, while it is being delivered."""
    cursor = await connection.execute(
        """
        UPDATE callbacks SET state = 'delivering', failures = 0, interruptions = 0, next_attempt_at = now()
        WHERE task_id = %s AND state <> 'delivering' AND NOT is_erased
        """,
        (task_id,),
    )
    return cursor.rowcount == 1


async def list_callbacks(
    connection: Reader, account: str | None, state: str | None, count_max: int
) -> list[ListedCallback]:
    """The latest callbacks, newest first, of one account or of all, in one state or in any."""
    cursor = connection.cursor(row_factory=class_row(ListedCallback))
    values: dict[str, Any] = {"account": account, "state": state, "count_max": count_max}
    await cursor.execute(
        """
        SELECT callback.task_id, account.name AS account, callback.state, callback.attempts,
            attempt.outcome AS last_outcome, attempt.status_code AS last_status_code, callback.created_at
        FROM callbacks AS callback JOIN accounts AS account ON account.id = callback.account_id
        LEFT JOIN callback_attempts AS attempt
            ON attempt.task_id = callback.task_id AND attempt.number = callback.attempts
        WHERE NOT callback.is_erased AND (%(account)s::text IS NULL OR account.name = %(account)s)
          AND (%(state)s::text IS NULL OR callback.state = %(state)s)
        ORDER BY callback.created_at DESC LIMIT %(count_max)s
        """,
        values,
    )
    return await cursor.fetchall()
