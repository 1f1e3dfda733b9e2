"""Writing the audit log: whatever an operator changes is noted in the transaction that changes it.

Who did it is the system's user that runs this process. It does not promise to name a person: several may share a user, and
whoever owns the database can write there as they like.
"""

from dataclasses import asdict
from datetime import UTC, datetime

from easel.domain.audit_log import Action
from easel.domain.credits import credits_shown
from easel.outside.operator import operator_name
from easel.store import audit_log, locks
from easel.store.audit_log import NewEntry
from easel.store.database import Database, Writer
from easel.store.derived import Books, Counts
from easel.store.locks import Lock


async def record(
    connection: Writer, action: Action, subject: str, account_id: int | None = None, **details: object
) -> None:
    """Note what this process's user does to `subject`. Details that are None are left out; none may be a secret."""
    shown = {name: _shown(value) for name, value in details.items() if value is not None}
    await audit_log.add(connection, NewEntry(operator_name(), action, subject[:200], account_id, shown))


async def record_price(database: Database, price_microcredits: int) -> None:
    """Note the price that the settings say all pay, unless it is the one that was noted last."""
    price = credits_shown(price_microcredits)
    async with database.transaction() as connection:
        await locks.take_in_transaction(connection, Lock.PRICE)
        latest = await audit_log.latest_details(connection, Action.PRICE_SET)
        before = None if latest is None else latest["price"]
        if price != before:
            await record(connection, Action.PRICE_SET, "price", price=price, before=before)


async def record_restore(connection: Writer, backup_made_at: datetime, easel_version: str) -> None:
    """Note that the installation was filled from a backup. Belongs to the last transaction of filling it."""
    await record(
        connection, Action.INSTALLATION_RESTORED, "installation",
        backup_made_at=backup_made_at, backup_made_with=easel_version,
    )  # fmt: skip


async def record_repair(
    connection: Writer, subject: str, account_id: int, before: Books | Counts, after: Books | Counts
) -> None:
    """Note that the balance of an account, or the counts of a key, were set to what the ledger and the holds say.

    Amounts are noted in micro-credits.
    """
    stored, derived = asdict(before), asdict(after)
    changes = {name: f"{stored[name]} to {derived[name]}" for name in stored if stored[name] != derived[name]}
    await record(connection, Action.CREDITS_REPAIRED, subject, account_id, **changes)


async def record_new_secret(connection: Writer, keys_ended: int) -> None:
    """Note that the installation was given another secret."""
    await record(connection, Action.SECRET_RESET, "installation", keys_ended=keys_ended)


def _shown(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return list(value) if isinstance(value, tuple) else value
