"""Two web processes and two workers behind PgBouncer in transaction mode. One web process listens on a connection that
avoids the pooler, and the others poll."""

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import httpx2
import psycopg
import pytest

from easel.store.sessions import SETTINGS
from tests.support.callback_receiver import CallbackReceiver, receiving
from tests.support.data_folders import reachable_folder
from tests.support.faults import assert_all_drawn
from tests.support.patience import eventually
from tests.support.pooled_fleet import POOL_SIZE, PooledFleet, needs_pgbouncer
from tests.support.running_fleet import await_workers
from tests.support.running_service import ORDER, finish, read_task, submit

pytestmark = needs_pgbouncer

STEP_S: Final = 0.05
LISTENS, POLLS = 0, 1


@pytest.fixture(scope="module")
def receiver() -> Iterator[CallbackReceiver]:
    with reachable_folder() as folder, receiving(folder) as running:
        yield running


@pytest.fixture(scope="module")
def pooled(receiver: CallbackReceiver) -> Iterator[PooledFleet]:
    with (
        reachable_folder() as folder,
        PooledFleet(folder, [{}, {}], [{}, {}], blank_step_s=str(STEP_S), **receiver.settings()) as running,
    ):
        yield running
        running.audit()


@pytest.fixture(scope="module")
def key(pooled: PooledFleet) -> str:
    return pooled.issue("pooled").key


@pytest.fixture
def clients(pooled: PooledFleet, key: str) -> Iterator[list[httpx2.Client]]:
    with pooled.clients(key) as clients:
        yield clients


@pytest.mark.parametrize("web", [LISTENS, POLLS])
def test_a_waiting_request_is_answered_when_its_task_ends(clients: list[httpx2.Client], web: int) -> None:
    waited = clients[web].post("/v1/images/generations", json=ORDER, headers={"prefer": "wait=20"})
    assert waited.json()["status"] == "completed"
    task = waited.json()
    assert clients[1 - web].get(f"/v1/tasks/{task['id']}").json() == task


def test_many_tasks_of_many_clients_are_drawn_with_a_few_connections(
    pooled: PooledFleet, clients: list[httpx2.Client]
) -> None:
    with ThreadPoolExecutor(8) as pool:
        tasks = list(pool.map(lambda number: submit(clients[number % 2], seed=number + 1), range(40)))
    assert {finish(clients[POLLS], task["id"])["status"] for task in tasks} == {"completed"}
    with pooled.database() as connection:
        counted = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'easel'"
        ).fetchone()
    assert counted is not None
    assert counted[0] <= POOL_SIZE + 1, "the web process that listens has one more"


def test_a_task_is_cancelled_while_it_is_drawn(pooled: PooledFleet, clients: list[httpx2.Client]) -> None:
    with pooled.worker({"blank_step_s": "0.3"}):
        tasks = [submit(clients[LISTENS]) for _ in range(4)]
        eventually(lambda: any(read_task(clients[POLLS], task["id"])["status"] == "processing" for task in tasks))
        answers = [clients[POLLS].post(f"/v1/tasks/{task['id']}/cancel").status_code for task in tasks]
        assert 200 in answers
        for task, status in zip(tasks, answers, strict=True):
            assert finish(clients[LISTENS], task["id"])["status"] == ("failed" if status == 200 else "completed")


def test_a_callback_is_delivered(clients: list[httpx2.Client], receiver: CallbackReceiver) -> None:
    task = submit(clients[POLLS], callback_url=receiver.url("/pooled"))
    (received,) = receiver.await_received("/pooled")
    assert received.body == clients[LISTENS].get(f"/v1/tasks/{task['id']}").content


def test_an_event_stream_shows_the_end(clients: list[httpx2.Client]) -> None:
    for client in clients:
        task = submit(client)
        with client.stream("GET", f"/v1/tasks/{task['id']}/events") as stream:
            assert b"completed" in stream.read()


def test_the_pooler_is_restarted_and_everything_goes_on(
    pooled: PooledFleet, clients: list[httpx2.Client], key: str
) -> None:
    tasks = [submit(clients[number % 2])["id"] for number in range(12)]
    pooled.pooler.stop(signal.SIGKILL)
    time.sleep(1)
    refused = clients[POLLS].get(f"/v1/tasks/{tasks[0]}")
    assert refused.status_code == 503
    pooled.pooler.start()
    eventually(lambda: clients[POLLS].get("/readyz").status_code == 200)
    assert_all_drawn(pooled, key, tasks)


def test_the_server_behind_the_pooler_crashes_and_everything_goes_on(
    pooled: PooledFleet, clients: list[httpx2.Client], key: str
) -> None:
    tasks = [submit(clients[number % 2])["id"] for number in range(12)]
    pooled.server.stop(signal.SIGQUIT)
    pooled.server.start()
    eventually(lambda: all(client.get("/readyz").status_code == 200 for client in clients))
    assert_all_drawn(pooled, key, tasks)
    await_workers(clients[LISTENS], 2)


def test_a_killed_worker_s_task_is_drawn_by_another(pooled: PooledFleet, clients: list[httpx2.Client]) -> None:
    worker = pooled.start_worker({"blank_step_s": "1"})
    tasks = [submit(clients[POLLS])["id"] for _ in range(9)]
    eventually(lambda: any(read_task(clients[LISTENS], task)["status"] == "processing" for task in tasks))
    worker.kill()
    assert {finish(clients[LISTENS], task)["status"] for task in tasks} == {"completed"}


def test_sessions_have_the_settings_of_the_service_and_no_client_leaves_others(pooled: PooledFleet) -> None:
    with psycopg.connect(pooled.pooler.url, autocommit=True, prepare_threshold=None) as connection:
        for name, value in SETTINGS.items():
            assert connection.execute(f"SHOW {name}").fetchone() == (value,)
        for name in ("synchronous_commit", "default_transaction_read_only"):
            shown = connection.execute(
                "SELECT setting = reset_val FROM pg_settings WHERE name = %s", (name,)
            ).fetchone()
            assert shown == (True,)


def test_commands_work_through_the_pooler(pooled: PooledFleet) -> None:
    made = pooled.cli("keys", "create", "--account", "commanded", "--credits", "1", "--json")
    assert "key" in made.stdout
    assert "PostgreSQL at EASEL_DATABASE_URL" in pooled.cli("doctor").stdout


def test_doctor_recognises_a_pooler_that_no_setting_names(pooled: PooledFleet) -> None:
    named, pooled.environment = pooled.environment, dict(pooled.environment)
    del pooled.environment["EASEL_DATABASE_POOLER"]
    try:
        report = pooled.cli("doctor", check=False)
    finally:
        pooled.environment = named
    assert report.returncode != 0
    assert "EASEL_DATABASE_POOLER=transaction" in report.stdout
