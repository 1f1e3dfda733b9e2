"""Acceptance: the one statement that creates a task, waiting in the queue, and its hold.

It creates both or none. `admission` decides whether the key may create a task: in the same statement if the order is
for one task, else beforehand in the same transaction. A task that moderation refuses is created as failed, outside the
queue and without a hold.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final

import psycopg
from psycopg import sql

from easel.domain.errors import EaselError, InsufficientQuota
from easel.domain.order import Order
from easel.domain.rate import Standing
from easel.domain.task import ErrorCode
from easel.store import admission, ledger
from easel.store.admission import AdmissionRequest
from easel.store.database import Writer
from easel.store.tasks import COLUMNS, Task, task_rows

_to_task: Final = task_rows(None)


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


# The function `fair_tag` (migration 0010) computes the task's place in the line. It looks at the tasks as they are when
# the locks of `admission` have been acquired; the statement itself sees them as they were when it was sent.
_ACCEPTED: Final = sql.SQL("""
    accepted AS (
        INSERT INTO tasks (id, account_id, api_key_id, request_id, public_url, user_group, price_microcredits,
            model, prompt, width_px, height_px, seed, nsfw_check, callback_url, output_format,
            estimated_time_s, created_at, is_prompt_judged, is_judged_by_rules, queue_state, tag)
        SELECT %(id)s, account.id, %(api_key_id)s, %(request_id)s, %(public_url)s, %(user_group)s,
            %(price_microcredits)s, %(model)s, %(prompt)s, %(width_px)s, %(height_px)s, %(seed)s, %(nsfw_check)s,
            %(callback_url)s, %(output_format)s, %(estimated_time_s)s, %(created_at)s, %(is_prompt_judged)s, true,
            'waiting', fair_tag(account.id)
        FROM account
        RETURNING {columns}
    ), {hold}
""").format(columns=COLUMNS, hold=ledger.hold("accepted"))

_ACCEPT: Final = (
    sql.SQL("WITH account AS (SELECT %(account_id)s::bigint AS id), {accepted} SELECT {columns} FROM accepted")
    .format(accepted=_ACCEPTED, columns=COLUMNS)
    .as_bytes()
)

_ADMIT_AND_ACCEPT: Final = (
    sql.SQL("WITH {admitted}, {accepted} SELECT {columns}, (SELECT used_for_s FROM admitted) FROM accepted")
    .format(admitted=admission.ADMITTED, accepted=_ACCEPTED, columns=COLUMNS)
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
    with _overdraft_refused():
        return _created(await _insert(connection, _ACCEPT, new, {}))


async def admit_and_accept(connection: Writer, request: AdmissionRequest, new: NewTask) -> tuple[Task, Standing]:
    """`admission.admit` and `accept` in one statement, for an order of one task. Needs no transaction around it.

    Raises what both raise. Then no task was created and nothing was counted.
    """
    assert request.count == 1 and request.holds_credits  # noqa: PT018 - one condition
    assert request.api_key_id == new.api_key_id
    with _overdraft_refused():
        columns = await _insert(connection, _ADMIT_AND_ACCEPT, new, request.values())
    if columns is None:
        raise await admission.refusal(connection, request)
    return _to_task(columns[:-1]), Standing(request.quota, columns[-1])


async def refuse(connection: Writer, new: NewTask, code: ErrorCode, message: str) -> Task:
    """Create a task that has already failed and is free, without its prompt.

    Raises TaskIdTaken. The caller must then roll back the transaction.
    """
    return _created(await _insert(connection, _REFUSE, new, {"code": code, "message": message}))


@contextmanager
def _overdraft_refused() -> Iterator[None]:
    try:
        yield
    except psycopg.errors.CheckViolation as error:
        if error.diag.constraint_name != "accounts_available_not_negative":
            raise
        raise InsufficientQuota from None


def _created(columns: tuple[Any, ...] | None) -> Task:
    assert columns is not None
    return _to_task(columns)


async def _insert(
    connection: Writer, statement: bytes, new: NewTask, more: Mapping[str, Any]
) -> tuple[Any, ...] | None:
    values = {field.name: getattr(new, field.name) for field in fields(NewTask)}
    order = {field.name: getattr(new.order, field.name) for field in fields(Order)}
    try:
        # The order's seed is the one that the caller asked for; the task's is the one used for drawing.
        cursor = await connection.execute(statement, {**order, **more, **values})
    except psycopg.errors.UniqueViolation as error:
        if error.diag.constraint_name != "tasks_pkey":
            raise
        raise TaskIdTaken from None
    return await cursor.fetchone()
