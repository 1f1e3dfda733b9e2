"""Admission: whether a key may create a task, decided by one statement on one row, so that no race exceeds a limit.

The key's row, and then its account's, stay locked until the transaction ends. Every transaction that locks both locks
them in this order. A trigger counts the tasks' holds when the tasks are accepted, in the same transaction. `acceptance`
can do both in one statement.
"""

from dataclasses import dataclass
from typing import Any, Final

from psycopg import sql

from easel.domain.errors import InsufficientQuota, RateLimitExceeded, Refusal, Unauthorized
from easel.domain.rate import Quota, Standing
from easel.store.database import Reader, Writer

RETRY_AFTER_UNFINISHED_S = 5
"""`Retry-After` where too many tasks are unfinished: nobody knows when one of them will end."""


@dataclass(frozen=True, slots=True)
class AdmissionRequest:
    """The tasks that a key wants to create, `count` of them at one price, and the limits that apply.

    Tasks that moderation refuses count only against the rate: no credits are held for them, so `holds_credits` is
    False.
    """

    api_key_id: int
    count: int
    price_microcredits: int
    quota: Quota
    unfinished_max: int
    holds_credits: bool = True

    def values(self) -> dict[str, Any]:
        """The parameters of ADMITTED."""
        held_count = self.count if self.holds_credits else 0
        return {
            "api_key_id": self.api_key_id,
            "count": held_count,
            "amount": held_count * self.price_microcredits,
            "spacing_s": self.count * self.quota.spacing_s,
            "window_s": self.quota.window_s,
            "unfinished_max": self.unfinished_max,
        }


ADMITTED: Final = sql.SQL("""
    admitted AS (
        UPDATE api_keys SET
            creates_used_until = greatest(creates_used_until, clock_timestamp()) + make_interval(secs => %(spacing_s)s)
        WHERE id = %(api_key_id)s AND revoked_at IS NULL
          AND (%(count)s = 0 OR unfinished + %(count)s <= %(unfinished_max)s)
          AND (%(count)s = 0 OR credit_limit_microcredits IS NULL
               OR used_microcredits + reserved_microcredits + %(amount)s <= credit_limit_microcredits)
          AND creates_used_until
              <= clock_timestamp() + make_interval(secs => %(window_s)s - %(spacing_s)s + 0.000001)
        RETURNING account_id, extract(epoch FROM creates_used_until - clock_timestamp())::float AS used_for_s
    ), account AS (
        SELECT id FROM accounts WHERE id = (SELECT account_id FROM admitted) FOR NO KEY UPDATE
    )
""")
"""WITH queries that check a request against its key's limits and count it against the key's rate. `admitted` and
`account` have one row if it is admitted, else none."""

_ADMIT: Final = sql.SQL("WITH {} SELECT used_for_s FROM admitted, account").format(ADMITTED).as_bytes()


async def admit(connection: Writer, request: AdmissionRequest) -> Standing:
    """Check the tasks against the key's limits and count them against its rate. Returns the rate's standing afterwards.

    Raises Unauthorized (the key was revoked meanwhile), RateLimitExceeded, InsufficientQuota; then nothing is counted.
    """
    cursor = await connection.execute(_ADMIT, request.values())
    row = await cursor.fetchone()
    if row is None:
        raise await refusal(connection, request)
    return Standing(request.quota, row[0])


async def standing(connection: Reader, api_key_id: int, quota: Quota) -> Standing:
    """Where a key stands with its rate. Counts nothing."""
    cursor = await connection.execute(
        """
        SELECT extract(epoch FROM greatest(creates_used_until, clock_timestamp()) - clock_timestamp())::float
        FROM api_keys WHERE id = %s
        """,
        (api_key_id,),
    )
    row = await cursor.fetchone()
    assert row is not None
    return Standing.measured(quota, row[0])


async def cap_rate(connection: Writer, api_key_id: int, quota: Quota) -> None:
    """Cap the used part of a key's rate at one window from now. It reaches further only after the clock was set
    back."""
    await connection.execute(
        """
        UPDATE api_keys SET creates_used_until = clock_timestamp() + make_interval(secs => %(window_s)s)
        WHERE id = %(id)s AND creates_used_until > clock_timestamp() + make_interval(secs => %(window_s)s + 0.001)
        """,
        {"id": api_key_id, "window_s": quota.window_s},
    )


async def refusal(connection: Reader, request: AdmissionRequest) -> Refusal:
    """Why a request was not admitted a moment ago."""
    cursor = await connection.execute(
        """
        SELECT
            extract(epoch FROM greatest(creates_used_until, clock_timestamp()) - clock_timestamp())::float,
            %(count)s > 0 AND unfinished + %(count)s > %(unfinished_max)s,
            %(count)s > 0
                AND coalesce(used_microcredits + reserved_microcredits + %(amount)s > credit_limit_microcredits, false)
        FROM api_keys WHERE id = %(api_key_id)s AND revoked_at IS NULL
        """,
        request.values(),
    )
    row = await cursor.fetchone()
    if row is None:
        return Unauthorized()
    used_for_s, has_too_many, is_over_limit = row
    standing = Standing.measured(request.quota, used_for_s)
    if is_over_limit:
        return InsufficientQuota()
    if has_too_many:
        return RateLimitExceeded(RETRY_AFTER_UNFINISHED_S, standing)
    return RateLimitExceeded(standing.retry_after_s(request.count), standing)
