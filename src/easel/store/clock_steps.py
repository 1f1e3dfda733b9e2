"""What the database's clock leaves behind when it is set back: moments that it stored and that have not come yet.

They are made moments of now, so that what counts from them begins again and lasts for one lifetime more, and not for as
long as the clock was set back in addition. Moments that are meant to lie in the future are no concern of this.
"""

from typing import Final

from easel.domain import link
from easel.store.database import Writer
from easel.store.queue import DRAW

MARGIN_S: Final = 60
"""Moments this close are left as they are: two servers that follow one another differ by as much."""

# Each finds its rows by an index, and there are none nearly always.
_PULL_BACK: Final = """
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
            SELECT queueing_lock FROM procrastinate_jobs
            WHERE status = 'todo' AND queue_name = %(draw)s ORDER BY id LIMIT %(count_max)s)
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


async def pull_back(connection: Writer, count_max: int) -> None:
    """Mend a bounded number of rows; more are left to the next call."""
    await connection.execute(
        _PULL_BACK,
        {"margin_s": MARGIN_S, "count_max": count_max, "draw": DRAW, "link_lifetime_s": link.LIFETIME_S},
    )
