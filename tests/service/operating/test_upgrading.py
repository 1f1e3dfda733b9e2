"""Upgrading: a running earlier version continues beside this one and can no longer be started, and data folders go
on."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from easel.supervisor import EXIT_UNUSABLE
from tests.support.data_folders import reachable_folder
from tests.support.earlier_easel import source_of
from tests.support.faults import await_draw, deaths, events
from tests.support.frozen import nobody_draws
from tests.support.patience import PATIENCE_S, eventually
from tests.support.ports import free_port
from tests.support.running_fleet import Fleet
from tests.support.running_service import Service, finish, read_task, submit

LAST: Final = "2815714"
"""The last version with Procrastinate's queue."""
EARLIER: Final = "c62cec2"
FIRST: Final = "8d7ea70"
"""It knows of no limits, and counts nothing for a key but what it has spent."""
PRICE: Final = 26_000
STEP_S: Final = "0.02"
SLOW_STEP_S: Final = "1"
BRISK: Final = {"blank_step_s": STEP_S}
HELD_BY_AN_OLD_WORKER: Final = "SELECT id FROM tasks WHERE queue_state = 'taken' AND worker_id < 0"


class Mixed(Fleet):
    """The web process and worker of an earlier version, and then this version's, on one database."""

    def __init__(self, folder: Path, source: Path, **more: str) -> None:
        super().__init__(folder, webs=[{}], workers=[{}], **{"blank_step_s": STEP_S, **more})
        self._earlier = self.source = source

    def start_this_web(self) -> None:
        """A web process of this version, as all that is started from now on; it brings the database up to date."""
        self.source = None
        self.ports.append(free_port())
        self.webs.append(self._process(["web", "--port", str(self.ports[1])], {}))
        self._await_ready(self.webs[1])

    def refuse_earlier(self, command: str) -> None:
        """Start a process of the earlier version, which has to exit at once."""
        late = subprocess.run(
            [sys.executable, "-m", "easel", command],
            env=self.environment | {"PYTHONPATH": str(self._earlier)},
            capture_output=True, text=True, check=False, timeout=PATIENCE_S,
        )  # fmt: skip
        assert late.returncode == EXIT_UNUSABLE
        assert "was last used by a newer Easel" in late.stderr

    def key(self) -> str:
        """A key created by the earlier version."""
        made = subprocess.run(
            [sys.executable, "-m", "easel", "keys", "create", "--account", "mixed", "--credits", "5", "--json"],
            env=self.environment | {"PYTHONPATH": str(self._earlier)}, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return str(json.loads(made.stdout)["key"])

    def end_workers(self) -> None:
        """Stop all running workers."""
        for worker in self.workers:
            worker.terminate()
        while self.workers:
            worker = self.workers.pop()
            assert worker.wait(PATIENCE_S) == 0
            assert worker.stdout is not None
            worker.stdout.close()

    def rows(self, query: str) -> list[str]:
        """The first column of a query's rows."""
        with self.database() as connection:
            return [str(row[0]) for row in connection.execute(query.encode()).fetchall()]

    def counts(self) -> tuple[int, ...]:
        with self.database() as connection:
            row = connection.execute(
                "SELECT used_microcredits, reserved_microcredits, unfinished FROM api_keys"
            ).fetchone()
        assert row is not None
        return row


@pytest.mark.parametrize("commit", [LAST, EARLIER, FIRST])
def test_a_running_earlier_version_keeps_working_beside_this_one_and_the_ledger_stays_right(commit: str) -> None:
    with reachable_folder() as folder, Mixed(folder, source_of(commit, folder / "earlier")) as fleet:
        key = fleet.key()
        with fleet.client(key, web=0) as earlier:
            in_flight = [submit(earlier)["id"] for _ in range(4)]
        fleet.start_this_web()
        fleet.start_worker()
        with fleet.client(key, web=0) as earlier, fleet.client(key, web=1) as this:
            in_flight += [submit(client)["id"] for client in (this, earlier, this)]
            for task_id in in_flight:
                assert finish(this, task_id)["status"] == "completed"
            assert fleet.counts() == (7 * PRICE, 0, 0)

            fleet.end_workers()
            waiting = [submit(client)["id"] for client in (earlier, this, earlier, this)]
            assert this.post(f"/v1/tasks/{waiting.pop()}/cancel").status_code == 200
            if commit != FIRST:  # it has no such endpoint
                assert earlier.post(f"/v1/tasks/{waiting.pop()}/cancel").status_code == 200
            left = len(waiting)
            assert fleet.counts() == (7 * PRICE, left * PRICE, left)
            fleet.start_worker()
            for task_id in waiting:
                assert finish(earlier, task_id)["status"] == "completed"
        assert fleet.counts() == ((7 + left) * PRICE, 0, 0)
        eventually(lambda: not fleet.rows("SELECT id FROM tasks WHERE queue_state IS NOT NULL"))
        assert not fleet.rows("SELECT id FROM procrastinate_jobs")
        fleet.audit()
        for command in ("worker", "web"):
            fleet.refuse_earlier(command)


@pytest.fixture(params=[LAST, EARLIER])
def drawing(request: pytest.FixtureRequest) -> Iterator[tuple[Mixed, str, list[str]]]:
    """An earlier version's worker that draws a task, with others waiting, when the database is brought up to date."""
    with reachable_folder() as folder:
        source = source_of(request.param, folder / "earlier")
        with Mixed(folder, source, blank_step_s=SLOW_STEP_S, drain_timeout_s="0") as fleet:
            key = fleet.key()
            with fleet.client(key, web=0) as earlier:
                task_ids = [submit(earlier)["id"] for _ in range(3)]
            await_draw(fleet, task_ids[0])
            with nobody_draws(fleet):  # however long the start takes
                fleet.start_this_web()
            yield fleet, key, task_ids


def test_what_an_earlier_worker_draws_is_finished_by_it_and_the_rest_by_a_worker_of_this_version(
    drawing: tuple[Mixed, str, list[str]],
) -> None:
    fleet, key, task_ids = drawing
    assert fleet.rows(HELD_BY_AN_OLD_WORKER) == task_ids[:1]
    fleet.start_worker(BRISK)
    with fleet.client(key, web=1) as this:
        for task_id in task_ids:
            assert finish(this, task_id)["status"] == "completed"
    assert all(len(events(fleet, "draw_started", task_id)) == 1 for task_id in task_ids)
    eventually(lambda: not fleet.rows("SELECT id FROM tasks WHERE queue_state IS NOT NULL"))
    fleet.audit()


def test_what_an_earlier_worker_hands_back_is_drawn_by_a_worker_of_this_version_without_blame(
    drawing: tuple[Mixed, str, list[str]],
) -> None:
    fleet, key, task_ids = drawing
    fleet.end_workers()
    assert fleet.rows("SELECT id FROM tasks WHERE queue_state = 'waiting' ORDER BY position") == task_ids
    assert not fleet.rows("SELECT id FROM procrastinate_jobs")
    fleet.start_worker(BRISK)
    with fleet.client(key, web=1) as this:
        for task_id in task_ids:
            assert finish(this, task_id)["status"] == "completed"
    assert all(deaths(fleet, task_id) == 0 for task_id in task_ids)
    fleet.audit()


def test_what_an_earlier_worker_held_when_it_died_is_drawn_by_a_worker_of_this_version_and_counts_once(
    drawing: tuple[Mixed, str, list[str]],
) -> None:
    fleet, key, task_ids = drawing
    fleet.workers[0].kill()
    fleet.start_worker(BRISK)
    with fleet.client(key, web=1) as this:
        for task_id in task_ids:
            assert finish(this, task_id)["status"] == "completed"
    assert [deaths(fleet, task_id) for task_id in task_ids] == [1, 0, 0]
    assert not fleet.rows("SELECT id FROM procrastinate_jobs")
    fleet.audit()


def test_a_data_folder_that_an_earlier_version_left_in_the_middle_of_its_work_goes_on() -> None:
    with reachable_folder() as folder:
        service = Service(folder / "data", blank_step_s="0.3")
        service.data_dir.mkdir()
        service.environment["PYTHONPATH"] = str(source_of(LAST, folder / "earlier"))
        with service:
            key = _key_of(service)
            with service.client(key) as client:
                drawn = finish(client, submit(client)["id"])
                unfinished = [submit(client)["id"] for _ in range(3)]
                eventually(lambda: read_task(client, unfinished[0])["status"] == "processing")
            service.kill()
            service.environment |= {"PYTHONPATH": os.pathsep.join(sys.path), "EASEL_BLANK_STEP_S": STEP_S}
            service.start()
            with service.client(key) as client:
                assert {finish(client, task_id)["status"] for task_id in unfinished} == {"completed"}
                assert client.get(drawn["results"][0]).status_code == 200
                assert client.get("/v1/credits").json()["data"]["token"]["used_credits"] == 4 * 0.026
            service.audit()


def _key_of(service: Service) -> str:
    """A key that the service's own version creates."""
    made = subprocess.run(
        [sys.executable, "-m", "easel", "keys", "create", "--account", "kept", "--credits", "5", "--json"],
        env=service.environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return str(json.loads(made.stdout)["key"])
