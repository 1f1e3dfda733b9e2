"""Times that lie in the future because the database's clock was set back.

They are set to now. Whatever is counted from them then lasts for one more lifetime, instead of one lifetime plus the
time by which the clock was set back. Times that are meant to lie in the future are left alone.
"""

from typing import Final

from easel.domain import link
from easel.store.database import Writer

MARGIN_S: Final = 60
"""Times this close to now are left alone: after a failover, the new server's clock may differ by as much."""

# Each part uses an index, and almost always finds no rows.
_CORRECT: Final = """
    WITH moment AS (
        SELECT now() AS now, now() + make_interval(secs => %(margin_s)s) AS latest
    ), idempotency AS (
        UPDATE idempotency_keys SET claimed_at = moment.now FROM moment WHERE (account_id, key) IN (
            SELECT account_id, key FROM idempotency_keys WHERE claimed_at > (SELECT latest FROM moment)
            ORDER BY claimed_at DESC LIMIT %(count_max)s)
    ), moderated AS (
        UPDATE moderation_decisions SET decided_at = moment.now FROM moment WHERE id IN (
            SELECT id FROM moderation_decisions WHERE decided_at > (SELECT latest FROM moment)
            ORDER BY decided_at DESC LIMIT %(count_max)s)
    ), waiting AS (
        UPDATE tasks SET created_at = moment.now FROM moment WHERE created_at > moment.latest AND id IN (
            SELECT id FROM tasks WHERE queue_state = 'waiting' ORDER BY position LIMIT %(count_max)s)
    )
    UPDATE tasks SET ended_at = moment.now, link_expires_at =
        least(link_expires_at, date_trunc('second', moment.now) + make_interval(secs => %(link_lifetime_s)s))
    FROM moment WHERE id IN (
        (SELECT id FROM tasks WHERE picture_name IS NOT NULL AND picture_gone_at IS NULL
            AND ended_at > (SELECT latest FROM moment) ORDER BY ended_at DESC LIMIT %(count_max)s)
        UNION
        (SELECT id FROM tasks WHERE ended_at IS NOT NULL AND prompt_erased_at IS NULL
            AND ended_at > (SELECT latest FROM moment) ORDER BY ended_at DESC LIMIT %(count_max)s))
"""


async def correct(connection: Writer, count_max: int) -> None:
    """Correct a limited number of rows. The next call corrects more."""
    await connection.execute(
        _CORRECT,
        {"margin_s": MARGIN_S, "count_max": count_max, "link_lifetime_s": link.LIFETIME_S},
    )
