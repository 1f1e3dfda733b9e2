"""Keys that clients give their orders, so that an order that is sent again is not ordered twice."""

from dataclasses import dataclass

from easel.store.database import Writer


@dataclass(frozen=True, slots=True)
class Claim:
    """An idempotency key, of one account, with the digest of the order that came with it."""

    account_id: int
    key: str
    order_digest: bytes


@dataclass(frozen=True, slots=True)
class Claimed:
    """The order that claimed the key before."""

    order_digest: bytes
    task_id: str


async def claim(connection: Writer, claim: Claim, task_id: str, lifetime_h: int) -> Claimed | None:
    """Claim the key for a task. When it is claimed already, by whom; nothing is written then.

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
    # A sweep cannot have taken it meanwhile: the INSERT found it young.
    assert row is not None
    return Claimed(*row)
