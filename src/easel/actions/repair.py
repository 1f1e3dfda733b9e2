"""Repair: balances, counts and usage are set to what the ledger, the holds and the tasks say, while the service runs.

Changes nothing else. If the ledger or a hold itself is wrong, the audit reports it and it stays as it is.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from easel.actions.audit_log import record_repair
from easel.domain.errors import EaselError
from easel.store import audit, derived, derived_usage
from easel.store.database import Database, Writer
from easel.store.derived import WrongBalance, WrongCounts
from easel.store.derived_usage import WrongUsage

TIMEOUT_S: Final = audit.TIMEOUT_S


class BeyondRepair(EaselError):
    """The ledger itself is wrong. The message names the account."""


@dataclass(frozen=True, slots=True)
class Wrong:
    """Balances, counts and usage that differ from what the ledger, the holds and the tasks say."""

    balances: list[WrongBalance]
    counts: list[WrongCounts]
    usage: list[WrongUsage]

    def subjects(self) -> Iterator[tuple[str, WrongBalance | WrongCounts | WrongUsage]]:
        """What is wrong, each with the words that name it."""
        for balance in self.balances:
            yield f'account "{balance.account}"', balance
        for counts in self.counts:
            yield f"key {counts.api_key_id}", counts
        for usage in self.usage:
            yield f"key {usage.api_key_id}", usage

    def __len__(self) -> int:
        return len(self.balances) + len(self.counts) + len(self.usage)


async def find(database: Database) -> Wrong:
    """What a repair would change, as of one moment."""
    async with database.snapshot(TIMEOUT_S) as connection:
        await audit.allow_scans(connection)
        return Wrong(
            await derived.wrong_balances(connection),
            await derived.wrong_counts(connection),
            await derived_usage.wrong_usage(connection),
        )


async def repair(database: Database) -> Wrong:
    """Change all that `find` finds. Returns what was changed.

    All balances and counts change in one transaction, and then the usage in another: tasks that end lock keys and usage
    in any order. Raises BeyondRepair without changing anything.
    """
    found = await find(database)
    balances: list[WrongBalance] = []
    counts: list[WrongCounts] = []
    usage: list[WrongUsage] = []
    if found.balances or found.counts:
        async with database.transaction(TIMEOUT_S) as connection:
            await audit.allow_scans(connection)
            balances, counts = await _repair_within(connection, found)
    if found.usage:
        async with database.transaction(TIMEOUT_S) as connection:
            await audit.allow_scans(connection)
            usage = await _repair_usage_within(connection)
    return Wrong(balances, counts, usage)


async def _repair_usage_within(connection: Writer) -> list[WrongUsage]:
    await derived_usage.lock_usage(connection)
    wrong = await derived_usage.wrong_usage(connection)
    await derived_usage.set_usage(connection, [usage.api_key_id for usage in wrong])
    for usage in wrong:
        subject = f"key {usage.api_key_id}"
        await record_repair(connection, subject, usage.account_id, before=usage.stored, after=usage.derived)
    return wrong


async def _repair_within(connection: Writer, found: Wrong) -> tuple[list[WrongBalance], list[WrongCounts]]:
    """Lock the rows that were found, check them again and correct them."""
    account_ids = [balance.account_id for balance in found.balances]
    api_key_ids = [counts.api_key_id for counts in found.counts]
    await derived.lock(connection, api_key_ids, account_ids)
    wrong_balances = await derived.wrong_balances(connection, account_ids)
    wrong_counts = await derived.wrong_counts(connection, api_key_ids)
    for counts in wrong_counts:
        await derived.set_counts(connection, counts)
        subject = f"key {counts.api_key_id}"
        await record_repair(connection, subject, counts.account_id, before=counts.stored, after=counts.derived)
    for balance in wrong_balances:
        if balance.derived.available < 0 or balance.derived.reserved < 0:
            raise BeyondRepair(
                f'The entries of account "{balance.account}" add up to a negative balance, so the ledger itself is '
                "damaged and nothing was changed. Restore a backup, and please report this."
            )
        await derived.set_balance(connection, balance)
        subject = f'account "{balance.account}"'
        await record_repair(connection, subject, balance.account_id, before=balance.stored, after=balance.derived)
    return wrong_balances, wrong_counts
