"""User groups and their prices. A group is a name that accounts have. A group without a price pays the general one."""

from dataclasses import dataclass

from psycopg.rows import class_row

from easel.store.database import Reader, Writer


@dataclass(frozen=True, slots=True)
class ListedGroup:
    """A group, its price for one model (None: the general one), and how many accounts are in it."""

    user_group: str
    model: str | None
    price_microcredits: int | None
    accounts: int


async def set_price(connection: Writer, user_group: str, model: str, price_microcredits: int) -> None:
    """Set what a group pays for a picture of a model, from the next order on."""
    await connection.execute(
        """
        INSERT INTO prices (user_group, model, price_microcredits) VALUES (%s, %s, %s)
        ON CONFLICT (user_group, model) DO UPDATE SET price_microcredits = excluded.price_microcredits
        """,
        (user_group, model, price_microcredits),
    )


async def assign(connection: Writer, account_id: int, user_group: str) -> None:
    """Put an account into a group."""
    await connection.execute("UPDATE accounts SET user_group = %s WHERE id = %s", (user_group, account_id))


async def has_price(connection: Reader, user_group: str) -> bool:
    """Whether a group has a price of its own for any model."""
    cursor = await connection.execute("SELECT EXISTS (SELECT FROM prices WHERE user_group = %s)", (user_group,))
    row = await cursor.fetchone()
    return row is not None and bool(row[0])


async def list_groups(connection: Reader) -> list[ListedGroup]:
    """All groups that have a price or an account, by name."""
    cursor = connection.cursor(row_factory=class_row(ListedGroup))
    await cursor.execute(
        """
        WITH members AS (SELECT user_group, count(*)::int AS accounts FROM accounts GROUP BY user_group)
        SELECT user_group, model, price_microcredits, coalesce(accounts, 0) AS accounts
        FROM members FULL JOIN prices USING (user_group) ORDER BY user_group, model
        """
    )
    return await cursor.fetchall()
