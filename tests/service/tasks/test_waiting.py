"""Waiting for a task's end: `Prefer: wait=N` and `?wait=N`."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Final

import httpx2
import pytest

from easel.domain.task import ErrorCode
from easel.outside.postgres import private_postgres
from easel.store import endings
from easel.store.database import Database
from tests.support.bare_http import Peer, answers
from tests.support.data_folders import prepared_folder
from tests.support.faults import await_draw, events, postgres_of
from tests.support.frozen import caught_drawing, nobody_draws
from tests.support.patience import eventually
from tests.support.running_service import GENERATIONS, ORDER, Service, finish, submit
from tests.support.slow_service import cancelling_client, slow_service

PROMPT_S: Final = 0.5
"""How late an answer may be that was told of the end. One that finds it out looks every two seconds."""
TIMES_MAX: Final = 12
LONGEST_S: Final = 30
"""Half of what a wait takes that nothing limits."""


@pytest.fixture(scope="module")
def slow() -> Iterator[Service]:
    with slow_service() as running:
        yield running


@pytest.fixture(scope="module")
def key(slow: Service) -> str:
    return slow.new_key("waiting")


@pytest.fixture
def client(slow: Service, key: str) -> Iterator[httpx2.Client]:
    with cancelling_client(slow, key) as client:
        yield client


@pytest.fixture(scope="module")
def done(slow: Service, key: str) -> tuple[str, dict[str, Any]]:
    """An idempotency key and its task, which has ended: ordered again, nothing is left to wait for."""
    idempotency_key = "ordered-and-ended"
    with slow.client(key) as client:
        created = client.post(GENERATIONS, json=ORDER, headers={"idempotency-key": idempotency_key})
        return idempotency_key, finish(client, created.json()["id"])


@dataclass(frozen=True)
class Answer:
    """An answer and how long it took, in seconds; `at_s` is the Unix time when it came."""

    response: httpx2.Response
    took_s: float
    at_s: float

    @property
    def task(self) -> dict[str, Any]:
        assert self.response.status_code == 200, self.response.text
        task: dict[str, Any] = self.response.json()
        return task


def timed(ask: Callable[[], httpx2.Response]) -> Answer:
    started_s = time.monotonic()
    response = ask()
    return Answer(response, time.monotonic() - started_s, time.time())


def read_waiting(client: httpx2.Client, task_id: str, wait_s: int = 30) -> Answer:
    return timed(lambda: client.get(f"/v1/tasks/{task_id}?wait={wait_s}", timeout=70))


def create_waiting(client: httpx2.Client, prefer: str) -> Answer:
    return timed(lambda: client.post(GENERATIONS, json=ORDER, headers={"prefer": prefer}, timeout=70))


@contextmanager
def waiting(service: Service, key: str, task_id: str, wait_s: int = 30) -> Iterator[Future[Answer]]:
    """Wait for a task with another client until the block ends."""
    with service.client(key) as client, ThreadPoolExecutor(1) as beside:
        client.get("/v1/models")
        answer = beside.submit(read_waiting, client, task_id, wait_s)
        time.sleep(0.1)
        yield answer


def are_prompt(late_s: list[float]) -> bool:
    """Whether most of at least three answers came at once. Fails if that does not come about, however busy it is."""
    assert len(late_s) < TIMES_MAX, late_s
    return len(late_s) >= 3 and sorted(late_s)[len(late_s) // 2] < PROMPT_S


def ended_at_s(service: Service, task_id: str) -> float:
    """The Unix time of a task's end, from its row."""
    with service.database() as connection:
        row = connection.execute("SELECT extract(epoch FROM ended_at)::float FROM tasks WHERE id = %s", (task_id,))
        ((at_s,),) = row.fetchall()
    return float(at_s)


def test_an_order_that_waits_is_answered_with_its_picture_as_soon_as_it_is_drawn(
    slow: Service, client: httpx2.Client
) -> None:
    late_s: list[float] = []
    while not are_prompt(late_s):
        answer = create_waiting(client, "wait=30")
        assert answer.task["status"] == "completed"
        assert answer.response.headers["preference-applied"] == "wait=30"
        assert answer.response.headers["ratelimit-policy"].startswith('"create"')
        assert answer.response.content == client.get(f"/v1/tasks/{answer.task['id']}").content
        assert client.get(answer.task["results"][0]).status_code == 200
        late_s.append(answer.at_s - ended_at_s(slow, answer.task["id"]))


def test_a_read_that_waits_is_answered_as_soon_as_the_task_ends(slow: Service, client: httpx2.Client) -> None:
    late_s: list[float] = []
    while not are_prompt(late_s):
        answer = read_waiting(client, submit(client)["id"])
        assert answer.task["status"] == "completed"
        assert "preference-applied" not in answer.response.headers
        assert answer.response.content == client.get(f"/v1/tasks/{answer.task['id']}").content
        late_s.append(answer.at_s - ended_at_s(slow, answer.task["id"]))


def test_a_wait_ends_at_once_when_the_task_is_cancelled(slow: Service, key: str, client: httpx2.Client) -> None:
    late_s: list[float] = []
    while not are_prompt(late_s):
        with nobody_draws(slow):
            task = submit(client)
            with waiting(slow, key, task["id"]) as answer:
                cancelled = client.post(f"/v1/tasks/{task['id']}/cancel")
                at_s = time.time()
                assert answer.result().response.content == cancelled.content
                late_s.append(answer.result().at_s - at_s)


def test_a_wait_that_runs_out_returns_the_current_state(slow: Service, client: httpx2.Client) -> None:
    with caught_drawing(slow, client) as ahead:
        created = create_waiting(client, "wait=1")
        assert created.task["status"] == "pending"
        assert 1 <= created.took_s < LONGEST_S
        read = read_waiting(client, ahead["id"], 0)
        assert (read.task["status"], read.took_s < LONGEST_S) == ("processing", True)
        assert read.task["task_info"]["can_cancel"] is True
        again = read_waiting(client, submit(client)["id"], 1)
        assert again.task["status"] == "pending"
        assert 1 <= again.took_s < LONGEST_S


@pytest.mark.parametrize(
    ("prefer", "applied"),
    [
        ("wait=0", "wait=0"), ("wait=60", "wait=60"), ("wait=61", "wait=60"), ("wait=86400", "wait=60"),
        ("wait=99999999999999999999", "wait=60"), ("wait = 7", "wait=7"), ("Wait=7", "wait=7"), ('wait="7"', "wait=7"),
        ("wait=007", "wait=7"), ("respond-async, wait=7", "wait=7"), ("wait=7;x=1, return=minimal", "wait=7"),
        ('a="b, wait=3", wait=7', "wait=7"), ("wait=7, wait=9", "wait=7"),
        ("wait", "wait=60"), ("wait=", "wait=60"), ('wait=""', "wait=60"), ("respond-async, Wait ; x=1", "wait=60"),
    ],
)  # fmt: skip
def test_a_wait_preference_is_capped_and_the_answer_reports_what_was_applied(
    client: httpx2.Client, done: tuple[str, dict[str, Any]], prefer: str, applied: str
) -> None:
    idempotency_key, task = done
    headers = {"idempotency-key": idempotency_key, "prefer": prefer}
    again = timed(lambda: client.post(GENERATIONS, json=ORDER, headers=headers))
    assert again.task == task
    assert again.response.headers["preference-applied"] == applied
    assert again.took_s < 7


@pytest.mark.parametrize(
    "prefer",
    ["", "wait=x", "wait=-1", "wait=1.5", "wait=1e1", "wait=0x7", 'wait="', 'wait="7', "wait='7'", "wait=７",
     "wait=7 8", "await=7", "=7", ",,,", ";wait=7", "respond-async", "x" * 4000],
)  # fmt: skip
def test_a_malformed_or_unknown_preference_is_ignored(client: httpx2.Client, prefer: str) -> None:
    headers = {b"authorization": client.headers["authorization"].encode(), b"prefer": prefer.encode()}
    answer = client.post(GENERATIONS, json=ORDER, headers=headers)
    assert answer.json()["status"] == "pending"
    assert "preference-applied" not in answer.headers


@pytest.mark.parametrize("wait", ["61", "-1", "x", "", "1.5", "1e1", "%20", "%00", "9" * 400, "+1", "%EF%BC%97"])
def test_a_read_with_an_invalid_wait_is_refused(client: httpx2.Client, wait: str) -> None:
    refused = client.get(f"/v1/tasks/task-unified-1763632800-0a1b2c3d?wait={wait}")
    assert refused.status_code == 400
    assert refused.json()["error"] == {
        "code": "invalid_request", "message": "wait must be a whole number from 0 to 60", "param": "wait",
        "type": "invalid_request_error",
    }  # fmt: skip


def test_a_read_of_an_ended_or_missing_task_does_not_wait(client: httpx2.Client) -> None:
    done = finish(client, submit(client)["id"])
    answer = read_waiting(client, done["id"], 60)
    assert (answer.task, answer.took_s < LONGEST_S) == (done, True)
    unknown = timed(lambda: client.get("/v1/tasks/task-unified-1763632800-0a1b2c3d?wait=60"))
    assert (unknown.response.status_code, unknown.took_s < LONGEST_S) == (404, True)


def test_a_wait_survives_a_killed_worker(slow: Service, key: str, client: httpx2.Client) -> None:
    task = submit(client)
    await_draw(slow, task["id"])
    with waiting(slow, key, task["id"], 60) as answer:
        os.kill(slow.child_pid("worker 1"), signal.SIGKILL)
        assert answer.result().task["status"] == "completed"
    assert len(events(slow, "draw_started", task["id"])) == 2


def test_a_wait_survives_a_restart_of_the_database(slow: Service, key: str, client: httpx2.Client) -> None:
    task = submit(client)
    await_draw(slow, task["id"])
    with waiting(slow, key, task["id"], 60) as answer:
        first = postgres_of(slow.data_dir)[0]
        os.kill(first, signal.SIGQUIT)
        assert answer.result().task["status"] == "completed"
        assert first not in postgres_of(slow.data_dir)
        at_s = ended_at_s(slow, task["id"])
    assert answer.result().at_s - at_s < LONGEST_S


def test_an_end_without_a_notification_is_found_among_any_number_of_others(
    slow: Service, key: str, client: httpx2.Client
) -> None:
    with nobody_draws(slow):
        noise, task = submit(client), submit(client)
        with chatter(slow, noise["id"]), waiting(slow, key, task["id"], 60) as answer:
            end_in_silence(slow, task["id"])
            assert answer.result(LONGEST_S).task["error"]["message"] == "Ended in silence"


@contextmanager
def chatter(service: Service, task_id: str) -> Iterator[None]:
    """Notify about another task, more often than the service polls."""
    is_over = threading.Event()

    def talk() -> None:
        with service.database() as connection:
            connection.autocommit = True
            while not is_over.wait(0.05):
                connection.execute("SELECT pg_notify('easel_tasks', %s)", (task_id,))

    talking = threading.Thread(target=talk)
    talking.start()
    try:
        yield
    finally:
        is_over.set()
        talking.join()


def end_in_silence(service: Service, task_id: str) -> None:
    """End a task like a process that dies before it notifies."""

    async def act(url: str) -> None:
        database = Database(url, 2)
        await database.open()
        async with database.transaction() as connection:
            assert await endings.fail_from_outside(connection, task_id, ErrorCode.SERVICE_ERROR, "Ended in silence")
        await database.close()

    with private_postgres.attach(service.data_dir) as server:
        asyncio.run(act(server.url))


def test_two_hundred_waits_for_a_task_cost_as_little_as_one_and_end_together(
    slow: Service, key: str, client: httpx2.Client
) -> None:
    task = submit(client)
    request = (
        f"GET /v1/tasks/{task['id']}?wait=50 HTTP/1.1\r\nHost: easel.example\r\nAuthorization: Bearer {key}\r\n"
        "Connection: close\r\n\r\n"
    ).encode()
    with nobody_draws(slow), ExitStack() as open_now:
        before = transactions(slow, 2.0)
        peers = [open_now.enter_context(Peer(slow)) for _ in range(200)]
        for peer in peers:
            peer.send(request)
        # As soon as all have been read for the first time. A look a second for each would be 400 more.
        eventually(lambda: transactions(slow, 2.0) < before + 60)
        cancelled = client.post(f"/v1/tasks/{task['id']}/cancel")
        at_s = time.time()
        assert {answer.body for peer in peers for answer in answers(peer.until_closed())} == {cancelled.content}
        assert time.time() - at_s < LONGEST_S


def transactions(service: Service, over_s: float) -> int:
    """The number of transactions committed while the block runs."""

    def committed() -> int:
        with service.database() as connection:
            connection.execute("SELECT pg_stat_clear_snapshot()")
            ((count,),) = connection.execute("SELECT sum(xact_commit) FROM pg_stat_database").fetchall()
        return int(count)

    before = committed()
    time.sleep(over_s)
    return committed() - before


def test_a_stopping_service_answers_waits_at_once_with_the_current_state() -> None:
    with (
        prepared_folder() as folder,
        Service(folder, workers="1", blank_step_s="1", drain_timeout_s="20") as stopping,
    ):
        key = stopping.new_key("stopped")
        with stopping.client(key) as client, stopping.client(key) as another, ThreadPoolExecutor(1) as beside:
            running, queued = submit(client), submit(client)
            await_draw(stopping, running["id"])
            with waiting(stopping, key, running["id"]) as first, waiting(stopping, key, queued["id"]) as second:
                third = beside.submit(create_waiting, another, "wait=30")
                eventually(lambda: client.get("/v1/tasks").json()["total"] == 3)
                assert stopping.process is not None
                stopping.process.terminate()
                told_at_s = time.time()
                answered = [answer.result() for answer in (first, second, third)]
        assert [answer.task["status"] for answer in answered] == ["processing", "pending", "pending"]
        assert max(answer.at_s for answer in answered) - told_at_s < 5, "the first is drawn for longer"
        assert stopping.stop() == 0
