"""The console's sessions, and the links that begin one. A session counts only while its key does."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from easel.domain.api_key import Holder
from easel.store.accounts import HOLDER, KEY_IS_VALID, holder_of
from easel.store.database import Reader, Writer


@dataclass(frozen=True, slots=True)
class SignedInKey:
    """What the console shows of the key that is signed in."""

    account: str
    name: str
    hint: str
    scopes: list[str]
    models: list[str] | None
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class LinkedKey:
    """The key that a new link signs in with."""

    id: int
    account_id: int
    account: str
    name: str


async def find_holders(connection: Reader, digests: Sequence[bytes]) -> dict[bytes, Holder]:
    """The holders of sessions by their digests. Leaves out sessions that are unknown or over, also with their key."""
    cursor = await connection.execute(
        f"""
        SELECT session.digest, {HOLDER},
            extract(epoch FROM least(api_key.expires_at, session.expires_at) - clock_timestamp())::float
        FROM console_sessions AS session JOIN api_keys AS api_key ON api_key.id = session.api_key_id
            JOIN accounts AS account ON account.id = api_key.account_id
        WHERE session.digest = ANY (%s) AND session.expires_at > now() AND {KEY_IS_VALID}
        """,  # noqa: S608 - constants of ours
        (list(digests),),
    )
    return {digest: holder_of(columns) for digest, *columns in await cursor.fetchall()}


async def add(connection: Writer, digest: bytes, api_key_id: int, lifetime_s: int) -> None:
    """Begin a session."""
    await connection.execute(
        "INSERT INTO console_sessions (digest, api_key_id, expires_at) VALUES (%s, %s, now() + make_interval(secs => %s))",
        (digest, api_key_id, lifetime_s),
    )


async def end(connection: Writer, digest: bytes) -> None:
    """End a session. Ending it again changes nothing."""
    await connection.execute("DELETE FROM console_sessions WHERE digest = %s", (digest,))


async def end_all(connection: Writer) -> None:
    """End every session, and every link that would begin one."""
    await connection.execute("DELETE FROM console_sessions")
    await connection.execute("DELETE FROM console_links")


async def end_oldest(connection: Writer, api_key_id: int, kept_max: int) -> None:
    """End a key's oldest sessions, beyond `kept_max`."""
    await connection.execute(
        """
        DELETE FROM console_sessions WHERE digest IN (
            SELECT digest FROM console_sessions WHERE api_key_id = %s
            ORDER BY created_at DESC, digest OFFSET %s FOR UPDATE SKIP LOCKED)
        """,
        (api_key_id, kept_max),
    )


async def describe(connection: Reader, api_key_id: int) -> SignedInKey:
    """What to show of a key."""
    cursor = connection.cursor(row_factory=class_row(SignedInKey))
    await cursor.execute(
        """
        SELECT account.name AS account, api_key.name, api_key.hint, api_key.scopes, api_key.models, api_key.expires_at
        FROM api_keys AS api_key JOIN accounts AS account ON account.id = api_key.account_id WHERE api_key.id = %s
        """,
        (api_key_id,),
    )
    row = await cursor.fetchone()
    assert row is not None  # keys are revoked, never deleted
    return row


async def key_to_link(connection: Reader, account: str | None) -> LinkedKey | None:
    """The oldest valid key of an account, or of the account that was opened first. None if there is none."""
    cursor = connection.cursor(row_factory=class_row(LinkedKey))
    await cursor.execute(
        f"""
        SELECT api_key.id, account.id AS account_id, account.name AS account, api_key.name
        FROM api_keys AS api_key JOIN accounts AS account ON account.id = api_key.account_id
        WHERE CASE WHEN %(account)s::text IS NULL THEN account.id = (SELECT min(id) FROM accounts)
            ELSE account.name = %(account)s END AND {KEY_IS_VALID}
        ORDER BY api_key.id LIMIT 1
        """,  # noqa: S608 - a constant of ours
        {"account": account},
    )
    return await cursor.fetchone()


async def add_link(connection: Writer, digest: bytes, api_key_id: int, lifetime_s: int) -> None:
    """Store a link that begins a session of this key, once."""
    await connection.execute(
        "INSERT INTO console_links (digest, api_key_id, expires_at) VALUES (%s, %s, now() + make_interval(secs => %s))",
        (digest, api_key_id, lifetime_s),
    )


async def use_link(connection: Writer, digest: bytes) -> int | None:
    """Use a link up. Returns the id of its key; None if the link is unknown, used or expired, or its key is not
    valid."""
    cursor = await connection.execute(
        f"""
        DELETE FROM console_links AS link USING api_keys AS api_key
        WHERE link.digest = %s AND link.expires_at > now() AND api_key.id = link.api_key_id AND {KEY_IS_VALID}
        RETURNING api_key.id
        """,  # noqa: S608 - a constant of ours
        (digest,),
    )
    row = await cursor.fetchone()
    return None if row is None else int(row[0])


async def delete_expired(connection: Writer, count_max: int) -> None:
    """Delete sessions and links that have expired, at most `count_max` of each."""
    for table in ("console_sessions", "console_links"):
        await connection.execute(
            f"""
            DELETE FROM {table} WHERE digest IN (
                SELECT digest FROM {table} WHERE expires_at <= now()
                ORDER BY expires_at LIMIT %s FOR UPDATE SKIP LOCKED)
            """,  # noqa: S608 - our own tables
            (count_max,),
        )
