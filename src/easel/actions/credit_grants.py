"""Credits that operators grant to accounts and take back. Each change is recorded in the audit log."""

import secrets

from easel.actions.audit_log import record
from easel.domain.audit_log import Action
from easel.domain.credits import credits_shown
from easel.domain.errors import EaselError
from easel.store import accounts, ledger
from easel.store.database import Database, Writer


class BalanceTooLow(EaselError):
    """An adjustment would take back more than the account has available."""

    def __init__(self, available_microcredits: int) -> None:
        super().__init__("balance too low")
        self.available_microcredits = available_microcredits


async def grant(database: Database, account: str, amount_microcredits: int) -> bool:
    """Add credits to an account. False if no account has that name."""
    async with database.transaction() as connection:
        account_id = await accounts.find_account(connection, account)
        if account_id is None:
            return False
        await grant_within(connection, account_id, account, amount_microcredits)
        return True


async def grant_within(connection: Writer, account_id: int, account: str, amount_microcredits: int) -> None:
    """Add credits to an account, as part of the caller's transaction."""
    await ledger.grant(connection, account_id, amount_microcredits, _new_cause("grant"))
    amount = credits_shown(amount_microcredits)
    await record(connection, Action.CREDITS_GRANTED, f'account "{account}"', account_id, credits=amount)


async def adjust(database: Database, account: str, amount_microcredits: int, reason: str) -> int | None:
    """Add credits to an account, or take them back if the amount is negative. Returns what is then available.

    None if no account has that name. Raises BalanceTooLow without changing anything.
    """
    async with database.transaction() as connection:
        account_id = await accounts.find_account(connection, account)
        if account_id is None:
            return None
        available = await ledger.available_to_take_back(connection, account_id) + amount_microcredits
        if available < 0:
            raise BalanceTooLow(available - amount_microcredits)
        await ledger.grant(connection, account_id, amount_microcredits, _new_cause("adjust"))
        await record(
            connection, Action.CREDITS_ADJUSTED, f'account "{account}"', account_id,
            credits=credits_shown(amount_microcredits), reason=reason, available=credits_shown(available),
        )  # fmt: skip
        return available


def _new_cause(kind: str) -> str:
    return f"{kind}-{secrets.token_hex(16)}"
