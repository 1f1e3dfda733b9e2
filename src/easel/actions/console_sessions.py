"""Sign in to the console and out of it, and make the links that sign in.

Only the return values hold the text of a token. The database stores digests.
"""

import secrets
from dataclasses import dataclass

from easel.actions.audit_log import record
from easel.domain import console_session
from easel.domain.audit_log import Action
from easel.store import console_sessions
from easel.store.console_sessions import LinkedKey
from easel.store.database import Database, Writer


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A new session: its token, and the id of its key."""

    token: str
    api_key_id: int


@dataclass(frozen=True, slots=True)
class IssuedLink:
    """A new link's token, and the key that it signs in with."""

    token: str
    key: LinkedKey


async def sign_in(database: Database, pepper: bytes, api_key_id: int) -> SignedIn:
    """Begin a session of a key that was shown."""
    async with database.transaction() as connection:
        return await _begin_within(connection, pepper, api_key_id)


async def sign_in_by_link(database: Database, pepper: bytes, link_token: str) -> SignedIn | None:
    """Use a link up, and begin a session of its key. None if the link is unknown, used or expired."""
    async with database.transaction() as connection:
        api_key_id = await console_sessions.use_link(connection, console_session.link_digest(link_token, pepper))
        return None if api_key_id is None else await _begin_within(connection, pepper, api_key_id)


async def sign_out(database: Database, digest: bytes) -> None:
    """End a session. Ending it again changes nothing."""
    async with database.transaction() as connection:
        await console_sessions.end(connection, digest)


async def issue_link(database: Database, pepper: bytes, account: str | None) -> IssuedLink | None:
    """A link that signs in with the oldest valid key of an account, or of the first account. None if it has no such
    key."""
    token = console_session.from_random(secrets.token_bytes(console_session.TOKEN_BYTES))
    async with database.transaction() as connection:
        key = await console_sessions.key_to_link(connection, account)
        if key is None:
            return None
        digest = console_session.link_digest(token, pepper)
        await console_sessions.add_link(connection, digest, key.id, console_session.LINK_LIFETIME_S)
        await record(connection, Action.CONSOLE_LINK_CREATED, f"key {key.id}", key.account_id, name=key.name or None)
    return IssuedLink(token, key)


async def _begin_within(connection: Writer, pepper: bytes, api_key_id: int) -> SignedIn:
    token = console_session.from_random(secrets.token_bytes(console_session.TOKEN_BYTES))
    digest = console_session.session_digest(token, pepper)
    await console_sessions.end_oldest(connection, api_key_id, console_session.SESSIONS_PER_KEY_MAX - 1)
    await console_sessions.add(connection, digest, api_key_id, console_session.SESSION_LIFETIME_S)
    return SignedIn(token, api_key_id)
