"""Idempotency keys, which clients send with their orders so that repeating an order creates no second task."""

from dataclasses import dataclass

from easel.store.database import Writer


@dataclass(frozen=True, slots=True)
class Claim:
    """An account's idempotency key, and the digest of the order that came with it."""

    account_id: int
    key: str
    order_digest: bytes


@dataclass(frozen=True, slots=True)
class EarlierOrder:
    """The earlier order that claimed the key, by its digest and its task."""

    order_digest: bytes
    task_id: str


async def claim(connection: Writer, claim: Claim, task_id: str, lifetime_h: int) -> EarlierOrder | None:
    """Claim the key for a task. If it is claimed already, returns that claim and writes nothing.

    Waits for a transaction that is claiming the same key.
    """
    cursor = await connection.execute(
        """
        INSERT INTO idempotency_keys AS claimed (account_id, key, order_digest, task_id) VALUES (%s, %s, %s, %s)
        ON CONFLICT (account_id, key) DO UPDATE SET
            order_digest = excluded.order_digest, task_id = excluded.task_id, claimed_at = excluded.claimed_at
            WHERE claimed.claimed_at < now() - make_interval(hours => %s)
        """,
        (claim.account_id, claim.key, claim.order_digest, task_id, lifetime_h),
    )
    if cursor.rowcount == 1:
        return None
    cursor = await connection.execute(
        "SELECT order_digest, task_id FROM idempotency_keys WHERE account_id = %s AND key = %s",
        (claim.account_id, claim.key),
    )
    row = await cursor.fetchone()
    # No sweep can have deleted it meanwhile: the INSERT found that it is not expired.
    assert row is not None
    return EarlierOrder(*row)
