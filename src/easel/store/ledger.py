"""The ledger and the holds: all SQL that moves credits.

Holding, capturing and releasing are parts of the statements in `acceptance` and `endings`, so no task is accepted or
ended without them. Each entry names its cause, so repeating one adds nothing. Triggers of the database update balances
from entries and a key's counts from holds, and reject an overdraft.
"""

from dataclasses import dataclass

from psycopg import sql
from psycopg.rows import class_row

from easel.domain.credits import Balance, KeySpending
from easel.store.database import Reader, Writer


@dataclass(frozen=True, slots=True)
class AccountBalance:
    """An account's name and balance."""

    account: str
    balance: Balance


async def grant(connection: Writer, account_id: int, amount_microcredits: int, cause: str) -> None:
    """Add credits to an account, or take them back if the amount is negative. The same cause takes effect once.

    Taking back more than is available violates accounts_available_not_negative.
    """
    await connection.execute(
        """
        INSERT INTO ledger (account_id, kind, amount_microcredits, cause) VALUES (%s, 'grant', %s, %s)
        ON CONFLICT DO NOTHING
        """,
        (account_id, amount_microcredits, cause),
    )


def hold(accepted: str) -> sql.Composed:
    """WITH queries that hold the prices of the tasks in the WITH query `accepted`. If an account has too little, the
    statement violates accounts_available_not_negative."""
    return sql.SQL("""
        held AS (
            INSERT INTO holds (task_id, account_id, amount_microcredits)
            SELECT id, account_id, price_microcredits FROM {accepted}
            RETURNING task_id, account_id, amount_microcredits
        ), entered AS (
            INSERT INTO ledger (account_id, kind, amount_microcredits, cause)
            SELECT account_id, 'hold', amount_microcredits, task_id FROM held WHERE amount_microcredits > 0
        )
    """).format(accepted=sql.Identifier(accepted))


def capture(ending: str) -> sql.Composed:
    """WITH queries that charge the holds of the tasks in the WITH query `ending`. Their query `resolved` returns
    exactly the tasks whose holds were open."""
    return _resolve(ending, "captured", "capture")


def release(ending: str) -> sql.Composed:
    """Like `capture`, but releases the holds."""
    return _resolve(ending, "released", "release")


def _resolve(ending: str, state: str, kind: str) -> sql.Composed:
    return sql.SQL("""
        resolved AS (
            UPDATE holds SET state = {state}, resolved_at = now() FROM {ending} AS ending
            WHERE holds.task_id = ending.id AND holds.state = 'open'
            RETURNING holds.task_id, holds.account_id, holds.amount_microcredits
        ), entered AS (
            INSERT INTO ledger (account_id, kind, amount_microcredits, cause)
            SELECT account_id, {kind}, amount_microcredits, task_id FROM resolved WHERE amount_microcredits > 0
        )
    """).format(ending=sql.Identifier(ending), state=sql.Literal(state), kind=sql.Literal(kind))


async def granted_microcredits(connection: Reader, cause: str) -> int | None:
    """The amount of the grant that has this cause, if there is one."""
    cursor = await connection.execute(
        "SELECT amount_microcredits FROM ledger WHERE cause = %s AND kind = 'grant'", (cause,)
    )
    row = await cursor.fetchone()
    return None if row is None else int(row[0])


async def lock_available(connection: Writer, account_id: int) -> int:
    """What an account has available. Nothing else changes it until the transaction ends."""
    cursor = await connection.execute(
        "SELECT available_microcredits FROM accounts WHERE id = %s FOR NO KEY UPDATE", (account_id,)
    )
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


async def balance(connection: Reader, account_id: int) -> Balance:
    """An account's balance."""
    cursor = connection.cursor(row_factory=class_row(Balance))
    await cursor.execute(
        """
        SELECT available_microcredits AS available, reserved_microcredits AS reserved, used_microcredits AS used
        FROM accounts WHERE id = %s
        """,
        (account_id,),
    )
    row = await cursor.fetchone()
    assert row is not None
    return row


async def key_spending(connection: Reader, api_key_id: int) -> KeySpending:
    """What a key has spent, has reserved and may spend."""
    cursor = connection.cursor(row_factory=class_row(KeySpending))
    await cursor.execute(
        """
        SELECT used_microcredits AS used, reserved_microcredits AS reserved, credit_limit_microcredits AS credit_limit
        FROM api_keys WHERE id = %s
        """,
        (api_key_id,),
    )
    row = await cursor.fetchone()
    assert row is not None
    return row


async def balances(connection: Reader) -> list[AccountBalance]:
    """Every account's balance, ordered by name."""
    cursor = await connection.execute(
        "SELECT name, available_microcredits, reserved_microcredits, used_microcredits FROM accounts ORDER BY name"
    )
    return [AccountBalance(name, Balance(*amounts)) for name, *amounts in await cursor.fetchall()]
