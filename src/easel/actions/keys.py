"""Keys, credits and groups: what an operator does to accounts.

A key's text exists in the return value of `issue` alone; the database holds a digest of it.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime

from easel.domain import api_key
from easel.domain.api_key import Scope
from easel.store import accounts, groups
from easel.store import credits as ledger
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
    expires_at: datetime | None = None
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
        return await accounts.revoke_key(connection, api_key_id)


async def grant(database: Database, account: str, amount_microcredits: int) -> bool:
    """Add credits to an account; False when there is none of that name."""
    async with database.transaction() as connection:
        account_id = await accounts.find_account(connection, account)
        if account_id is None:
            return False
        await ledger.grant(connection, account_id, amount_microcredits, _new_cause())
        return True


async def set_price(database: Database, user_group: str, model: str, price_microcredits: int) -> None:
    """Set what a group pays for a picture, from the next order on; what is reserved already keeps its price."""
    async with database.transaction() as connection:
        await groups.set_price(connection, user_group, model, price_microcredits)


async def assign(database: Database, account: str, user_group: str) -> bool:
    """Put an account into a group; False when there is none of that name."""
    async with database.transaction() as connection:
        return await groups.assign(connection, account, user_group)


async def _issue_within(connection: Connection, pepper: bytes, order: KeyOrder) -> IssuedKey:
    text = api_key.from_random(secrets.token_bytes(api_key.RANDOM_BYTES))
    account_id = await accounts.open_account(connection, order.account)
    new = NewKey(
        name=order.name,
        digest=api_key.digest(text, pepper),
        hint=api_key.hint(text),
        scopes=order.scopes,
        models=order.models,
        expires_at=order.expires_at,
        credit_limit_microcredits=order.credit_limit_microcredits,
        creates_per_minute=order.creates_per_minute,
        unfinished_max=order.unfinished_max,
    )
    key_id = await accounts.add_key(connection, account_id, new)
    if order.credits_microcredits:
        await ledger.grant(connection, account_id, order.credits_microcredits, _new_cause())
    return IssuedKey(key_id, order.account, text)


def _new_cause() -> str:
    return f"grant-{secrets.token_hex(16)}"
