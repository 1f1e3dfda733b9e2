"""The database is killed, stopped or frozen, or its connections are cut, under load: the service reports it and
recovers."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx2
import pytest

from tests.support.data_folders import prepared_folder
from tests.support.faults import (
    Load,
    assert_all_drawn,
    assert_nothing_runs,
    deaths,
    events,
    load,
    postgres_of,
    processes_of,
)
from tests.support.patience import eventually
from tests.support.running_service import GENERATIONS, ORDER, Service, finish, submit

RECOVERED_WITHIN_S = 25.0
"""A few seconds are promised. The tests' machine may be busy."""
ANSWERED_WITHIN_S = 27.0
"""Less than clients wait here. The service gives up after ten seconds."""
CLAIM_ON_DISK_AFTER_S = 1.0


@pytest.fixture(scope="module")
def kept() -> Iterator[Service]:
    """A service whose worker has to survive all of these tests."""
    with prepared_folder() as folder:
        with Service(folder, workers="1", blank_step_s="0.01") as running:
            yield running
        assert_nothing_runs(folder)


@contextmanager
def outage(service: Service) -> Iterator[None]:
    """Run without a database until the block ends. `easel serve`, which would restart it, is frozen."""
    assert service.process is not None
    os.kill(service.process.pid, signal.SIGSTOP)
    try:
        server = postgres_of(service.data_dir)
        os.kill(server[0], signal.SIGQUIT)
        # Until its last process has ended, the server may still answer.
        eventually(lambda: processes_of(service.data_dir).keys().isdisjoint(server), every_s=0.01)
        yield
    finally:
        os.kill(service.process.pid, signal.SIGCONT)


@contextmanager
def frozen_database(service: Service) -> Iterator[None]:
    """Make the database accept connections without answering, until the block ends."""
    processes = postgres_of(service.data_dir)
    for pid in processes:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in processes:
            os.kill(pid, signal.SIGCONT)


def assert_told_plainly(met: Load) -> None:
    """Fails unless every request succeeded, or got 503 with Retry-After."""
    assert not met.failures
    assert set(met.statuses) <= {200, 503}
    assert met.without_retry_after == 0
    assert met.slowest_s < ANSWERED_WITHIN_S


def assert_sound(service: Service, key: str, met: Load) -> None:
    """Fails unless every accepted task is drawn and charged once, by a worker that never died."""
    assert met.accepted
    assert_all_drawn(service, key, met.accepted)
    assert len(events(service, "engine_loaded")) == 1
    assert not [line for line in events(service, "child_exited") if line["child"] == "worker 1"]
    service.audit()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGQUIT, signal.SIGINT])
def test_a_database_that_dies_under_load_is_restarted_and_nothing_is_lost(
    kept: Service, number: signal.Signals
) -> None:
    key = kept.new_key(f"database-{number.name}", "1000")
    with load(kept, key) as met:
        eventually(lambda: len(met.accepted) > 5)
        first = postgres_of(kept.data_dir)[0]
        os.kill(first, number)
        ended_at_s = time.monotonic()
        eventually(lambda: first not in postgres_of(kept.data_dir) and postgres_of(kept.data_dir))
        eventually(lambda: len([at_s for at_s in met.accepted_at_s if at_s > ended_at_s + 0.5]) > 10)
    assert met.recovered_after_s(ended_at_s) < RECOVERED_WITHIN_S
    assert_told_plainly(met)
    assert_sound(kept, key, met)


def test_requests_get_503_during_an_outage_and_the_service_recovers_by_itself(kept: Service) -> None:
    key = kept.new_key("outage", "1000")
    with kept.client(key) as client:
        drawn = finish(client, submit(client)["id"])
        task = submit(client)
        with outage(kept), ThreadPoolExecutor() as at_once:
            asked = [
                at_once.submit(client.post, GENERATIONS, json=ORDER),
                at_once.submit(client.get, f"/v1/tasks/{task['id']}"),
                at_once.submit(client.get, drawn["results"][0]),
                at_once.submit(client.get, "/readyz"),
            ]
            assert client.get("/healthz").status_code == 200
            refused, unread, unseen, ready = (answer.result() for answer in asked)
        for response in (refused, unread, unseen):
            assert response.status_code == 503
            assert response.json()["error"]["code"] == "service_unavailable"
            assert int(response.headers["retry-after"]) >= 1
        assert ready.status_code == 503
        assert (ready.json()["database"], ready.json()["storage"]) == ("unavailable", "ok")
        eventually(lambda: client.get("/readyz").status_code == 200, RECOVERED_WITHIN_S)
        later = submit(client)
    assert_sound(kept, key, Load(accepted=[drawn["id"], task["id"], later["id"]]))


def test_no_task_is_blamed_for_an_outage_longer_than_a_workers_silence_limit() -> None:
    with prepared_folder() as folder:
        with Service(folder, workers="1", blank_step_s="1.2") as slow:
            with slow.client(slow.new_key("slow")) as client:
                task = submit(client)
                eventually(lambda: events(slow, "draw_started", task["id"]))
                # The statement that takes a task does not wait for the disk. By now it is there.
                time.sleep(CLAIM_ON_DISK_AFTER_S)
                with outage(slow):
                    time.sleep(6.0)
                assert_picture_in(client, task["id"])
            assert deaths(slow, task["id"]) == 0
            assert not events(slow, "task_rescued"), "the worker was not taken for dead"
            # A draw that ended while the database was away could not be saved, and is repeated.
            assert len(events(slow, "draw_started", task["id"])) == 1 + len(events(slow, "task_handed_back"))
            slow.audit()
        assert_nothing_runs(folder)


def assert_picture_in(client: httpx2.Client, task_id: str) -> None:
    """Fails unless the task completes. Reads may fail while there is no database."""

    def status() -> str:
        answer = client.get(f"/v1/tasks/{task_id}")
        return str(answer.json()["status"]) if answer.status_code == 200 else ""

    eventually(lambda: status() == "completed")


def test_a_frozen_database_blocks_no_request_forever_and_loses_nothing_when_it_resumes(kept: Service) -> None:
    key = kept.new_key("frozen", "1000")
    with load(kept, key) as met:
        eventually(lambda: len(met.accepted) > 5)
        with frozen_database(kept):
            time.sleep(12.0)
        thawed_at_s = time.monotonic()
        eventually(lambda: met.accepted_at_s[-1] > thawed_at_s + 0.5, RECOVERED_WITHIN_S)
    assert_told_plainly(met)
    assert_sound(kept, key, met)
    assert all(deaths(kept, task_id) == 0 for task_id in met.accepted[-5:])


def test_cut_connections_leave_no_task_behind(kept: Service) -> None:
    key = kept.new_key("cut", "1000")
    is_over = threading.Event()

    def cut() -> None:
        while not is_over.wait(0.1):
            with kept.database() as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
                )

    with load(kept, key) as met:
        cutting = threading.Thread(target=cut)
        cutting.start()
        time.sleep(3.0)  # about thirty times, wherever the work is
        is_over.set()
        cutting.join()
    assert_told_plainly(met)
    assert_sound(kept, key, met)
