"""The secrets that callbacks are signed with: one an account, and while one follows another, both.

None is stored. Each follows from the installation's secret, the account and a generation's number, and rotating counts
that up.
"""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from easel.actions.audit_log import record
from easel.domain.audit_log import Action
from easel.store import accounts
from easel.store.accounts import CallbackSecrets
from easel.store.database import Database


@dataclass(frozen=True, slots=True)
class ShownSecrets:
    """What signs an account's callbacks: the newest first. `overlap_until` is None where there is only one."""

    secrets: Sequence[bytes]
    overlap_until: datetime | None


def signing_secrets(root: bytes, account_id: int, kept: CallbackSecrets) -> list[bytes]:
    """The secrets of 32 bytes that sign now, the newest first. `root` follows from the installation's secret."""
    generations = [kept.generation]
    if kept.is_overlapping:
        generations.append(kept.generation - 1)
    return [hmac.digest(root, f"{account_id}.{generation}".encode(), hashlib.sha256) for generation in generations]


async def show(database: Database, root: bytes, account: str) -> ShownSecrets | None:
    """An account's secrets; None when there is no account of that name."""
    async with database.reading() as connection:
        account_id = await accounts.find_account(connection, account)
        if account_id is None:
            return None
        return _shown(root, account_id, await accounts.callback_secrets(connection, account_id))


async def rotate(database: Database, root: bytes, account: str, overlap: timedelta) -> ShownSecrets | None:
    """Make a new secret; the one before signs as well until the overlap is over, and any other no more.

    None when there is no account of that name.
    """
    async with database.transaction() as connection:
        account_id = await accounts.find_account(connection, account)
        if account_id is None:
            return None
        kept = await accounts.rotate_callback_secret(connection, account_id, overlap)
        await record(
            connection, Action.CALLBACK_SECRET_ROTATED, f'account "{account}"', account_id,
            generation=kept.generation, overlap=str(overlap),
        )  # fmt: skip
        return _shown(root, account_id, kept)


def _shown(root: bytes, account_id: int, kept: CallbackSecrets) -> ShownSecrets:
    secrets = signing_secrets(root, account_id, kept)
    return ShownSecrets(secrets, kept.overlap_until if len(secrets) > 1 else None)
