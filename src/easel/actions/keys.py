"""Keys, credits and groups: what an operator does to accounts, each noted in the audit log.

A key's text exists in the return value of `issue` alone; the database holds a digest of it.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from easel.actions.audit_log import record
from easel.domain import api_key
from easel.domain.api_key import Scope
from easel.domain.audit_log import Action
from easel.domain.credits import credits_shown
from easel.domain.errors import EaselError
from easel.store import accounts, ledger
from easel.store import user_groups as groups
from easel.store.accounts import NewKey
from easel.store.database import Connection, Database

FIRST_ACCOUNT = "default"


@dataclass(frozen=True, slots=True)
class KeyOrder:
    """A key to be made. Credits are granted to its account along with it."""

    account: str
    name: str = ""
    scopes: tuple[Scope, ...] = tuple(Scope)
    models: tuple[str, ...] | None = None
    expires: datetime | timedelta | None = None
    credits_microcredits: int = 0
    credit_limit_microcredits: int | None = None
    creates_per_minute: int | None = None
    unfinished_max: int | None = None


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A key as it is shown, once."""

    id: int
    account: str
    key: str


class BalanceTooLow(EaselError):
    """More was to be taken back than the account has available."""

    def __init__(self, available_microcredits: int) -> None:
        super().__init__("balance too low")
        self.available_microcredits = available_microcredits


async def issue(database: Database, pepper: bytes, order: KeyOrder) -> IssuedKey:
    """Make a key, its account if there is none of that name, and grant what the order grants."""
    async with database.transaction() as connection:
        return await _issue_within(connection, pepper, order)


async def issue_first(database: Database, pepper: bytes, credits_microcredits: int) -> IssuedKey | None:
    """The first account's key, with credits; None when there is an account already."""
    async with database.transaction() as connection:
        if await accounts.has_accounts(connection):
            return None
        order = KeyOrder(FIRST_ACCOUNT, name="first key", credits_microcredits=credits_microcredits)
        return await _issue_within(connection, pepper, order)


async def revoke(database: Database, api_key_id: int) -> bool:
    """End a key at once; False when there is none of that id."""
    async with database.transaction() as connection:
        owner = await accounts.key_owner(connection, api_key_id)
        if owner is None:
            return False
        if not owner.was_revoked:
            await accounts.revoke_key(connection, api_key_id)
            await record(connection, Action.KEY_REVOKED, f"key {api_key_id}", owner.account_id, name=owner.name or None)
        return True


async def grant(database: Database, account: str, amount_microcredits: int) -> bool:
    """Add credits to an account; False when there is none of that name."""
    async with database.transaction() as connection:
        account_id = await accounts.find_account(connection, account)
        if account_id is None:
            return False
        await _grant_within(connection, account_id, account, amount_microcredits)
        return True


async def adjust(database: Database, account: str, amount_microcredits: int, reason: str) -> int | None:
    """Add credits to an account or, where the amount is below zero, take them back; what it then has available.

    None when there is no account of that name. Raises BalanceTooLow, and then nothing was changed.
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


async def set_price(database: Database, user_group: str, model: str, price_microcredits: int) -> None:
    """Set what a group pays for a picture, from the next order on; what is reserved already keeps its price."""
    async with database.transaction() as connection:
        await groups.set_price(connection, user_group, model, price_microcredits)
        price = credits_shown(price_microcredits)
        await record(connection, Action.GROUP_PRICE_SET, f'group "{user_group}"', model=model, price=price)


async def assign(database: Database, account: str, user_group: str) -> bool | None:
    """Put an account into a group. Whether the group has a price of its own; None if there is no such account."""
    async with database.transaction() as connection:
        account_id = await accounts.find_account(connection, account)
        if account_id is None:
            return None
        await groups.assign(connection, account_id, user_group)
        await record(connection, Action.GROUP_ASSIGNED, f'account "{account}"', account_id, group=user_group)
        return await groups.has_price(connection, user_group)


async def _issue_within(connection: Connection, pepper: bytes, order: KeyOrder) -> IssuedKey:
    text = api_key.from_random(secrets.token_bytes(api_key.RANDOM_BYTES))
    account_id = await accounts.open_account(connection, order.account)
    new = NewKey(
        name=order.name,
        digest=api_key.digest(text, pepper),
        hint=api_key.hint(text),
        scopes=order.scopes,
        models=order.models,
        expires=order.expires,
        credit_limit_microcredits=order.credit_limit_microcredits,
        creates_per_minute=order.creates_per_minute,
        unfinished_max=order.unfinished_max,
    )
    key_id, expires_at = await accounts.add_key(connection, account_id, new)
    limit = order.credit_limit_microcredits
    await record(
        connection, Action.KEY_CREATED, f"key {key_id}", account_id,
        name=order.name or None, scopes=order.scopes, models=order.models, expires_at=expires_at,
        limit=None if limit is None else credits_shown(limit),
        creates_per_minute=order.creates_per_minute, unfinished_max=order.unfinished_max,
    )  # fmt: skip
    if order.credits_microcredits:
        await _grant_within(connection, account_id, order.account, order.credits_microcredits)
    return IssuedKey(key_id, order.account, text)


async def _grant_within(connection: Connection, account_id: int, account: str, amount_microcredits: int) -> None:
    await ledger.grant(connection, account_id, amount_microcredits, _new_cause("grant"))
    amount = credits_shown(amount_microcredits)
    await record(connection, Action.CREDITS_GRANTED, f'account "{account}"', account_id, credits=amount)


def _new_cause(kind: str) -> str:
    return f"{kind}-{secrets.token_hex(16)}"
