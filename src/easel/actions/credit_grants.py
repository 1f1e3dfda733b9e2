"""Credits that operators grant to accounts and take back. Each change is recorded in the audit log."""

import secrets
from typing import Final

from easel.actions.audit_log import record
from easel.domain.audit_log import Action
from easel.domain.credits import MICROCREDITS_PER_CREDIT, credits_shown
from easel.domain.errors import EaselError, OtherAmountEntered
from easel.store import accounts, ledger
from easel.store.database import Database, Writer

AVAILABLE_CREDITS_MAX: Final = 100_000_000_000
_AVAILABLE_MICROCREDITS_MAX: Final = AVAILABLE_CREDITS_MAX * MICROCREDITS_PER_CREDIT


class BalanceTooLow(EaselError):
    """An adjustment would take back more than the account has available."""

    def __init__(self, available_microcredits: int) -> None:
        super().__init__("balance too low")
        self.available_microcredits = available_microcredits


class BalanceTooHigh(EaselError):
    """An account would have more than AVAILABLE_CREDITS_MAX available."""

    def __init__(self) -> None:
        super().__init__(f"An account can have at most {AVAILABLE_CREDITS_MAX} credits available")


async def grant(database: Database, account: str, amount_microcredits: int, idempotency_key: str | None = None) -> bool:
    """Add credits to an account. False if no account has that name.

    A repetition with the same idempotency key adds nothing. Raises BalanceTooHigh, and OtherAmountEntered if another
    amount was granted with the key.
    """
    async with database.transaction() as connection:
        account_id = await accounts.find_account(connection, account)
        if account_id is None:
            return False
        await grant_within(connection, account_id, account, amount_microcredits, idempotency_key)
        return True


async def grant_within(
    connection: Writer, account_id: int, account: str, amount_microcredits: int, idempotency_key: str | None = None
) -> None:
    """Add credits to an account, as part of the caller's transaction. Raises as `grant` does."""
    cause = _cause("grant", account_id, idempotency_key)
    available = await ledger.lock_available(connection, account_id)
    if await _is_repetition(connection, cause, amount_microcredits):
        return
    await _enter(connection, account_id, available, amount_microcredits, cause)
    amount = credits_shown(amount_microcredits)
    await record(connection, Action.CREDITS_GRANTED, f'account "{account}"', account_id, credits=amount)


async def adjust(
    database: Database, account: str, amount_microcredits: int, reason: str, idempotency_key: str | None = None
) -> int | None:
    """Add credits to an account, or take them back if the amount is negative. Returns what is then available.

    None if no account has that name. A repetition with the same idempotency key changes nothing. Raises BalanceTooLow,
    BalanceTooHigh, and OtherAmountEntered if another amount was entered with the key, without changing anything.
    """
    async with database.transaction() as connection:
        account_id = await accounts.find_account(connection, account)
        if account_id is None:
            return None
        cause = _cause("adjust", account_id, idempotency_key)
        before = await ledger.lock_available(connection, account_id)
        if await _is_repetition(connection, cause, amount_microcredits):
            return before
        available = await _enter(connection, account_id, before, amount_microcredits, cause)
        await record(
            connection, Action.CREDITS_ADJUSTED, f'account "{account}"', account_id,
            credits=credits_shown(amount_microcredits), reason=reason, available=credits_shown(available),
        )  # fmt: skip
        return available


async def _is_repetition(connection: Writer, cause: str, amount_microcredits: int) -> bool:
    """Whether this entry was made before. The account's row must be locked, so that two at once do not both say no."""
    entered = await ledger.granted_microcredits(connection, cause)
    if entered not in (None, amount_microcredits):
        raise OtherAmountEntered
    return entered is not None


async def _enter(
    connection: Writer, account_id: int, available_microcredits: int, amount_microcredits: int, cause: str
) -> int:
    """Make an entry of a locked account. Returns what is then available."""
    available = available_microcredits + amount_microcredits
    if available < 0:
        raise BalanceTooLow(available_microcredits)
    if amount_microcredits > 0 and available > _AVAILABLE_MICROCREDITS_MAX:
        raise BalanceTooHigh
    await ledger.grant(connection, account_id, amount_microcredits, cause)
    return available


def _cause(kind: str, account_id: int, idempotency_key: str | None) -> str:
    if idempotency_key is None:
        return f"{kind}-{secrets.token_hex(16)}"
    return f"{kind}-{account_id}-{idempotency_key}"
