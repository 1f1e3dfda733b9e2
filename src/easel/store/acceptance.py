"""Acceptance: the one statement that creates a task, waiting in the queue, and its hold.

It creates both or none. `admission` decides beforehand, in the same transaction, whether the key may create a
task. A task that moderation refuses is created as failed, outside the queue and without a hold.
"""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Final

import psycopg
from psycopg import sql

from easel.domain.errors import EaselError, InsufficientQuota
from easel.domain.order import Order
from easel.domain.task import ErrorCode
from easel.store import ledger
from easel.store.database import Writer
from easel.store.tasks import COLUMNS, Task, task_rows


@dataclass(frozen=True, slots=True)
class NewTask:
    """What is known about a task when it is accepted. `public_url` is the base of its links."""

    id: str
    account_id: int
    api_key_id: int
    request_id: str
    public_url: str
    user_group: str
    price_microcredits: int
    order: Order
    seed: int
    estimated_time_s: int
    created_at: datetime
    is_prompt_judged: bool = False


class TaskIdTaken(EaselError):
    """Two tasks of the same second got the same id. The caller must roll back the transaction."""


_TAG_MAX: Final = 2**31 - 1
"""A tag is stored in four bytes."""

# Fair shares by virtual time (start-time fair queueing). The virtual time is the tag of the task that was begun last,
# but never later than the first task in line; with no task in line it starts over. Tasks of one account are 2 apart. An
# account with nothing waiting enters 1 after the virtual time: ahead of the next task of an account with many waiting,
# and behind everyone who came before. An account whose latest task has that tag or a later one just had its turn, and
# enters 2 after. If tags ever reach their limit, all tasks enter there, in order of arrival, until no task is in line.
_ACCEPT: Final = (
    sql.SQL("""
    WITH accepted AS (
        INSERT INTO tasks (id, account_id, api_key_id, request_id, public_url, user_group, price_microcredits,
            model, prompt, width_px, height_px, seed, nsfw_check, callback_url, output_format,
            estimated_time_s, created_at, is_prompt_judged, is_judged_by_rules, queue_state, tag)
        VALUES (%(id)s, %(account_id)s, %(api_key_id)s, %(request_id)s, %(public_url)s, %(user_group)s,
            %(price_microcredits)s, %(model)s, %(prompt)s, %(width_px)s, %(height_px)s, %(seed)s, %(nsfw_check)s,
            %(callback_url)s, %(output_format)s, %(estimated_time_s)s, %(created_at)s, %(is_prompt_judged)s, true, 'waiting',
            least({tag_max}, greatest(
                1,
                (SELECT now.tag + CASE WHEN latest.tag >= now.tag THEN 2 ELSE 1 END FROM
                    (SELECT least((SELECT last_value FROM fair_share_clock), tag) AS tag FROM tasks
                     WHERE queue_state = 'waiting' ORDER BY tag, position LIMIT 1) AS now
                    LEFT JOIN (SELECT tag FROM tasks WHERE account_id = %(account_id)s ORDER BY position DESC LIMIT 1)
                        AS latest ON true),
                2 + (SELECT max(tag) FROM tasks WHERE account_id = %(account_id)s AND status = 'pending')::bigint
            )))
        RETURNING {columns}
    ), {hold}
    SELECT {columns} FROM accepted
""")
    .format(
        tag_max=sql.Literal(_TAG_MAX),
        columns=COLUMNS,
        hold=ledger.hold("accepted"),
    )
    .as_bytes()
)


_REFUSE: Final = (
    sql.SQL("""
    INSERT INTO tasks (id, account_id, api_key_id, request_id, public_url, user_group, price_microcredits,
        model, prompt, width_px, height_px, seed, nsfw_check, callback_url, output_format, estimated_time_s, created_at,
        status, ended_at, error_code, error_message, is_refused)
    VALUES (%(id)s, %(account_id)s, %(api_key_id)s, %(request_id)s, %(public_url)s, %(user_group)s,
        %(price_microcredits)s, %(model)s, '', %(width_px)s, %(height_px)s, %(seed)s, %(nsfw_check)s,
        %(callback_url)s, %(output_format)s, %(estimated_time_s)s, %(created_at)s,
        'failed', now(), %(code)s, %(message)s, true)
    RETURNING {}
""")
    .format(COLUMNS)
    .as_bytes()
)


async def accept(connection: Writer, new: NewTask) -> Task:
    """Create a pending task, queue it and hold its price.

    Raises TaskIdTaken, InsufficientQuota. The caller must then roll back the transaction.
    """
    try:
        return await _insert(connection, _ACCEPT, new, {})
    except psycopg.errors.CheckViolation as error:
        if error.diag.constraint_name != "accounts_available_not_negative":
            raise
        raise InsufficientQuota from None


async def refuse(connection: Writer, new: NewTask, code: ErrorCode, message: str) -> Task:
    """Create a task that has already failed and is free, without its prompt.

    Raises TaskIdTaken. The caller must then roll back the transaction.
    """
    return await _insert(connection, _REFUSE, new, {"code": code, "message": message})


async def _insert(connection: Writer, statement: bytes, new: NewTask, more: dict[str, str]) -> Task:
    cursor = connection.cursor(row_factory=task_rows)
    values = {field.name: getattr(new, field.name) for field in fields(NewTask)}
    order = {field.name: getattr(new.order, field.name) for field in fields(Order)}
    try:
        # The order's seed is the one that the caller asked for; the task's is the one used for drawing.
        await cursor.execute(statement, {**order, **values, **more})
    except psycopg.errors.UniqueViolation as error:
        if error.diag.constraint_name != "tasks_pkey":
            raise
        raise TaskIdTaken from None
    row = await cursor.fetchone()
    assert row is not None
    return row
