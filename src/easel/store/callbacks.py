"""Callbacks: messages that tell a receiver that a task has ended, and the outcome of every attempt to deliver them.

A trigger adds a callback when its task ends. A process claims it for one attempt. If the process dies, the claim
expires and another process makes the next attempt. Only the latest claim can record an outcome.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any, Final

from psycopg import sql
from psycopg.rows import class_row

from easel.domain.delivery import ATTEMPT_TIMEOUT_S, INTERRUPTIONS_MAX, RETRY_DELAYS_S, Attempted, State
from easel.store.database import Reader, Writer
from easel.store.tasks import Task, columns_of, task_of

CLAIM_S: Final = ATTEMPT_TIMEOUT_S + 3
"""How long a process has to make an attempt and record its outcome."""
LOOKED_THROUGH_MAX: Final = 1000
"""How many due callbacks to examine for some that can be attempted now."""

ATTEMPTS_KEPT_MAX: Final = 100
"""Attempts kept for a callback that is delivered again and again. Older ones are deleted."""


@dataclass(frozen=True, slots=True)
class ClaimedCallback:
    """A callback that this process is to attempt once.

    It has either its body, or before the first attempt its task, of which the body is made. `claimed_at` is the
    database's time. `secret_overlaps` says that the previous secret signs too.
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
    task: Task | None


@dataclass(frozen=True, slots=True)
class Claims:
    """Claimed callbacks, and how many more were due but claimed by other processes at the same moment."""

    claimed: Sequence[ClaimedCallback]
    lost_count: int


@dataclass(frozen=True, slots=True)
class EndedAttempt:
    """The outcome of an attempt and the callback's state that follows. The next attempt, if any, is due in
    `due_in_s`."""

    claimed: ClaimedCallback
    attempted: Attempted
    state: State
    due_in_s: float


@dataclass(frozen=True, slots=True)
class Room:
    """How many more callbacks can be attempted: in all, per receiver, and per account. The maps hold the number of
    attempts under way at each receiver and for each account."""

    count: int
    per_receiver: int
    per_account: int
    at_receivers: Mapping[str, int]
    of_accounts: Mapping[int, int]

    def after(self, claimed: Collection[ClaimedCallback]) -> "Room":
        """The room that is left while these are attempted too."""
        return replace(
            self,
            count=self.count - len(claimed),
            at_receivers=Counter(self.at_receivers) + Counter(each.receiver for each in claimed),
            of_accounts=Counter(self.of_accounts) + Counter(each.account_id for each in claimed),
        )

    def is_full_for(self, claimed: ClaimedCallback) -> bool:
        """Whether the receiver or the account of a callback has no place left."""
        return (
            self.at_receivers.get(claimed.receiver, 0) >= self.per_receiver
            or self.of_accounts.get(claimed.account_id, 0) >= self.per_account
        )


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
_CLAIM: Final = (
    sql.SQL("""
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
    SELECT claimed.task_id, claimed.account_id, claimed.url, claimed.receiver, claimed.body, claimed.attempts,
        claimed.failures, account.callback_secret_generation,
        coalesce(account.callback_secret_overlap_until > now(), false), now(), {task}
    FROM picked LEFT JOIN claimed USING (task_id) LEFT JOIN accounts AS account ON account.id = claimed.account_id
    LEFT JOIN tasks AS task ON task.id = claimed.task_id AND claimed.body IS NULL
""")
    .format(task=columns_of("task"))
    .as_bytes()
)
_CLAIMED_COLUMNS: Final = len(fields(ClaimedCallback)) - 1


def _claimed(columns: Sequence[Any]) -> ClaimedCallback | None:
    """None stands for a callback that another process claimed at the same moment."""
    if columns[0] is None:
        return None
    task = columns[_CLAIMED_COLUMNS:]
    return ClaimedCallback(*[*columns[:_CLAIMED_COLUMNS], None if task[0] is None else task_of(task)])


async def claim(connection: Writer, room: Room) -> Claims:
    """Claim due callbacks for one attempt each, as many as there is room for."""
    cursor = await connection.execute(
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
    found = [_claimed(columns) for columns in await cursor.fetchall()]
    claimed = [each for each in found if each is not None]
    return Claims(claimed, len(found) - len(claimed))


async def store_bodies(connection: Writer, bodies: Sequence[tuple[str, bytes]]) -> list[bytes | None]:
    """Store the body of each task's callback, unless it has one already. Returns the stored ones, in the same order.

    None stands for a callback that was delivered and deleted meanwhile, because its claim had expired.
    """
    cursor = await connection.execute(
        """
        UPDATE callbacks SET body = coalesce(callbacks.body, made.body)
        FROM unnest(%s::text[], %s::bytea[]) AS made (task_id, body) WHERE callbacks.task_id = made.task_id
        RETURNING callbacks.task_id, callbacks.body
        """,
        ([task_id for task_id, _ in bodies], [body for _, body in bodies]),
    )
    stored: dict[str, bytes] = dict(await cursor.fetchall())
    return [stored.get(task_id) for task_id, _ in bodies]


_RECORD: Final = """
    WITH ended AS MATERIALIZED (
        SELECT * FROM unnest(%s::text[], %s::int[], %s::text[], %s::float8[], %s::text[], %s::smallint[], %s::int[])
            AS ended (task_id, number, state, due_in_s, outcome, status_code, duration_ms)
    ), noted AS (
        UPDATE callbacks SET state = ended.state, is_claimed = false,
            failures = failures + (ended.state <> 'delivered')::int,
            next_attempt_at = now() + make_interval(secs => ended.due_in_s)
        FROM ended WHERE callbacks.task_id = ended.task_id AND attempts = ended.number AND is_claimed
        RETURNING ended.*
    )
    UPDATE callback_attempts AS attempt
    SET outcome = noted.outcome, status_code = noted.status_code, duration_ms = noted.duration_ms
    FROM noted WHERE attempt.task_id = noted.task_id AND attempt.number = noted.number
    RETURNING attempt.task_id, attempt.number
"""


async def record_outcomes(connection: Writer, ended: Sequence[EndedAttempt]) -> list[bool]:
    """Record the outcomes of attempts and what follows from them. Returns for each whether it is recorded: not if its
    claim had expired."""
    rows = [
        (each.claimed.task_id, each.claimed.number, each.state, each.due_in_s,
         each.attempted.outcome, each.attempted.status_code, each.attempted.duration_ms)
        for each in ended
    ]  # fmt: skip
    cursor = await connection.execute(_RECORD, [list(column) for column in zip(*rows, strict=True)])
    recorded = set(await cursor.fetchall())
    return [(each.claimed.task_id, each.claimed.number) in recorded for each in ended]


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
