"""What has expired: pictures, prompts, idempotency keys, and tasks that waited too long.

A picture is removed in two steps, so that a crash between them loses nothing. First it is withdrawn, and no longer
shown. It is gone when storage has deleted it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg.rows import class_row

from easel.store.database import Reader, Writer
from easel.store.queue import ABANDONED_AFTER_S
from easel.store.workers import IS_LIVE


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """A picture to delete from storage."""

    task_id: str
    picture_name: str


async def waited_too_long(connection: Reader, timeout_s: int, count_max: int) -> list[str]:
    """Ids of tasks accepted longer than `timeout_s` ago that no live worker has, oldest first.

    They include tasks that a worker handed back or held when it died, because nobody draws these either.
    """
    # The oldest come first, so only the head of the index has to be read.
    cursor = await connection.execute(
        f"""
        SELECT tasks.id FROM (
            (SELECT id, position FROM tasks WHERE queue_state = 'waiting' ORDER BY position LIMIT %(count_max)s)
            UNION ALL
            (SELECT id, position FROM tasks WHERE queue_state = 'taken'
                AND NOT EXISTS (SELECT FROM workers WHERE workers.id = tasks.worker_id AND {IS_LIVE}))
        ) AS unheld JOIN tasks ON tasks.id = unheld.id
        WHERE tasks.created_at < now() - make_interval(secs => %(timeout_s)s)
        ORDER BY unheld.position LIMIT %(count_max)s
        """,  # noqa: S608 - a constant of ours
        {"count_max": count_max, "timeout_s": timeout_s, "silent_s": ABANDONED_AFTER_S},
    )
    return [task_id for (task_id,) in await cursor.fetchall()]


async def withdraw_old_pictures(connection: Writer, lifetime_h: int, count_max: int) -> int:
    """Withdraw pictures of tasks that ended longer than `lifetime_h` ago, once their links have expired. Returns how
    many."""
    cursor = await connection.execute(
        """
        UPDATE tasks SET picture_withdrawn_at = now() WHERE id IN (
            SELECT id FROM tasks
            WHERE picture_name IS NOT NULL AND picture_gone_at IS NULL AND picture_withdrawn_at IS NULL
              AND ended_at < now() - make_interval(hours => %s) AND link_expires_at < now()
            ORDER BY ended_at LIMIT %s FOR UPDATE SKIP LOCKED)
        """,
        (lifetime_h, count_max),
    )
    return cursor.rowcount


async def withdrawn(connection: Reader, count_max: int) -> list[Withdrawn]:
    """Pictures that are withdrawn and may still be in storage."""
    cursor = connection.cursor(row_factory=class_row(Withdrawn))
    await cursor.execute(
        """
        SELECT id AS task_id, picture_name FROM tasks
        WHERE picture_withdrawn_at IS NOT NULL AND picture_gone_at IS NULL
        ORDER BY picture_withdrawn_at LIMIT %s
        """,
        (count_max,),
    )
    return await cursor.fetchall()


async def record_gone(connection: Writer, task_ids: Sequence[str]) -> None:
    """Record that storage has deleted these tasks' pictures."""
    await connection.execute(
        "UPDATE tasks SET picture_gone_at = now() WHERE id = ANY (%s) AND picture_gone_at IS NULL", (list(task_ids),)
    )


async def erase(connection: Writer, task_id: str) -> None:
    """Erase an ended task's prompt and callback URL, and withdraw its picture. Doing so twice changes nothing.

    A trigger marks its callback as erased.
    """
    await connection.execute(
        """
        UPDATE tasks SET prompt = '', callback_url = NULL, not_drawn = NULL,
            prompt_erased_at = coalesce(prompt_erased_at, now()),
            picture_withdrawn_at = CASE WHEN picture_name IS NOT NULL THEN coalesce(picture_withdrawn_at, now()) END
        WHERE id = %s AND ended_at IS NOT NULL
        """,
        (task_id,),
    )


async def erase_old_prompts(connection: Writer, lifetime_h: int, count_max: int) -> int:
    """Erase the prompts of tasks that ended longer than `lifetime_h` ago. Returns how many."""
    cursor = await connection.execute(
        """
        UPDATE tasks SET prompt = '', callback_url = NULL, not_drawn = NULL, prompt_erased_at = now() WHERE id IN (
            SELECT id FROM tasks WHERE ended_at < now() - make_interval(hours => %s) AND prompt_erased_at IS NULL
            ORDER BY ended_at LIMIT %s FOR UPDATE SKIP LOCKED)
        """,
        (lifetime_h, count_max),
    )
    return cursor.rowcount


async def delete_erased_callbacks(connection: Writer, count_max: int) -> int:
    """Delete the callbacks of erased tasks whose delivery has ended. Returns how many."""
    cursor = await connection.execute(
        """
        DELETE FROM callbacks WHERE task_id IN (
            SELECT task_id FROM callbacks WHERE is_erased AND state <> 'delivering' LIMIT %s FOR UPDATE SKIP LOCKED)
        """,
        (count_max,),
    )
    return cursor.rowcount


async def delete_old_idempotency_keys(connection: Writer, lifetime_h: int, count_max: int) -> int:
    """Delete keys that were claimed longer than `lifetime_h` ago. Returns how many."""
    cursor = await connection.execute(
        """
        DELETE FROM idempotency_keys WHERE (account_id, key) IN (
            SELECT account_id, key FROM idempotency_keys WHERE claimed_at < now() - make_interval(hours => %s)
            ORDER BY claimed_at LIMIT %s FOR UPDATE SKIP LOCKED)
        """,
        (lifetime_h, count_max),
    )
    return cursor.rowcount
