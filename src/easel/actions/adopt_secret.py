"""Adopt a secret: the installation gets another secret, and everything derived from the previous one becomes
invalid."""

from easel.actions.audit_log import record_new_secret
from easel.domain.secret import Secret
from easel.store import accounts, schema
from easel.store.database import Database


async def adopt_secret(database: Database, secret: Secret) -> int:
    """Make the database accept this secret from now on. Revokes all API keys; returns how many it revoked."""
    async with database.transaction() as connection:
        await schema.set_fingerprint(connection, secret)
        revoked = await accounts.revoke_all_keys(connection)
        await record_new_secret(connection, revoked)
        return revoked
