"""Opens accounts without a key, as operators do over HTTP. Each is recorded in the audit log."""

from easel.actions import credit_grants
from easel.actions.audit_log import record
from easel.domain.audit_log import Action
from easel.domain.errors import AccountExists
from easel.store import accounts, user_groups
from easel.store.database import Database


async def open_account(database: Database, name: str, user_group: str | None, credits_microcredits: int) -> int:
    """Open an account, put it into a group, and grant it credits. Returns its id. Raises AccountExists."""
    async with database.transaction() as connection:
        account_id = await accounts.add_account(connection, name)
        if account_id is None:
            raise AccountExists
        if user_group is not None:
            await user_groups.assign(connection, account_id, user_group)
        await record(connection, Action.ACCOUNT_CREATED, f'account "{name}"', account_id, group=user_group)
        if credits_microcredits:
            await credit_grants.grant_within(connection, account_id, name, credits_microcredits)
        return account_id
