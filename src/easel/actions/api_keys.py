"""API keys: what operators do to them. Each change is recorded in the audit log.

Only the return value of `issue` holds a key's text. The database stores a digest of it.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypedDict

from easel.actions import credit_grants
from easel.actions.audit_log import record
from easel.domain import api_key
from easel.domain.api_key import DEFAULT_SCOPES, Scope
from easel.domain.audit_log import Action
from easel.domain.credits import credits_shown
from easel.domain.errors import EaselError
from easel.store import accounts
from easel.store.accounts import KeyLimits, NewKey
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


class LimitChanges(TypedDict, total=False):
    """The limits of a key to change. Those that are left out stay. None takes a limit away."""

    credit_limit_microcredits: int | None
    creates_per_minute: int | None
    unfinished_max: int | None
    expires_at: datetime | timedelta | None
    """A duration counts from now, by the database's clock."""


class SpentMore(EaselError):
    """A credit limit would be lower than what the key has used and reserved."""

    def __init__(self, spent_microcredits: int) -> None:
        super().__init__("the key has spent more")
        self.spent_microcredits = spent_microcredits


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


async def limit(database: Database, api_key_id: int, changes: LimitChanges) -> KeyLimits | None:
    """Change limits of a key, from the next order on. Returns the limits that it then has. None if no key has that id.

    Raises SpentMore, without changing anything, if the key has spent more credits than it would be allowed to.
    """
    async with database.transaction() as connection:
        found = await accounts.key_limits(connection, api_key_id)
        owner = await accounts.key_owner(connection, api_key_id)
        if found is None or owner is None:
            return None
        before, spent_microcredits, now = found
        after = _limited(before, changes, now)
        credit_limit = after.credit_limit_microcredits
        if credit_limit is not None and credit_limit < spent_microcredits:
            raise SpentMore(spent_microcredits)
        if after != before:
            await accounts.set_key_limits(connection, api_key_id, after)
            await record(
                connection, Action.KEY_LIMITED, f"key {api_key_id}", owner.account_id,
                name=owner.name or None, **_named_limits({name: getattr(after, name) for name in changes}),
            )  # fmt: skip
        return after


def _limited(before: KeyLimits, changes: LimitChanges, now: datetime) -> KeyLimits:
    """The limits after the changes."""
    expires = changes.get("expires_at", before.expires_at)
    return KeyLimits(
        credit_limit_microcredits=changes.get("credit_limit_microcredits", before.credit_limit_microcredits),
        creates_per_minute=changes.get("creates_per_minute", before.creates_per_minute),
        unfinished_max=changes.get("unfinished_max", before.unfinished_max),
        expires_at=now + expires if isinstance(expires, timedelta) else expires,
    )


def _named_limits(changed: dict[str, Any]) -> dict[str, object]:
    """The changed limits as the audit log shows them."""
    names = {"credit_limit_microcredits": "limit", "expires_at": "expires_at"}
    shown = {}
    for name, value in changed.items():
        is_credits = name == "credit_limit_microcredits" and value is not None
        shown[names.get(name, name)] = "none" if value is None else credits_shown(value) if is_credits else value
    return shown


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
