"""Writes the audit log: each change by an operator is recorded in the transaction that makes it.

The operator is the system user that runs this process. Does not promise to name a person: several people may share a
user, and the owner of the database can write anything into the log. An entry of an action over HTTP also has the key.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from easel.domain.audit_log import Action
from easel.domain.credits import credits_shown
from easel.outside.operator import operator_name
from easel.store import audit_log, locks
from easel.store.audit_log import NewEntry
from easel.store.database import Database, Writer
from easel.store.derived import Books, Counts
from easel.store.derived_usage import Ended
from easel.store.locks import Lock


@dataclass(frozen=True, slots=True)
class Remote:
    """An operator who acts over HTTP: the key that was used, and the address that the request came from."""

    api_key_id: int
    address: str | None


_REMOTE: ContextVar[Remote | None] = ContextVar("remote", default=None)


@contextmanager
def acting_for(remote: Remote) -> Iterator[None]:
    """Record what is done within the block as done with this key, from this address."""
    token = _REMOTE.set(remote)
    try:
        yield
    finally:
        _REMOTE.reset(token)


async def record(
    connection: Writer, action: Action, subject: str, account_id: int | None = None, **details: object
) -> None:
    """Record what this process's user does to `subject`. Omits details that are None. No detail may be a secret."""
    remote = _REMOTE.get()
    if remote is not None:
        details["address"] = remote.address
    shown = {name: _shown(value) for name, value in details.items() if value is not None}
    api_key_id = None if remote is None else remote.api_key_id
    await audit_log.add(connection, NewEntry(operator_name(), action, subject[:200], account_id, shown, api_key_id))


async def record_price(database: Database, price_microcredits: int) -> None:
    """Record the price in the settings, if it differs from the last recorded price."""
    price = credits_shown(price_microcredits)
    async with database.transaction() as connection:
        await locks.take_in_transaction(connection, Lock.PRICE)
        latest = await audit_log.latest_details(connection, Action.PRICE_SET)
        before = None if latest is None else latest["price"]
        if price != before:
            await record(connection, Action.PRICE_SET, "price", price=price, before=before)


async def record_restore(connection: Writer, backup_made_at: datetime, easel_version: str) -> None:
    """Record that the installation was filled from a backup. Belongs in the last transaction that fills it."""
    await record(
        connection, Action.INSTALLATION_RESTORED, "installation",
        backup_made_at=backup_made_at, backup_made_with=easel_version,
    )  # fmt: skip


async def record_repair(
    connection: Writer, subject: str, account_id: int, before: Books | Counts | Ended, after: Books | Counts | Ended
) -> None:
    """Record that the balance of an account, or the counts or the usage of a key, were set to what follows from the
    rest.

    Amounts are recorded in micro-credits.
    """
    stored, derived = asdict(before), asdict(after)
    changes = {name: f"{stored[name]} to {derived[name]}" for name in stored if stored[name] != derived[name]}
    await record(connection, Action.CREDITS_REPAIRED, subject, account_id, **changes)


async def record_new_secret(connection: Writer, keys_ended: int) -> None:
    """Record that the installation got another secret."""
    await record(connection, Action.SECRET_RESET, "installation", keys_ended=keys_ended)


def _shown(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return list(value) if isinstance(value, tuple) else value
