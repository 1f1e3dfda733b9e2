"""An account's tasks, one page at a time, newest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from easel.domain.task import Status
from easel.store.database import Reader


@dataclass(frozen=True, slots=True)
class Query:
    """Which tasks to list. None matches any status or model."""

    account_id: int
    statuses: Sequence[Status] | None
    model: str | None
    page: int
    page_size: int


@dataclass(frozen=True, slots=True)
class ListedTask:
    """A task as it is listed."""

    id: str
    status: str
    model: str
    progress: int
    created_at: datetime
    has_results: bool
    has_error: bool
    error_code: str | None
    price_microcredits: int


@dataclass(frozen=True, slots=True)
class Page:
    """One page, and the number of tasks on all pages."""

    tasks: Sequence[ListedTask]
    total: int


async def read(connection: Reader, query: Query) -> Page:
    """The requested page; empty past the last one."""
    values = {
        "account_id": query.account_id,
        "statuses": None if query.statuses is None else list(query.statuses),
        "model": query.model,
        "limit": query.page_size,
        "offset": (query.page - 1) * query.page_size,
    }
    cursor = connection.cursor(row_factory=class_row(ListedTask))
    await cursor.execute(
        """
        SELECT id, status, model, progress, created_at, price_microcredits,
            status = 'completed' AND picture_withdrawn_at IS NULL AS has_results, status = 'failed' AS has_error, error_code
        FROM tasks
        WHERE account_id = %(account_id)s
          AND (%(statuses)s::text[] IS NULL OR status = ANY (%(statuses)s))
          AND (%(model)s::text IS NULL OR model = %(model)s)
        ORDER BY position DESC LIMIT %(limit)s OFFSET %(offset)s
        """,
        values,
    )
    listed = await cursor.fetchall()
    counted = await connection.execute(
        """
        SELECT count(*) FROM tasks
        WHERE account_id = %(account_id)s
          AND (%(statuses)s::text[] IS NULL OR status = ANY (%(statuses)s))
          AND (%(model)s::text IS NULL OR model = %(model)s)
        """,
        values,
    )
    row = await counted.fetchone()
    assert row is not None
    return Page(listed, int(row[0]))
