"""Money under load: concurrent orders, concurrent settlements, and an audit without findings.

`test_ledger.py` has the rules of the ledger itself.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Final, TypeVar

import httpx2
import pytest

from easel.actions import settle
from easel.domain import task as task_rules
from easel.domain.credits import Balance
from easel.domain.errors import InsufficientQuota
from easel.domain.order import Order
from easel.domain.rate import Quota
from easel.domain.task import ErrorCode
from easel.outside.postgres import private_postgres
from easel.store import acceptance, admission, endings, ledger, tasks
from easel.store.acceptance import NewTask
from easel.store.admission import AdmissionRequest
from easel.store.database import Database, Writer
from easel.store.endings import Completion
from tests.support.patience import eventually
from tests.support.running_fleet import AT_ONCE
from tests.support.running_service import GENERATIONS, ORDER, Service, finish, read_task, submit

_Answer = TypeVar("_Answer")
PRICE: Final = 26_000
RACED: Final = 25
CONNECTIONS: Final = 8


@dataclass(frozen=True)
class Payer:
    """An account for one test, and its only key."""

    name: str
    key: str
    account_id: int
    api_key_id: int


@pytest.fixture
def payer(service: Service, account: str) -> Payer:
    return opened(service, account, "100")


@pytest.fixture(scope="module", autouse=True)
def audited(service: Service) -> Iterator[None]:
    """Audit the ledger after the tests of this file."""
    yield
    service.audit()


class Undone(Exception):
    """Rolls back a transaction."""


def opened(service: Service, account: str, credits: str) -> Payer:
    key = service.new_key(account, credits)
    with service.database() as connection:
        row = connection.execute(
            "SELECT accounts.id, api_keys.id FROM accounts JOIN api_keys ON account_id = accounts.id WHERE accounts.name = %s",
            (account,),
        ).fetchone()
    assert row is not None
    return Payer(account, key, *row)


def on_database(service: Service, act: Callable[[Database], Awaitable[_Answer]]) -> _Answer:
    """Do something with the service's own statements, on the service's database."""

    @asynccontextmanager
    async def opened(url: str) -> AsyncIterator[Database]:
        database = Database(url, CONNECTIONS)
        await database.open()
        try:
            yield database
        finally:
            await database.close()

    async def run(url: str) -> _Answer:
        async with opened(url) as database:
            return await act(database)

    with private_postgres.attach(service.data_dir) as server:
        return asyncio.run(run(server.url))


async def add_unqueued(connection: Writer, payer: Payer, number: int, price: int = PRICE) -> str:
    """Add a paid task that nobody draws, and return its id."""
    new = NewTask(
        id=task_rules.new_id(1_700_000_000 + payer.account_id, number),
        account_id=payer.account_id,
        api_key_id=payer.api_key_id,
        request_id="req-test",
        public_url="http://127.0.0.1",
        user_group="default",
        price_microcredits=price,
        order=Order("z-image-turbo", "a cute cat"),
        seed=1,
        estimated_time_s=1,
        created_at=datetime.now(UTC),
    )
    await admission.admit(connection, AdmissionRequest(payer.api_key_id, 1, price, Quota("create", 1_000_000), 1000))
    await acceptance.accept(connection, new)
    await connection.execute("UPDATE tasks SET queue_state = NULL WHERE id = %s", (new.id,))
    await tasks.begin(connection, new.id)
    return new.id


async def balance(database: Database, payer: Payer) -> tuple[Balance, int]:
    async with database.reading() as connection:
        spending = await ledger.key_spending(connection, payer.api_key_id)
        assert spending.reserved == 0
        return await ledger.balance(connection, payer.account_id), spending.used


def outcome(task_id: str) -> Completion:
    return Completion("blank", 1, f"{task_id[-8:]:0>32}.webp", 1)


def test_a_balance_for_50_accepts_exactly_50_of_400_concurrent_orders(service: Service, account: str) -> None:
    key = service.new_key(account, "1.3")

    async def race() -> list[int]:
        limits = httpx2.Limits(max_connections=AT_ONCE)
        headers = {"authorization": f"Bearer {key}"}
        async with httpx2.AsyncClient(
            base_url=service.url, headers=headers, limits=limits, timeout=60, trust_env=False
        ) as client:
            responses = await asyncio.gather(*(client.post(GENERATIONS, json=ORDER) for _ in range(400)))
        return [response.status_code for response in responses]

    statuses = asyncio.run(race())
    assert (statuses.count(200), statuses.count(402)) == (50, 350)
    with service.client(key) as client:
        spent = {"remaining_credits": 0, "used_credits": 1.3}
        eventually(lambda: client.get("/v1/credits").json()["data"]["user"] == spent, timeout_s=60)
    with service.database() as connection:
        rows = connection.execute(
            """
            SELECT status, count(*) FROM tasks JOIN accounts ON accounts.id = account_id WHERE name = %s GROUP BY status
            """,
            (account,),
        ).fetchall()
    assert rows == [("completed", 50)]


def test_concurrent_orders_are_each_charged_to_their_own_account(service: Service, account: str) -> None:
    keys = [service.new_key(f"{account}-{number}", "0.13") for number in range(4)]

    async def race() -> list[int]:
        limits = httpx2.Limits(max_connections=AT_ONCE)
        async with httpx2.AsyncClient(base_url=service.url, limits=limits, timeout=60, trust_env=False) as client:
            posts = [
                client.post(GENERATIONS, json=ORDER, headers={"authorization": f"Bearer {key}"})
                for key in keys for _ in range(10)
            ]  # fmt: skip
            return [response.status_code for response in await asyncio.gather(*posts)]

    statuses = asyncio.run(race())
    for start in range(0, 40, 10):
        assert statuses[start : start + 10].count(200) == 5


@pytest.mark.parametrize("price", [PRICE, 1, 0])
def test_of_several_attempts_to_settle_a_task_exactly_one_succeeds(service: Service, payer: Payer, price: int) -> None:
    async def race(database: Database) -> tuple[list[Sequence[bool]], Balance, int]:
        async with database.transaction() as connection:
            ids = [await add_unqueued(connection, payer, number, price) for number in range(RACED)]
        decided: list[Sequence[bool]] = []
        for task_id in ids:
            attempts = (
                settle.complete(database, task_id, outcome(task_id)),
                settle.fail(database, task_id, ErrorCode.REQUEST_CANCELLED, "Cancelled"),
                settle.complete(database, task_id, outcome(task_id)),
                settle.fail(database, task_id, ErrorCode.SERVICE_ERROR, "Lost"),
            )
            decided.append(await asyncio.gather(*attempts))
        return decided, *(await balance(database, payer))

    decided, after, used_by_key = on_database(service, race)
    assert [sum(each) for each in decided] == [1] * RACED
    completed = sum(each[0] or each[2] for each in decided)
    assert after == Balance(100_000_000 - completed * price, 0, completed * price)
    assert used_by_key == completed * price


def test_completions_that_share_statements_charge_each_task_once_whoever_else_ends_them(
    service: Service, account: str
) -> None:
    """Two processes complete the same tasks of three accounts in opposite orders, while others fail some of them."""
    payers = [opened(service, f"{account}-{number}", "100") for number in range(3)]

    async def race(database: Database) -> tuple[dict[str, int], dict[int, list[str]]]:
        by_account: dict[int, list[str]] = {}
        async with database.transaction() as connection:
            for number in range(RACED):
                payer = payers[number % 3]
                by_account.setdefault(number % 3, []).append(await add_unqueued(connection, payer, number))
        ids = [task_id for task_ids in by_account.values() for task_id in task_ids]
        here, there = settle.Completions(database), settle.Completions(database)
        attempts = [
            *((task_id, here.complete(task_id, outcome(task_id))) for task_id in ids),
            *((task_id, there.complete(task_id, outcome(task_id))) for task_id in reversed(ids)),
            *((task_id, settle.fail(database, task_id, ErrorCode.SERVICE_ERROR, "Lost")) for task_id in ids[::4]),
        ]
        ended = await asyncio.gather(*(attempt for _, attempt in attempts))
        times = dict.fromkeys(ids, 0)
        for (task_id, _), is_ended in zip(attempts, ended, strict=True):
            times[task_id] += is_ended
        return times, by_account

    times, by_account = on_database(service, race)
    assert set(times.values()) == {1}
    with service.database() as connection:
        for number, payer in enumerate(payers):
            row = connection.execute(
                "SELECT count(*) FROM tasks WHERE id = ANY (%s) AND status = 'completed'", (by_account[number],)
            ).fetchone()
            assert row is not None
            completed = row[0] * PRICE
            spent = on_database(service, partial(balance, payer=payer))
            assert spent == (Balance(100_000_000 - completed, 0, completed), completed)


def test_tasks_that_are_completed_by_one_statement_keep_what_each_does_not_show(service: Service, payer: Payer) -> None:
    words = [("blorg", 'a "ß" 🎈'), (), None]

    async def act(database: Database) -> list[str]:
        async with database.transaction() as connection:
            ids = [await add_unqueued(connection, payer, number) for number in range(len(words))]
        told = zip(ids, words, strict=True)
        completions = {task_id: replace(outcome(task_id), not_drawn=not_drawn) for task_id, not_drawn in told}
        async with database.single_statement() as connection:
            assert await endings.complete_all(connection, completions) == set(ids)
        return ids

    ids = on_database(service, act)
    with service.client(payer.key) as client:
        pictures = [read_task(client, task_id)["result_data"][0] for task_id in ids]
    assert [picture.get("not_drawn") for picture in pictures] == [["blorg", 'a "ß" 🎈'], [], None]


def test_settling_twice_changes_nothing(service: Service, payer: Payer) -> None:
    async def act(database: Database) -> list[bool]:
        async with database.transaction() as connection:
            first, second = [await add_unqueued(connection, payer, number) for number in range(2)]
        return [
            await settle.complete(database, first, outcome(first)),
            await settle.complete(database, first, outcome(first)),
            await settle.fail(database, first, ErrorCode.SERVICE_ERROR, "Late"),
            await settle.fail(database, second, ErrorCode.SERVICE_ERROR, "Lost"),
            await settle.fail(database, second, ErrorCode.SERVICE_ERROR, "Late"),
            await settle.complete(database, second, outcome(second)),
        ]

    assert on_database(service, act) == [True, False, False, True, False, False]
    assert on_database(service, lambda database: balance(database, payer)) == (Balance(99_974_000, 0, 26_000), 26_000)


def test_a_task_ends_and_its_hold_is_resolved_together_or_not_at_all(service: Service, payer: Payer) -> None:
    """Neither can come about; if it did, nothing would be made worse."""

    async def act(database: Database) -> list[bool]:
        async with database.transaction() as connection:
            resolved, ended = [await add_unqueued(connection, payer, number, 0) for number in range(2)]
            await connection.execute(
                "UPDATE holds SET state = 'released', resolved_at = now() WHERE task_id = %s", (resolved,)
            )
            await connection.execute(
                "UPDATE tasks SET status = 'failed', ended_at = now(), error_code = '', error_message = '' WHERE id = %s",
                (ended,),
            )
            tried = [
                attempt
                for task_id in (resolved, ended)
                for attempt in (
                    await endings.complete(connection, task_id, outcome(task_id)),
                    await endings.fail(connection, task_id, ErrorCode.SERVICE_ERROR, "Lost"),
                )
            ]
            states = await connection.execute(
                "SELECT status, state FROM tasks JOIN holds ON task_id = id WHERE id = ANY (%s) ORDER BY status",
                ([resolved, ended],),
            )
            assert await states.fetchall() == [("failed", "open"), ("processing", "released")]
            raise Undone(tried)

    with pytest.raises(Undone) as undone:
        on_database(service, act)
    assert undone.value.args[0] == [False] * 4


def test_a_grant_with_the_same_cause_adds_once(service: Service, payer: Payer) -> None:
    async def act(database: Database) -> Balance:
        for _ in range(3):
            async with database.transaction() as connection:
                await ledger.grant(connection, payer.account_id, 5, f"gift-{payer.name}")
        return (await balance(database, payer))[0]

    assert on_database(service, act) == Balance(100_000_005, 0, 0)


def test_an_overdraft_rolls_back_its_whole_transaction(service: Service, account: str) -> None:
    poor = opened(service, account, "0.025999")

    async def act(database: Database) -> Balance:
        with pytest.raises(InsufficientQuota):
            async with database.transaction() as connection:
                await add_unqueued(connection, poor, 0)
        return (await balance(database, poor))[0]

    assert on_database(service, act) == Balance(25_999, 0, 0)


def test_a_grant_takes_effect_in_a_running_service(service: Service, account: str) -> None:
    with service.client(service.new_key(account, "0.025")) as client:
        assert client.post(GENERATIONS, json=ORDER).status_code == 402
        told = service.cli("credits", "grant", "--account", account, "0.001").stdout
        assert told == f'Granted 0.001 credits to account "{account}".\n'
        assert finish(client, submit(client)["id"])["status"] == "completed"
        assert client.get("/v1/credits").json()["data"]["user"] == {"remaining_credits": 0, "used_credits": 0.026}


@pytest.mark.parametrize("amount", ["0", "-1", "1.0000001", "NaN", "1e999999", "1_000", "lots", "1000000001"])
def test_an_invalid_amount_is_refused_with_a_message(service: Service, amount: str) -> None:
    told = service.cli("credits", "grant", "--account", "default", "--", amount, check=False)
    assert told.returncode == 2
    assert (
        "an amount of credits is a number above 0, at most 1000000000, with at most six decimal places, such as 12.5"
        in told.stderr
    )


def test_credits_for_a_nonexistent_account_are_refused(service: Service) -> None:
    told = service.cli("credits", "grant", "--account", "nobody", "1", check=False)
    assert told.returncode == 1
    assert "There is no account of that name" in told.stderr


def test_the_audit_names_the_broken_invariant_and_fails(service: Service, payer: Payer) -> None:
    shift = "UPDATE accounts SET available_microcredits = available_microcredits + %s WHERE id = %s"
    with service.database() as connection:
        connection.execute(shift, (1, payer.account_id))
    try:
        told = service.cli("credits", "audit", check=False)
    finally:
        with service.database() as connection:
            connection.execute(shift, (-1, payer.account_id))
    assert told.returncode == 1
    assert f"BROKEN  an account's balance is the sum of its entries\n          {payer.name}\n" in told.stdout
    assert "holds   no balance is negative\n" in told.stdout
    assert "1 findings" in told.stderr
