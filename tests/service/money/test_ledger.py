"""The ledger's rules, as pure functions and as the database enforces them.

What is written here is undone at the end of each test.
"""

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import Connection
from psycopg.rows import TupleRow

from easel.domain.credits import (
    MICROCREDITS_MAX,
    Balance,
    EntryKind,
    balance_after,
    credits_shown,
    parse_adjustment,
    parse_credits,
)
from easel.domain.task import ENDS, Status
from easel.store.audit import INVARIANTS
from tests.support.running_service import Service, finish, submit

AMOUNTS: Final = st.integers(1, 5) | st.integers(1, MICROCREDITS_MAX)
ENTRIES: Final = st.lists(
    st.tuples(st.sampled_from(EntryKind), AMOUNTS)
    | st.tuples(st.just(EntryKind.GRANT), AMOUNTS.map(lambda amount: -amount)),
    max_size=12,
)


@dataclass(frozen=True)
class Books:
    """An account with one completed and charged task, and a connection to its database."""

    connection: Connection[TupleRow]
    name: str
    account_id: int
    key: str
    task_id: str

    @contextmanager
    def undone(self) -> Iterator[Connection[TupleRow]]:
        """A transaction that is rolled back."""
        with self.connection.transaction(force_rollback=True):
            self.connection.execute("SET LOCAL lock_timeout = '60s'")
            yield self.connection

    def broken(self) -> dict[str, list[str]]:
        """The broken invariants and the affected accounts."""
        found = {name: [row[0] for row in self.connection.execute(query)] for name, query in INVARIANTS.items()}
        return {name: subjects for name, subjects in found.items() if subjects}


@pytest.fixture(scope="module")
def books(service: Service) -> Iterator[Books]:
    with service.client(service.new_key("ledger")) as client:
        task = finish(client, submit(client)["id"])
    with service.database() as connection:
        connection.autocommit = True
        row = connection.execute(
            "SELECT accounts.id, 'key ' || api_keys.id FROM accounts JOIN api_keys ON account_id = accounts.id "
            "WHERE accounts.name = 'ledger'"
        ).fetchone()
        assert row is not None
        yield Books(connection, "ledger", row[0], row[1], task["id"])


@given(st.integers(1, MICROCREDITS_MAX))
def test_a_formatted_amount_parses_to_itself(microcredits: int) -> None:
    whole, rest = divmod(microcredits, 1_000_000)
    assert parse_credits(f"{whole}.{rest:06}") == microcredits
    shown = credits_shown(microcredits)
    assert round(shown * 1_000_000) == microcredits
    assert isinstance(shown, int) == (rest == 0)


@pytest.mark.parametrize(
    ("microcredits", "shown"),
    [(0, "0"), (26_000, "0.026"), (1, "1e-06"), (12_500_000, "12.5"), (100_000_000, "100"), (99_974_000, "99.974")],
)
def test_an_amount_is_formatted_without_needless_digits(microcredits: int, shown: str) -> None:
    assert str(credits_shown(microcredits)) == shown


@given(st.integers(1, MICROCREDITS_MAX), st.sampled_from(["", "+", "-"]))
def test_an_adjustment_is_an_amount_with_an_optional_sign(microcredits: int, sign: str) -> None:
    whole, rest = divmod(microcredits, 1_000_000)
    assert parse_adjustment(f"{sign}{whole}.{rest:06}") == (-microcredits if sign == "-" else microcredits)


@pytest.mark.parametrize("text", ["", "-", "+", "0", "-0", "--5", "+-5", "- 5", "-5-", "−5", "1e3", "-0.0000001"])
def test_an_invalid_adjustment_is_refused_with_a_message(text: str) -> None:
    with pytest.raises(ValueError, match=r"^an adjustment is a number other than 0, .* such as -12\.5$"):
        parse_adjustment(text)


@pytest.mark.parametrize(
    "text", ["", " ", "0", "0.0", "-1", "+1", "1.0000001", "0.0000001", "1000000000.000001", "9999999999", "NaN", "sNaN",
             "Infinity", "1e3", "1e999999", "1_000", "1,5", ".5", "5.", "0x10", " 5", "5\n", "١٢", "½", "1.5.5", "12.50000000",
             "1" * 5000],
)  # fmt: skip
def test_a_malformed_amount_is_refused_with_a_message(text: str) -> None:
    with pytest.raises(ValueError, match=r"^an amount of credits is a number above 0, .* such as 12\.5$"):
        parse_credits(text)


@given(st.text())
def test_parsing_an_amount_raises_no_other_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert 0 < parse_credits(text) <= MICROCREDITS_MAX


@given(ENTRIES)
def test_entries_move_credits_and_only_grants_create_them(entries: list[tuple[EntryKind, int]]) -> None:
    balance = balance_after(entries)
    assert balance.granted == sum(amount for kind, amount in entries if kind is EntryKind.GRANT)
    assert balance.used == sum(amount for kind, amount in entries if kind is EntryKind.CAPTURE)


@given(ENTRIES, ENTRIES)
def test_balances_add_up_over_parts_of_a_ledger(
    first: list[tuple[EntryKind, int]], second: list[tuple[EntryKind, int]]
) -> None:
    whole, start, rest = balance_after(first + second), balance_after(first), balance_after(second)
    assert whole == Balance(start.available + rest.available, start.reserved + rest.reserved, start.used + rest.used)


@pytest.mark.parametrize("end", [EntryKind.CAPTURE, EntryKind.RELEASE])
def test_resolving_a_hold_leaves_nothing_reserved(end: EntryKind) -> None:
    balance = balance_after([(EntryKind.GRANT, 10), (EntryKind.HOLD, 3), (end, 3)])
    assert balance == (Balance(7, 0, 3) if end is EntryKind.CAPTURE else Balance(10, 0, 0))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(entries=ENTRIES)
def test_the_database_moves_balances_as_the_rules_do_and_never_below_zero(
    books: Books, entries: list[tuple[EntryKind, int]]
) -> None:
    kept: list[tuple[EntryKind, int]] = []
    with books.undone() as connection:
        opened = connection.execute("INSERT INTO accounts (name) VALUES ('ledger of entries') RETURNING id").fetchone()
        assert opened is not None
        for number, (kind, amount) in enumerate(entries):
            after = balance_after([*kept, (kind, amount)])
            may = min(after.available, after.reserved, after.used) >= 0
            assert was_entered(connection, opened[0], kind, amount, f"entry-{number}") == may
            kept += [(kind, amount)] if may else []
        assert balance_of(connection, opened[0]) == balance_after(kept)


def was_entered(connection: Connection[TupleRow], account_id: int, kind: str, amount: int, cause: str) -> bool:
    insert = "INSERT INTO ledger (account_id, kind, amount_microcredits, cause) VALUES (%s, %s, %s, %s)"
    try:
        with connection.transaction():
            connection.execute(insert, (account_id, kind, amount, cause))
    except psycopg.errors.CheckViolation:
        return False
    return True


def balance_of(connection: Connection[TupleRow], account_id: int) -> Balance:
    row = connection.execute(
        "SELECT available_microcredits, reserved_microcredits, used_microcredits FROM accounts WHERE id = %s",
        (account_id,),
    ).fetchone()
    assert row is not None
    return Balance(*row)


@pytest.mark.parametrize(
    ("kind", "amount"),
    [("grant", 0), ("grant", MICROCREDITS_MAX + 1), ("grant", -MICROCREDITS_MAX - 1), ("hold", -1), ("release", -1),
     ("capture", -1)],
)  # fmt: skip
def test_the_database_refuses_an_amount_out_of_range(books: Books, kind: str, amount: int) -> None:
    with books.undone() as connection:
        rich = "INSERT INTO ledger (account_id, kind, amount_microcredits, cause) VALUES (%s, 'grant', %s, 'rich')"
        connection.execute(rich, (books.account_id, MICROCREDITS_MAX))
        connection.execute("UPDATE accounts SET available_microcredits = 2 * %s", (MICROCREDITS_MAX,))
        assert not was_entered(connection, books.account_id, kind, amount, "out of bounds")


def test_a_cause_has_at_most_one_entry_of_each_kind(books: Books) -> None:
    with books.undone() as connection:
        assert was_entered(connection, books.account_id, "grant", 1, "a cause")
        with pytest.raises(psycopg.errors.UniqueViolation):
            was_entered(connection, books.account_id, "grant", 2, "a cause")


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE ledger SET amount_microcredits = amount_microcredits + 1",
        "UPDATE ledger SET cause = cause",
        "DELETE FROM ledger",
        "TRUNCATE ledger",
        "TRUNCATE accounts CASCADE",
    ],
)
def test_the_ledger_is_append_only(books: Books, change: str) -> None:
    with books.undone() as connection, pytest.raises(psycopg.errors.RaiseException, match="append-only"):
        connection.execute(change.encode())


@pytest.mark.parametrize("end", sorted(ENDS))
@pytest.mark.parametrize("status", Status)
def test_the_end_of_a_task_is_final(books: Books, end: Status, status: Status) -> None:
    with books.undone() as connection:
        connection.execute("SET LOCAL session_replication_role = replica")
        connection.execute(ENDED_AS[end], {"task": books.task_id})
        connection.execute("SET LOCAL session_replication_role = origin")
        change = "UPDATE tasks SET status = %s, request_id = 'req-later' WHERE id = %s"
        if status is end:
            assert connection.execute(change, (status, books.task_id)).rowcount == 1
        else:
            with pytest.raises(psycopg.errors.RaiseException, match=f"has ended as {end} and cannot become {status}"):
                connection.execute(change, (status, books.task_id))


ENDED_AS: Final = {
    Status.COMPLETED: b"SELECT 1 FROM tasks WHERE id = %(task)s",
    Status.FAILED: b"UPDATE tasks SET status = 'failed', error_code = 'service_error', error_message = 'Lost', "
    b"picture_name = NULL, link_expires_at = NULL WHERE id = %(task)s",
}
UNENDED: Final = "picture_name = NULL, link_expires_at = NULL, ended_at = NULL WHERE id = %(task)s"
CALLED_BACK: Final = """
    INSERT INTO callbacks (task_id, account_id, url)
    SELECT id, account_id, 'https://a.com/' FROM tasks WHERE id = %(task)s
"""
REOPENED: Final = "UPDATE holds SET state = 'open', resolved_at = NULL WHERE task_id = %(task)s"
MISSING: Final = "DELETE FROM ledger WHERE cause = %(task)s AND kind = "
EXTRA: Final = "INSERT INTO ledger (account_id, kind, amount_microcredits, cause) VALUES (%(account)s, "

CORRUPTIONS: Final[list[tuple[str, str, list[str]]]] = [
    *(
        ("an account's balance is the sum of its entries", "account", [statement])
        for statement in (
            "UPDATE accounts SET available_microcredits = available_microcredits + 1 WHERE id = %(account)s",
            "UPDATE accounts SET available_microcredits = available_microcredits - 1 WHERE id = %(account)s",
            "UPDATE accounts SET reserved_microcredits = reserved_microcredits + 1 WHERE id = %(account)s",
            "UPDATE accounts SET used_microcredits = used_microcredits - 1 WHERE id = %(account)s",
            f"{EXTRA}'grant', 5, 'unseen')",
            f"{MISSING}'hold'",
            f"{MISSING}'capture'",
            "UPDATE ledger SET amount_microcredits = amount_microcredits + 1 WHERE cause = %(task)s AND kind = 'hold'",
            "DELETE FROM ledger WHERE account_id = %(account)s",
        )
    ),
    *(
        ("an account's reserved credits are the sum of its open holds", "account", [statement])
        for statement in (
            "UPDATE accounts SET reserved_microcredits = reserved_microcredits + 1 WHERE id = %(account)s",
            REOPENED,
        )
    ),
    *(
        ("no balance is negative", "account", [
            f"ALTER TABLE accounts DROP CONSTRAINT accounts_{book}_not_negative",
            f"UPDATE accounts SET {book}_microcredits = -1 WHERE id = %(account)s",
        ])
        for book in ("available", "reserved", "used")
    ),
    *(
        ("a task has ended if and only if its hold is resolved", "task", [statement])
        for statement in (
            REOPENED,
            f"UPDATE tasks SET status = 'processing', {UNENDED}",
            f"UPDATE tasks SET status = 'pending', {UNENDED}",
        )
    ),
    *(
        ("a task has no hold if and only if moderation refused it at once", "task", statements)
        for statements in (
            ["DELETE FROM holds WHERE task_id = %(task)s"],
            [
                "ALTER TABLE tasks DROP CONSTRAINT tasks_refused_have_failed",
                "UPDATE tasks SET is_refused = true WHERE id = %(task)s",
            ],
        )
    ),
    *(
        ("a task is charged if and only if it is completed", "task", [statement])
        for statement in (
            "UPDATE holds SET state = 'released' WHERE task_id = %(task)s",
            "DELETE FROM holds WHERE task_id = %(task)s",
            ENDED_AS[Status.FAILED].decode(),
        )
    ),
    *(
        ("every hold has one entry, and at most one that resolves it, both of its amount", "task", [statement])
        for statement in (
            f"{MISSING}'hold'",
            f"{MISSING}'capture'",
            f"{EXTRA}'release', 26000, %(task)s)",
            "UPDATE holds SET amount_microcredits = amount_microcredits + 1 WHERE task_id = %(task)s",
            "UPDATE ledger SET amount_microcredits = 1 WHERE cause = %(task)s AND kind = 'capture'",
            "UPDATE ledger SET account_id = (SELECT min(id) FROM accounts) WHERE cause = %(task)s AND kind = 'capture'",
            REOPENED,
        )
    ),
    *(
        ("every entry that is not a grant belongs to a hold", "cause", [f"{EXTRA}'{kind}', 5, 'nothing')"])
        for kind in ("hold", "capture", "release")
    ),
    *(
        ("a key's used credits are what its tasks were charged", "key", [f"UPDATE api_keys SET {change} WHERE account_id = %(account)s"])
        for change in ("used_microcredits = used_microcredits + 1", "used_microcredits = 0")
    ),
    *(
        ("a key's reserved credits and unfinished tasks are those of its open holds", "key",
         [f"UPDATE api_keys SET {change} WHERE account_id = %(account)s"])
        for change in ("reserved_microcredits = 1", "unfinished = 1")
    ),
    ("a key's reserved credits and unfinished tasks are those of its open holds", "key", [REOPENED]),
    *(
        ("a key's usage over all days is what its ended tasks came to", "key", [statement])
        for statement in (
            "UPDATE daily_usage SET completed = completed + 1 WHERE account_id = %(account)s",
            "UPDATE daily_usage SET spent_microcredits = 0 WHERE account_id = %(account)s",
            "DELETE FROM daily_usage WHERE account_id = %(account)s",
        )
    ),
    ("no key has spent more than its limit", "key", [
        "UPDATE api_keys SET credit_limit_microcredits = 25999 WHERE account_id = %(account)s",
    ]),
    *(
        ("every unfinished task is in the queue", "task", [f"UPDATE tasks SET status = '{status}', {UNENDED}"])
        for status in ("pending", "processing")
    ),
    *(
        ("a task has a callback if and only if it has ended and asked for one", "task", statements)
        for statements in (
            ["UPDATE tasks SET callback_url = 'https://a.com/' WHERE id = %(task)s"],
            [CALLED_BACK],
            ["UPDATE tasks SET callback_url = 'https://b.com/' WHERE id = %(task)s", CALLED_BACK],
            [CALLED_BACK, f"UPDATE tasks SET callback_url = 'https://a.com/', status = 'pending', {UNENDED}"],
        )
    ),
]  # fmt: skip


def test_a_sound_ledger_breaks_no_invariant(books: Books) -> None:
    assert books.broken() == {}


def test_every_invariant_has_a_corruption_that_breaks_it() -> None:
    assert {invariant for invariant, _, _ in CORRUPTIONS} == set(INVARIANTS)


@pytest.mark.parametrize(("invariant", "subject", "statements"), CORRUPTIONS)
def test_the_audit_finds_every_corruption(books: Books, invariant: str, subject: str, statements: list[str]) -> None:
    with books.undone() as connection:
        connection.execute("SET LOCAL session_replication_role = replica")
        for statement in statements:
            connection.execute(statement.encode(), {"account": books.account_id, "task": books.task_id})
        found = books.broken()
    subjects = {"account": books.name, "task": books.task_id, "key": books.key, "cause": "nothing"}
    assert found.get(invariant) == [subjects[subject]]
    assert books.broken() == {}
