"""The JSON of accounts, keys and other things that operators see."""

from datetime import datetime
from typing import Any

from easel.domain.credits import credits_shown
from easel.store.account_pages import ListedAccount
from easel.store.accounts import ListedKey
from easel.store.audit_log import Entry
from easel.store.callbacks import ListedCallback
from easel.store.user_groups import ListedGroup


def account_body(account: ListedAccount) -> dict[str, Any]:
    """An account with its balance."""
    return {
        "available_credits": credits_shown(account.available_microcredits),
        "created": _time(account.created_at),
        "group": account.user_group,
        "id": account.id,
        "keys": account.keys,
        "name": account.name,
        "reserved_credits": credits_shown(account.reserved_microcredits),
        "used_credits": credits_shown(account.used_microcredits),
    }


def key_body(key: ListedKey) -> dict[str, Any]:
    """A key with its limits. Easel can show only the last four characters of it."""
    limit = key.credit_limit_microcredits
    return {
        "account": key.account,
        "created": _time(key.created_at),
        "creates_per_minute": key.creates_per_minute,
        "credit_limit": None if limit is None else credits_shown(limit),
        "ends": key.hint,
        "expires_at": _time_or_none(key.expires_at),
        "id": key.id,
        "models": key.models,
        "name": key.name,
        "revoked_at": _time_or_none(key.revoked_at),
        "scopes": sorted(key.scopes),
        "unfinished_max": key.unfinished_max,
        "used_credits": credits_shown(key.used_microcredits),
    }


def group_body(group: ListedGroup) -> dict[str, Any]:
    """A group and its price."""
    price = group.price_microcredits
    return {
        "accounts": group.accounts,
        "model": group.model,
        "name": group.user_group,
        "price_credits": None if price is None else credits_shown(price),
    }


def callback_body(callback: ListedCallback) -> dict[str, Any]:
    """A callback and how its latest attempt went."""
    return {
        "account": callback.account,
        "attempts": callback.attempts,
        "created": _time(callback.created_at),
        "last_outcome": callback.last_outcome,
        "last_status_code": callback.last_status_code,
        "state": callback.state,
        "task_id": callback.task_id,
    }


def entry_body(entry: Entry) -> dict[str, Any]:
    """An entry of the audit log."""
    return {
        "account": entry.account,
        "action": entry.action,
        "at": _time(entry.at),
        "details": entry.details,
        "id": entry.id,
        "key_id": entry.api_key_id,
        "operator": entry.operator,
        "subject": entry.subject,
    }


def _time(moment: datetime) -> int:
    return int(moment.timestamp())


def _time_or_none(moment: datetime | None) -> int | None:
    return None if moment is None else _time(moment)
