"""Repair: balances and counts are set to what the ledger and the holds say, while the service runs.

Changes nothing else. If the ledger or a hold itself is wrong, the audit reports it and it stays as it is.
"""

from dataclasses import dataclass
from typing import Final

from easel.actions.audit_log import record_repair
from easel.domain.errors import EaselError
from easel.store import audit, derived
from easel.store.database import Database, Writer
from easel.store.derived import WrongBalance, WrongCounts

TIMEOUT_S: Final = audit.TIMEOUT_S


class BeyondRepair(EaselError):
    """The ledger itself is wrong. The message names the account."""


@dataclass(frozen=True, slots=True)
class Wrong:
    """Balances and counts that differ from what the ledger and the holds say."""

    balances: list[WrongBalance]
    counts: list[WrongCounts]

    def __len__(self) -> int:
        return len(self.balances) + len(self.counts)


async def find(database: Database) -> Wrong:
    """What a repair would change, as of one moment."""
    async with database.snapshot(TIMEOUT_S) as connection:
        await audit.allow_scans(connection)
        return Wrong(await derived.wrong_balances(connection), await derived.wrong_counts(connection))


async def repair(database: Database) -> Wrong:
    """Change all that `find` finds, or nothing. Returns what was changed.

    Raises BeyondRepair without changing anything.
    """
    found = await find(database)
    if not found:
        return found
    async with database.transaction(TIMEOUT_S) as connection:
        await audit.allow_scans(connection)
        return await _repair_within(connection, found)


async def _repair_within(connection: Writer, found: Wrong) -> Wrong:
    """Lock the rows that were found, check them again and correct them."""
    account_ids = [balance.account_id for balance in found.balances]
    api_key_ids = [counts.api_key_id for counts in found.counts]
    await derived.lock(connection, api_key_ids, account_ids)
    wrong = Wrong(
        await derived.wrong_balances(connection, account_ids), await derived.wrong_counts(connection, api_key_ids)
    )
    for counts in wrong.counts:
        await derived.set_counts(connection, counts)
        subject = f"key {counts.api_key_id}"
        await record_repair(connection, subject, counts.account_id, before=counts.stored, after=counts.derived)
    for balance in wrong.balances:
        if balance.derived.available < 0 or balance.derived.reserved < 0:
            raise BeyondRepair(
                f'The entries of account "{balance.account}" add up to a negative balance, so the ledger itself is '
                "damaged and nothing was changed. Restore a backup, and please report this."
            )
        await derived.set_balance(connection, balance)
        subject = f'account "{balance.account}"'
        await record_repair(connection, subject, balance.account_id, before=balance.stored, after=balance.derived)
    return wrong
