"""Groups of accounts: what operators set for them. Each change is recorded in the audit log."""

from easel.actions.audit_log import record
from easel.domain.audit_log import Action
from easel.domain.credits import credits_shown
from easel.store import accounts, user_groups
from easel.store.database import Database


async def set_price(database: Database, user_group: str, model: str, price_microcredits: int) -> None:
    """Set what a group pays for a picture. Tasks accepted earlier keep their price."""
    async with database.transaction() as connection:
        await user_groups.set_price(connection, user_group, model, price_microcredits)
        price = credits_shown(price_microcredits)
        await record(connection, Action.GROUP_PRICE_SET, f'group "{user_group}"', model=model, price=price)


async def assign(database: Database, account: str, user_group: str) -> bool | None:
    """Put an account into a group. Returns whether the group has its own price; None if no account has that name."""
    async with database.transaction() as connection:
        account_id = await accounts.find_account(connection, account)
        if account_id is None:
            return None
        await user_groups.assign(connection, account_id, user_group)
        await record(connection, Action.GROUP_ASSIGNED, f'account "{account}"', account_id, group=user_group)
        return await user_groups.has_price(connection, user_group)
