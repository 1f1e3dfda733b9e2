"""Workers die, freeze, hang and are stopped: every task ends once and is charged once."""

import os
import re
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from easel.assembly.worker import EXIT_HUNG
from tests.support.data_folders import prepared_folder
from tests.support.faults import (
    another_worker,
    assert_nothing_runs,
    assert_picture_is_there,
    await_draw,
    deaths,
    entries,
    events,
)
from tests.support.frozen import caught_drawing, frozen
from tests.support.patience import PATIENCE_S, eventually
from tests.support.running_service import Service, finish, submit

DRAWN_AGAIN_WITHIN_S = 10.0
TIMES_MAX = 4
STEP_S = 0.2
ENDLESS_S = "60"
"""A step that no test waits for."""


@pytest.fixture(scope="module")
def slow() -> Iterator[Service]:
    """A service with one worker that takes more than a second for a picture."""
    with prepared_folder() as folder:
        with Service(folder, workers="1", blank_step_s=str(STEP_S)) as running:
            yield running
        assert_nothing_runs(folder)


@dataclass(frozen=True)
class Hanging:
    """A service whose every step hangs, and its task."""

    service: Service
    key: str
    task_id: str


@pytest.fixture(scope="module", autouse=True)
def hanging() -> Iterator[Hanging]:
    """Started before all other tests, because three hangs take a while."""
    with prepared_folder() as folder:
        with Service(folder, workers="1", blank_step_s="60", step_timeout_s="1") as running:
            key = running.new_key("hung")
            with running.client(key) as client:
                task = submit(client)
            yield Hanging(running, key, task["id"])
        assert_nothing_runs(folder)


def assert_paid_once(service: Service, task: dict[str, Any]) -> None:
    assert entries(service, task["id"]) == ["hold", "capture"]
    service.audit()


def assert_refunded(service: Service, task: dict[str, Any]) -> None:
    assert task["status"] == "failed"
    assert task["error"]["code"] == "service_error"
    assert entries(service, task["id"]) == ["hold", "release"]
    service.audit()


def test_a_task_whose_worker_was_killed_is_redrawn_within_ten_seconds_and_charged_once(slow: Service) -> None:
    with slow.client(slow.new_key("killed")) as client:
        # A busy machine is no fault, unless it is one again and again.
        assert any(redrawn_after_s(slow, client) < DRAWN_AGAIN_WITHIN_S for _ in range(TIMES_MAX))


def redrawn_after_s(service: Service, client: httpx2.Client) -> float:
    """Kill the worker in the middle of a draw; how long it takes until the task is drawn again."""
    with caught_drawing(service, client) as task:
        worker = service.child_pid("worker 1")
        os.kill(worker, signal.SIGKILL)
        killed_at_s = time.time()
    waited_s = await_draw(service, task["id"], times=2) - killed_at_s
    assert_picture_is_there(client, finish(client, task["id"]))
    assert service.child_pid("worker 1") != worker
    assert deaths(service, task["id"]) == 1
    assert_paid_once(service, task)
    return waited_s


def test_a_task_that_kills_three_workers_fails_with_a_refund_and_a_waiting_task_is_drawn(
    slow: Service,
) -> None:
    with slow.client(slow.new_key("poison")) as client:
        poison = submit(client)
        innocent = submit(client)
        for times in range(1, 4):
            await_draw(slow, poison["id"], times)
            os.kill(slow.child_pid("worker 1"), signal.SIGKILL)
        assert_refunded(slow, finish(client, poison["id"]))
        assert finish(client, innocent["id"])["status"] == "completed"
    # Not for waiting: only if a worker was killed while it still stored this one's picture.
    assert deaths(slow, innocent["id"]) <= 1
    assert_paid_once(slow, innocent)


def test_a_frozen_worker_loses_its_task_to_another_and_does_no_harm_when_it_resumes(slow: Service) -> None:
    with slow.client(slow.new_key("frozen")) as client, another_worker(slow) as other:
        with frozen(other.pid):  # so that it is certain which of the two draws
            task = submit(client)
            await_draw(slow, task["id"])
            os.kill(other.pid, signal.SIGCONT)
            with frozen(slow.child_pid("worker 1")):
                await_draw(slow, task["id"], times=2)
                completed = finish(client, task["id"])
        # The one that woke draws to its end, finds the task completed, and leaves the picture where it is.
        later = submit(client)
        assert finish(client, later["id"])["status"] == "completed"
        time.sleep(8 * STEP_S)
        assert_picture_is_there(client, completed)
    assert_paid_once(slow, task)
    assert len(events(slow, "task_completed", task["id"])) == 1


def test_a_stopping_worker_finishes_its_draw_and_starts_no_other(slow: Service) -> None:
    with slow.client(slow.new_key("drained")) as client:
        task, waiting = submit(client), submit(client)
        await_draw(slow, task["id"])
        worker = slow.child_pid("worker 1")
        os.kill(worker, signal.SIGTERM)
        assert finish(client, task["id"])["status"] == "completed"
        assert finish(client, waiting["id"])["status"] == "completed"
    assert slow.child_pid("worker 1") != worker
    told = slow.log_lines()
    successor = next(line for line in told if line.get("pid") == slow.child_pid("worker 1"))
    (started,) = events(slow, "draw_started", waiting["id"])
    assert told.index(successor) < told.index(started)
    assert len(events(slow, "draw_started", task["id"])) == len(events(slow, "draw_started", waiting["id"])) == 1
    assert deaths(slow, waiting["id"]) == 0
    assert_paid_once(slow, task)


def test_a_draw_that_outlasts_the_drain_is_handed_back_without_blame(slow: Service) -> None:
    with slow.client(slow.new_key("handed-back")) as client:
        with (
            frozen(slow.child_pid("worker 1")),
            another_worker(slow, drain_timeout_s="0", blank_step_s=ENDLESS_S) as stopped,
        ):
            task = submit(client)
            await_draw(slow, task["id"])
            stopped.terminate()
            assert stopped.wait(PATIENCE_S) == 0
        assert_picture_is_there(client, finish(client, task["id"]))
    assert len(events(slow, "draw_started", task["id"])) == 2
    assert deaths(slow, task["id"]) == 0
    assert_paid_once(slow, task)


def has_got_its_signals(pid: int) -> bool:
    """Whether no signal is on its way to a process. Two that are on their way would be one."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"ShdPnd:\s+([0-9a-f]+)", status)[0], 16) == 0


def test_a_second_signal_stops_a_worker_at_once_and_another_draws_its_task(slow: Service) -> None:
    with slow.client(slow.new_key("twice")) as client, another_worker(slow, blank_step_s=ENDLESS_S) as stopped:
        with frozen(slow.child_pid("worker 1")):
            task = submit(client)
            await_draw(slow, task["id"])
            stopped.terminate()
            eventually(lambda: has_got_its_signals(stopped.pid))
            assert stopped.poll() is None
            stopped.terminate()
            assert stopped.wait(PATIENCE_S) == 1
        assert_picture_is_there(client, finish(client, task["id"]))
    assert_paid_once(slow, task)


def test_a_hung_step_ends_its_worker_and_the_third_one_ends_the_task(hanging: Hanging) -> None:
    service = hanging.service
    with service.client(hanging.key) as client:
        assert_refunded(service, finish(client, hanging.task_id, 2 * PATIENCE_S))
    assert [line["status"] for line in events(service, "child_exited")] == [EXIT_HUNG] * 3
    assert len(events(service, "draw_hung", hanging.task_id)) == 3
