"""The secrets that sign an account's callbacks: showing them, and replacing one by another.

No secret is stored. Each is derived from the installation's secret, the account and a generation number, and rotating
increments that number.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from easel.actions.audit_log import record
from easel.domain.audit_log import Action
from easel.domain.webhook import signing_secrets
from easel.store import accounts
from easel.store.accounts import CallbackSecrets
from easel.store.database import Database


@dataclass(frozen=True, slots=True)
class ShownSecrets:
    """The secrets that sign an account's callbacks, newest first. `overlap_until` is None if there is only one."""

    secrets: Sequence[bytes]
    overlap_until: datetime | None


async def show(database: Database, root: bytes, account: str) -> ShownSecrets | None:
    """An account's secrets. None if no account has that name."""
    async with database.reading() as connection:
        account_id = await accounts.find_account(connection, account)
        if account_id is None:
            return None
        return _shown(root, account_id, await accounts.callback_secrets(connection, account_id))


async def rotate(database: Database, root: bytes, account: str, overlap: timedelta) -> ShownSecrets | None:
    """Make a new secret. The previous one also signs until the overlap ends; older ones stop immediately.

    None if no account has that name.
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
    secrets = signing_secrets(root, account_id, kept.generation, is_overlapping=kept.is_overlapping)
    return ShownSecrets(secrets, kept.overlap_until if len(secrets) > 1 else None)
