"""The ledger and the holds: the only statements that move credits.

Each is one statement, and each entry names its cause, so that repeating one adds nothing. Balances follow entries by
a trigger of the database, which also refuses an overdraft.
"""

from dataclasses import dataclass

import psycopg
from psycopg.rows import class_row

from easel.domain.errors import InsufficientQuota
from easel.domain.ledger import Balance, KeySpending
from easel.store.database import Connection


@dataclass(frozen=True, slots=True)
class AccountBalance:
    """An account's balance, by name."""

    account: str
    balance: Balance


async def grant(connection: Connection, account_id: int, amount_microcredits: int, cause: str) -> None:
    """Add credits to an account. The same cause adds them once."""
    await connection.execute(
        """
        INSERT INTO ledger (account_id, kind, amount_microcredits, cause) VALUES (%s, 'grant', %s, %s)
        ON CONFLICT DO NOTHING
        """,
        (account_id, amount_microcredits, cause),
    )


async def hold(connection: Connection, account_id: int, task_id: str, amount_microcredits: int) -> None:
    """Reserve a task's price. Raises InsufficientQuota, after which the transaction can only be undone."""
    try:
        await connection.execute(
            """
            WITH opened AS (
                INSERT INTO holds (task_id, account_id, amount_microcredits) VALUES (%s, %s, %s)
                RETURNING task_id, account_id, amount_microcredits
            )
            INSERT INTO ledger (account_id, kind, amount_microcredits, cause)
            SELECT account_id, 'hold', amount_microcredits, task_id FROM opened WHERE amount_microcredits > 0
            """,
            (task_id, account_id, amount_microcredits),
        )
    except psycopg.errors.CheckViolation as error:
        if error.diag.constraint_name != "accounts_available_not_negative":
            raise
        raise InsufficientQuota from error


async def capture(connection: Connection, task_id: str) -> bool:
    """Charge what a task has reserved; False, and nothing, if it has no open hold."""
    cursor = await connection.execute(
        """
        WITH resolved AS (
            UPDATE holds SET state = 'captured', resolved_at = now() WHERE task_id = %s AND state = 'open'
            RETURNING task_id, account_id, amount_microcredits
        ), charged AS (
            UPDATE api_keys SET used_microcredits = used_microcredits + resolved.amount_microcredits,
                reserved_microcredits = reserved_microcredits - resolved.amount_microcredits,
                unfinished = unfinished - 1
            FROM resolved JOIN tasks ON tasks.id = resolved.task_id WHERE api_keys.id = tasks.api_key_id
        ), entered AS (
            INSERT INTO ledger (account_id, kind, amount_microcredits, cause)
            SELECT account_id, 'capture', amount_microcredits, task_id FROM resolved WHERE amount_microcredits > 0
        )
        SELECT task_id FROM resolved
        """,
        (task_id,),
    )
    return await cursor.fetchone() is not None


async def release(connection: Connection, task_id: str) -> bool:
    """Return what a task has reserved; False, and nothing, if it has no open hold."""
    cursor = await connection.execute(
        """
        WITH resolved AS (
            UPDATE holds SET state = 'released', resolved_at = now() WHERE task_id = %s AND state = 'open'
            RETURNING task_id, account_id, amount_microcredits
        ), returned AS (
            UPDATE api_keys SET reserved_microcredits = reserved_microcredits - resolved.amount_microcredits,
                unfinished = unfinished - 1
            FROM resolved JOIN tasks ON tasks.id = resolved.task_id WHERE api_keys.id = tasks.api_key_id
        ), entered AS (
            INSERT INTO ledger (account_id, kind, amount_microcredits, cause)
            SELECT account_id, 'release', amount_microcredits, task_id FROM resolved WHERE amount_microcredits > 0
        )
        SELECT task_id FROM resolved
        """,
        (task_id,),
    )
    return await cursor.fetchone() is not None


async def balance(connection: Connection, account_id: int) -> Balance:
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


async def key_spending(connection: Connection, api_key_id: int) -> KeySpending:
    """What one key has spent and may spend."""
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


async def balances(connection: Connection) -> list[AccountBalance]:
    """Every account's balance, by name."""
    cursor = await connection.execute(
        "SELECT name, available_microcredits, reserved_microcredits, used_microcredits FROM accounts ORDER BY name"
    )
    return [AccountBalance(name, Balance(*amounts)) for name, *amounts in await cursor.fetchall()]
