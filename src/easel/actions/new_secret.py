"""Gives an installation another secret. What followed from the one before ends with it."""

from easel.actions.audit_log import record_new_secret
from easel.domain.secret import Secret
from easel.store import accounts, schema
from easel.store.database import Database


async def adopt(database: Database, secret: Secret) -> int:
    """Have the database recognise this secret from now on; how many API keys ended, all of which only the one before
    could recognise."""
    async with database.transaction() as connection:
        await schema.set_fingerprint(connection, secret)
        ended = await accounts.revoke_all_keys(connection)
        await record_new_secret(connection, ended)
        return ended
