"""Accounts and their keys. Only the digest of a key is stored."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, LiteralString

from psycopg.rows import class_row

from easel.domain.api_key import Holder, Scope
from easel.store.database import Reader, Writer


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key to store. `expires` is a time, or a duration from now by the database's clock."""

    name: str
    digest: bytes
    hint: str
    scopes: tuple[Scope, ...]
    models: tuple[str, ...] | None
    expires: datetime | timedelta | None
    credit_limit_microcredits: int | None
    creates_per_minute: int | None
    unfinished_max: int | None


@dataclass(frozen=True, slots=True)
class ListedKey:
    """A key as it is listed."""

    id: int
    account: str
    name: str
    hint: str
    scopes: list[str]
    models: list[str] | None
    used_microcredits: int
    credit_limit_microcredits: int | None
    creates_per_minute: int | None
    unfinished_max: int | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class CallbackSecrets:
    """Which generation of an account's callback secret signs, whether the previous one signs too, and until when."""

    generation: int
    is_overlapping: bool
    overlap_until: datetime | None


async def open_account(connection: Writer, name: str) -> int:
    """The id of the account with that name, which is created if needed."""
    await connection.execute("INSERT INTO accounts (name) VALUES (%s) ON CONFLICT DO NOTHING", (name,))
    account_id = await find_account(connection, name)
    assert account_id is not None
    return account_id


async def find_account(connection: Reader, name: str) -> int | None:
    """The id of the account with that name; None if there is none."""
    row = await (await connection.execute("SELECT id FROM accounts WHERE name = %s", (name,))).fetchone()
    return int(row[0]) if row else None


async def add_account(connection: Writer, name: str) -> int | None:
    """Open an account, and return its id. None if there is one of that name."""
    cursor = await connection.execute(
        "INSERT INTO accounts (name) VALUES (%s) ON CONFLICT DO NOTHING RETURNING id", (name,)
    )
    row = await cursor.fetchone()
    return None if row is None else int(row[0])


async def has_accounts(connection: Writer) -> bool:
    """Whether there is any account. If there is none, other callers wait until this transaction ends."""
    any_account = "SELECT 1 FROM accounts LIMIT 1"
    if await (await connection.execute(any_account)).fetchone() is not None:
        return True
    await connection.execute("LOCK TABLE accounts IN SHARE ROW EXCLUSIVE MODE")
    return await (await connection.execute(any_account)).fetchone() is not None


async def add_key(connection: Writer, account_id: int, key: NewKey) -> tuple[int, datetime | None]:
    """Store a key. Returns its id and when it expires."""
    cursor = await connection.execute(
        """
        INSERT INTO api_keys (account_id, name, digest, hint, scopes, models, expires_at,
            credit_limit_microcredits, creates_per_minute, unfinished_max)
        VALUES (%s, %s, %s, %s, %s, %s, coalesce(%s::timestamptz, now() + %s::interval), %s, %s, %s)
        RETURNING id, expires_at
        """,
        (account_id, key.name, key.digest, key.hint, list(key.scopes),
         None if key.models is None else list(key.models),
         key.expires if isinstance(key.expires, datetime) else None,
         key.expires if isinstance(key.expires, timedelta) else None,
         key.credit_limit_microcredits, key.creates_per_minute, key.unfinished_max),
    )  # fmt: skip
    row = await cursor.fetchone()
    assert row is not None
    return row[0], row[1]


HOLDER: Final[LiteralString] = """account.id, api_key.id, account.user_group, api_key.scopes, api_key.models,
            (SELECT coalesce(jsonb_object_agg(model, price_microcredits), '{}') FROM prices
             WHERE prices.user_group = account.user_group),
            api_key.creates_per_minute, api_key.unfinished_max"""
"""The columns of a holder, to which the seconds until it expires are added."""

KEY_IS_VALID: Final[LiteralString] = (
    "api_key.revoked_at IS NULL AND (api_key.expires_at IS NULL OR api_key.expires_at > now())"
)
"""An SQL condition on a row of `api_keys`."""


def holder_of(columns: Sequence[Any]) -> Holder:
    """The holder in the columns of HOLDER and the seconds until it expires, without scopes of a later version."""
    (account_id, api_key_id, user_group, scopes, models, prices, creates_per_minute, unfinished_max,
     expires_in_s) = columns  # fmt: skip
    return Holder(
        account_id=account_id,
        api_key_id=api_key_id,
        user_group=user_group,
        scopes=frozenset(scope for scope in Scope if scope in scopes),
        models=None if models is None else frozenset(models),
        prices_microcredits=prices,
        creates_per_minute=creates_per_minute,
        unfinished_max=unfinished_max,
        expires_in_s=expires_in_s,
    )


async def find_holders(connection: Reader, digests: Sequence[bytes]) -> dict[bytes, Holder]:
    """The holders of keys by their digests. Leaves out keys that are unknown, expired or revoked."""
    cursor = await connection.execute(
        f"""
        SELECT api_key.digest, {HOLDER}, extract(epoch FROM api_key.expires_at - clock_timestamp())::float
        FROM api_keys AS api_key JOIN accounts AS account ON account.id = api_key.account_id
        WHERE api_key.digest = ANY (%s) AND {KEY_IS_VALID}
        """,  # noqa: S608 - constants of ours
        (list(digests),),
    )
    return {digest: holder_of(columns) for digest, *columns in await cursor.fetchall()}


async def ended_keys(connection: Reader, api_key_ids: Sequence[int]) -> set[int]:
    """Which of these keys are revoked or expired."""
    cursor = await connection.execute(
        """
        SELECT id FROM api_keys
        WHERE id = ANY (%s) AND (revoked_at IS NOT NULL OR expires_at <= clock_timestamp())
        """,
        (list(api_key_ids),),
    )
    return {api_key_id for (api_key_id,) in await cursor.fetchall()}


LISTED_KEYS: Final[LiteralString] = """
    SELECT api_key.id, account.name AS account, api_key.name, api_key.hint, api_key.scopes, api_key.models,
        api_key.used_microcredits, api_key.credit_limit_microcredits, api_key.creates_per_minute,
        api_key.unfinished_max, api_key.created_at, api_key.expires_at, api_key.revoked_at
    FROM api_keys AS api_key JOIN accounts AS account ON account.id = api_key.account_id
"""
"""Selects keys as ListedKey, without a condition."""


async def list_keys(connection: Reader, account: str | None) -> list[ListedKey]:
    """All keys, or those of one account, oldest first."""
    cursor = connection.cursor(row_factory=class_row(ListedKey))
    await cursor.execute(
        LISTED_KEYS + "WHERE %(account)s::text IS NULL OR account.name = %(account)s ORDER BY api_key.id",
        {"account": account},
    )
    return await cursor.fetchall()


@dataclass(frozen=True, slots=True)
class KeyOwner:
    """The account that a key belongs to, the key's name, and whether it is revoked already."""

    account_id: int
    account: str
    name: str
    was_revoked: bool


async def key_owner(connection: Writer, api_key_id: int) -> KeyOwner | None:
    """The owner of a key; None if there is no such key. Nobody else can revoke the key until the transaction ends."""
    cursor = connection.cursor(row_factory=class_row(KeyOwner))
    await cursor.execute(
        """
        SELECT account.id AS account_id, account.name AS account, api_key.name,
            api_key.revoked_at IS NOT NULL AS was_revoked
        FROM api_keys AS api_key JOIN accounts AS account ON account.id = api_key.account_id
        WHERE api_key.id = %s FOR NO KEY UPDATE OF api_key
        """,
        (api_key_id,),
    )
    return await cursor.fetchone()


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """The limits of a key. None stands for no limit, or for the one in the settings."""

    credit_limit_microcredits: int | None
    creates_per_minute: int | None
    unfinished_max: int | None
    expires_at: datetime | None


async def key_limits(connection: Writer, api_key_id: int) -> tuple[KeyLimits, int, datetime] | None:
    """A key's limits, the micro-credits that it has used and reserved, and the time. None if there is no such key.

    Nobody else can change them until the transaction ends, and the key cannot spend meanwhile.
    """
    cursor = await connection.execute(
        """
        SELECT credit_limit_microcredits, creates_per_minute, unfinished_max, expires_at,
            used_microcredits + reserved_microcredits, now()
        FROM api_keys WHERE id = %s FOR NO KEY UPDATE
        """,
        (api_key_id,),
    )
    row = await cursor.fetchone()
    return None if row is None else (KeyLimits(*row[:4]), row[4], row[5])


async def set_key_limits(connection: Writer, api_key_id: int, limits: KeyLimits) -> None:
    """Replace a key's limits. The credit limit must not be lower than what the key has used and reserved."""
    await connection.execute(
        """
        UPDATE api_keys SET credit_limit_microcredits = %s, creates_per_minute = %s, unfinished_max = %s, expires_at = %s
        WHERE id = %s
        """,
        (limits.credit_limit_microcredits, limits.creates_per_minute, limits.unfinished_max, limits.expires_at,
         api_key_id),
    )  # fmt: skip


async def revoke_key(connection: Writer, api_key_id: int) -> None:
    """Revoke a key now. Revoking it again changes nothing."""
    await connection.execute(
        "UPDATE api_keys SET revoked_at = coalesce(revoked_at, now()) WHERE id = %s", (api_key_id,)
    )


async def revoke_all_keys(connection: Writer) -> int:
    """Revoke every key that is not revoked yet. Returns how many."""
    cursor = await connection.execute("UPDATE api_keys SET revoked_at = now() WHERE revoked_at IS NULL")
    return cursor.rowcount


async def callback_secrets(connection: Reader, account_id: int) -> CallbackSecrets:
    """The secrets that an account's callbacks are signed with."""
    cursor = connection.cursor(row_factory=class_row(CallbackSecrets))
    await cursor.execute(
        """
        SELECT callback_secret_generation AS generation, coalesce(callback_secret_overlap_until > now(), false)
            AS is_overlapping, callback_secret_overlap_until AS overlap_until
        FROM accounts WHERE id = %s
        """,
        (account_id,),
    )
    row = await cursor.fetchone()
    assert row is not None
    return row


async def rotate_callback_secret(connection: Writer, account_id: int, overlap: timedelta) -> CallbackSecrets:
    """Sign with the next generation of the secret. The previous one signs too until the overlap ends."""
    cursor = connection.cursor(row_factory=class_row(CallbackSecrets))
    await cursor.execute(
        """
        UPDATE accounts SET callback_secret_generation = callback_secret_generation + 1,
            callback_secret_overlap_until = now() + %s
        WHERE id = %s
        RETURNING callback_secret_generation AS generation, callback_secret_overlap_until > now() AS is_overlapping,
            callback_secret_overlap_until AS overlap_until
        """,
        (overlap, account_id),
    )
    row = await cursor.fetchone()
    assert row is not None
    return row
