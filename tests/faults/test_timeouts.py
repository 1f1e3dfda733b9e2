"""Tasks that wait too long, take too long or are too large, and a service with too much to do."""

import os
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest

from easel.actions.sweep import Lifetimes, Sweep
from easel.outside.pictures.storage import Pictures
from tests.support.data_folders import prepared_folder
from tests.support.faults import assert_picture_is_there, await_draw, entries, events
from tests.support.frozen import caught_drawing
from tests.support.paths import ROOT
from tests.support.patience import eventually
from tests.support.running_fleet import Fleet
from tests.support.running_service import GENERATIONS, ORDER, finish, read_task, submit

QUEUE_TIMEOUT_S = 2
SWEEP_S = 5
BUSY_S = 20
LATE = 250
"""More than one of the sweep's batches."""
BACKLOG_MAX = 10
DRAW_TIMEOUT_S = 2
STEP_S = 0.05
LARGE = "1024x1024"
SPARE_BYTES = 8_000_000
"""Less than the pixels of a large picture. A small one may need more, so it is drawn without the limit."""


@pytest.fixture(scope="module")
def hasty() -> Iterator[Fleet]:
    """A service with a queue timeout of a few seconds and without a worker."""
    with prepared_folder() as folder, Fleet(folder, [{}], queue_timeout_s=str(QUEUE_TIMEOUT_S)) as running:
        yield running


@pytest.fixture(scope="module")
def small() -> Iterator[Fleet]:
    """A service with a backlog of at most ten tasks and without a worker."""
    with prepared_folder() as folder, Fleet(folder, [{}], backlog_max=str(BACKLOG_MAX)) as running:
        yield running


def assert_refunded(fleet: Fleet, task: dict[str, Any], code: str) -> None:
    assert (task["status"], task["progress"], task["error"]["code"]) == ("failed", 0, code)
    assert task["usage"]["credits_used"] == 0
    assert "results" not in task
    assert entries(fleet, task["id"]) == ["hold", "release"]


def queued(fleet: Fleet) -> int:
    with fleet.database() as connection:
        row = connection.execute("SELECT count(*) FROM tasks WHERE queue_state IS NOT NULL").fetchone()
    assert row is not None
    return int(row[0])


def test_undrawn_tasks_time_out_and_are_refunded_without_any_worker(hasty: Fleet) -> None:
    issued = hasty.issue(credits=20)
    accepted = hasty.race(issued.key, LATE)
    assert Counter(answer.status_code for answer in accepted) == {200: LATE}
    submitted_at_s = time.monotonic()
    first, last = accepted[0].json()["id"], accepted[-1].json()["id"]
    with hasty.client(issued.key) as client:
        assert client.get(f"/v1/tasks/{last}", params={"wait": 55}).json()["status"] == "failed"
        assert time.monotonic() - submitted_at_s < QUEUE_TIMEOUT_S + 2 * SWEEP_S + BUSY_S
        for task_id in (first, last):
            task = read_task(client, task_id)
            assert_refunded(hasty, task, "generation_timeout")
            assert task["error"]["message"] == "The task waited too long to be drawn"
        eventually(lambda: client.get("/v1/tasks", params={"status": "pending"}).json()["total"] == 0)
        assert client.get("/v1/credits").json()["data"]["user"] == {"remaining_credits": 20, "used_credits": 0}
    assert queued(hasty) == 0
    hasty.audit()


def test_the_queue_timeout_spares_a_task_being_drawn_and_ends_one_that_was_handed_back(hasty: Fleet) -> None:
    one_step_and_no_more = {"blank_step_s": "10", "drain_timeout_s": "0"}
    with hasty.worker(one_step_and_no_more) as worker, hasty.client(hasty.issue().key) as client:
        drawn = submit(client)
        await_draw(hasty, drawn["id"])
        waiting = submit(client)
        assert_refunded(hasty, finish(client, waiting["id"]), "generation_timeout")
        assert read_task(client, drawn["id"])["status"] == "processing"
        worker.terminate()
        assert_refunded(hasty, finish(client, drawn["id"]), "generation_timeout")
    assert queued(hasty) == 0


def accepted_soon(client: httpx2.Client) -> dict[str, Any]:
    """Place an order. The backlog of an earlier test may still count for a second."""

    def accepted() -> dict[str, Any] | None:
        answer = client.post(GENERATIONS, json=ORDER)
        if answer.status_code == 503:
            return None
        assert answer.status_code == 200, answer.text
        task: dict[str, Any] = answer.json()
        return task

    task = eventually(accepted)
    assert task is not None
    return task


def sweep(fleet: Fleet) -> None:
    """End tasks that have waited for more than a day, as every process of the fleet does every few seconds."""
    lifetimes = Lifetimes(queue_timeout_s=86_400, picture_h=None, prompt_h=None, idempotency_h=24, moderation_h=None)
    pictures = Pictures(str(fleet.data_dir / "shared"))
    fleet.on_database(lambda database: Sweep(database, pictures, lifetimes)())


def test_a_task_that_died_with_the_last_worker_times_out(small: Fleet) -> None:
    with small.worker({"blank_step_s": "10"}) as worker, small.client(small.issue().key) as client:
        task = accepted_soon(client)
        await_draw(small, task["id"])
        worker.kill()
        with small.database() as connection:
            connection.execute(
                "UPDATE tasks SET created_at = created_at - interval '2 days' WHERE id = %s", (task["id"],)
            )
        sweep(small)
        assert read_task(client, task["id"])["status"] == "processing", "another worker may yet take it"
        with small.database() as connection:
            connection.execute("UPDATE workers SET heartbeat_at = now() - interval '61 seconds'")
        sweep(small)
        assert_refunded(small, read_task(client, task["id"]), "generation_timeout")
    small.audit()


def test_tasks_cancelled_as_they_time_out_end_once_and_orders_are_accepted_meanwhile(
    two_webs: Fleet,
) -> None:
    first = two_webs.issue(creates_per_minute=10_000)
    second = two_webs.issue(first.account, creates_per_minute=10_000)
    ids = [answer.json()["id"] for key in (first.key, second.key) for answer in two_webs.race(key, 60)]
    with two_webs.database() as connection:
        connection.execute("UPDATE tasks SET created_at = created_at - interval '2 days' WHERE id = ANY (%s)", (ids,))
    with ThreadPoolExecutor(5) as threads, two_webs.client(second.key) as client:
        sweeps = [threads.submit(sweep, two_webs) for _ in range(3)]
        orders = threads.submit(two_webs.race, first.key, 100)
        answers = [client.post(f"/v1/tasks/{task_id}/cancel").status_code for task_id in reversed(ids)]
        assert Counter(answer.status_code for answer in orders.result()) == {200: 100}
        assert [each.result() for each in sweeps] == [None] * 3
    found = Counter(answers)
    with two_webs.database() as connection:
        rows = connection.execute(
            "SELECT error_code, count(*) FROM tasks WHERE id = ANY (%s) GROUP BY error_code", (ids,)
        ).fetchall()
    assert dict(rows) == {"request_cancelled": found[200], "generation_timeout": found[409]}
    assert found.total() == len(ids) == found[200] + found[409]
    two_webs.audit()


def fill(client: httpx2.Client) -> list[str]:
    """Order until the backlog is full, and return the ids."""
    ids = []
    while (answer := client.post(GENERATIONS, json=ORDER)).status_code == 200:
        ids.append(answer.json()["id"])
        assert len(ids) <= BACKLOG_MAX
    assert answer.status_code == 503
    return ids


def empty(client: httpx2.Client, ids: list[str]) -> None:
    for task_id in ids:
        assert client.post(f"/v1/tasks/{task_id}/cancel").status_code == 200
    eventually(lambda: client.post(GENERATIONS, json={**ORDER, "size": "1x1"}).status_code == 400)


def test_a_full_backlog_refuses_orders_until_there_is_room(small: Fleet) -> None:
    issued = small.issue()
    time.sleep(1.1)  # the web process forgets what it measured for another test
    accepted = small.race(issued.key, 5 * BACKLOG_MAX)
    assert Counter(answer.status_code for answer in accepted) == {200: BACKLOG_MAX, 503: 4 * BACKLOG_MAX}
    refused = next(answer for answer in accepted if answer.status_code == 503)
    assert refused.json()["error"]["code"] == "service_unavailable"
    assert 1 <= int(refused.headers["retry-after"]) <= 30
    ids = [answer.json()["id"] for answer in accepted if answer.status_code == 200]
    with small.client(issued.key) as client:
        empty(client, ids[:3])
        time.sleep(1.1)
        again = Counter(answer.status_code for answer in small.race(issued.key, 20))
        assert again == {200: 3, 503: 17}
        listed = client.get("/v1/tasks", params={"status": "pending"}).json()["data"]
        empty(client, [task["id"] for task in listed])
    small.audit()


def test_refused_orders_take_no_room_in_the_backlog(small: Fleet) -> None:
    poor, limited, other = small.issue(credits=0), small.issue(unfinished_max=1), small.issue()
    time.sleep(1.1)
    with small.client(poor.key) as beggar, small.client(limited.key) as pusher, small.client(other.key) as client:
        assert {beggar.post(GENERATIONS, json=ORDER).status_code for _ in range(2 * BACKLOG_MAX)} == {402}
        one = submit(pusher)["id"]
        assert {pusher.post(GENERATIONS, json=ORDER).status_code for _ in range(2 * BACKLOG_MAX)} == {429}
        ids = fill(client)
        assert len(ids) == BACKLOG_MAX - 1
        empty(client, ids)
        empty(pusher, [one])


def test_an_accepted_order_is_replayed_even_if_the_backlog_is_full(small: Fleet) -> None:
    headers = {"idempotency-key": "sent-before-the-backlog-was-full"}
    time.sleep(1.1)
    with small.client(small.issue().key) as client:
        first = client.post(GENERATIONS, json=ORDER, headers=headers)
        ids = [first.json()["id"], *fill(client)]
        again = client.post(GENERATIONS, json=ORDER, headers=headers)
        assert (again.status_code, again.content) == (200, first.content)
        assert client.post(GENERATIONS, json=ORDER, headers={"idempotency-key": "never-sent-before"}).status_code == 503
        empty(client, ids)


def test_a_draw_past_its_timeout_stops_after_its_step_and_the_worker_continues(small: Fleet) -> None:
    brisk = {"blank_step_s": str(STEP_S), "draw_timeout_s": str(DRAW_TIMEOUT_S)}
    time.sleep(1.1)  # an earlier test may have filled the backlog, which the web process remembers for a second
    with small.worker(brisk) as worker, small.client(small.issue().key) as client:
        with caught_drawing(small, client) as task:
            time.sleep(DRAW_TIMEOUT_S + 0.1)
        late = finish(client, task["id"])
        assert_refunded(small, late, "generation_timeout")
        assert late["error"]["message"] == "The picture took too long to draw"
        assert_picture_is_there(client, finish(client, submit(client)["id"]))
        assert worker.poll() is None
    small.audit()


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("torch", reason="the gpu extra is not installed")
    folder = tmp_path_factory.mktemp("timeouts") / "tiny"
    command = [sys.executable, "-m", "tools.tiny_checkpoint", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return folder


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds another process's memory")
def test_a_picture_too_large_for_memory_fails_with_a_refund_and_the_next_one_is_drawn(
    small: Fleet, checkpoint: Path
) -> None:
    real = {"engine": "zimage", "model": str(checkpoint), "device": "cpu"}
    with small.worker(real) as worker, small.client(small.issue().key) as client:
        assert_picture_is_there(client, finish(client, submit(client)["id"], 60))
        pages = int(Path(f"/proc/{worker.pid}/statm").read_text().split()[0])
        limit_bytes = pages * os.sysconf("SC_PAGE_SIZE") + SPARE_BYTES
        resource.prlimit(worker.pid, resource.RLIMIT_AS, (limit_bytes, resource.RLIM_INFINITY))
        task = finish(client, submit(client, size=LARGE)["id"], 60)
        assert_refunded(small, task, "resource_exhausted")
        assert len(events(small, "draw_memory_exhausted", task["id"])) == 1
        resource.prlimit(worker.pid, resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert_picture_is_there(client, finish(client, submit(client)["id"], 60))
        assert worker.poll() is None
    small.audit()
