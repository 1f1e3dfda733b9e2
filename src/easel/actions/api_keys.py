"""API keys: what operators do to them. Each change is recorded in the audit log.

Only the return value of `issue` holds a key's text. The database stores a digest of it.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from easel.actions import credit_grants
from easel.actions.audit_log import record
from easel.domain import api_key
from easel.domain.api_key import DEFAULT_SCOPES, Scope
from easel.domain.audit_log import Action
from easel.domain.credits import credits_shown
from easel.store import accounts
from easel.store.accounts import NewKey
from easel.store.database import Database, Writer

FIRST_ACCOUNT = "default"


@dataclass(frozen=True, slots=True)
class KeyOrder:
    """A key to issue, and the credits to grant to its account with it."""

    account: str
    name: str = ""
    scopes: tuple[Scope, ...] = DEFAULT_SCOPES
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


async def issue(database: Database, pepper: bytes, order: KeyOrder) -> IssuedKey:
    """Issue a key and grant the credits ordered with it. Opens the account if no account has that name."""
    async with database.transaction() as connection:
        return await _issue_within(connection, pepper, order)


async def issue_first(database: Database, pepper: bytes, credits_microcredits: int) -> IssuedKey | None:
    """The first account's key, with credits. None if an account exists already."""
    async with database.transaction() as connection:
        if await accounts.has_accounts(connection):
            return None
        order = KeyOrder(FIRST_ACCOUNT, name="first key", credits_microcredits=credits_microcredits)
        return await _issue_within(connection, pepper, order)


async def revoke(database: Database, api_key_id: int) -> bool:
    """Revoke a key, with immediate effect. False if no key has that id."""
    async with database.transaction() as connection:
        owner = await accounts.key_owner(connection, api_key_id)
        if owner is None:
            return False
        if not owner.was_revoked:
            await accounts.revoke_key(connection, api_key_id)
            await record(connection, Action.KEY_REVOKED, f"key {api_key_id}", owner.account_id, name=owner.name or None)
        return True


async def _issue_within(connection: Writer, pepper: bytes, order: KeyOrder) -> IssuedKey:
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
        await credit_grants.grant_within(connection, account_id, order.account, order.credits_microcredits)
    return IssuedKey(key_id, order.account, text)
