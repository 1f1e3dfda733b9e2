"""`POST /v1/tasks/{task_id}/cancel`: the first end of a task counts, and a cancelled task is free."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any, Final

import httpx2
import pytest

from easel.domain import link
from easel.domain.picture import object_name
from easel.outside.data_folder.secret_file import ensure_secret
from tests.support.data_folders import prepared_folder
from tests.support.faults import assert_nothing_runs, assert_picture_is_there, await_draw, deaths, entries, events
from tests.support.frozen import caught_drawing, frozen, nobody_draws
from tests.support.patience import eventually
from tests.support.running_service import Service, finish, read_task, submit

STEP_S: Final = 0.2
PRICE_CREDITS: Final = 0.026
ENDED: Final = {
    "code": "already_completed", "message": "The task has already ended", "type": "invalid_request_error",
}  # fmt: skip
CANCELLED: Final = {"code": "request_cancelled", "message": "The task was cancelled", "type": "task_error"}


@pytest.fixture(scope="module")
def slow() -> Iterator[Service]:
    """A service with one worker that takes more than a second for a picture."""
    with prepared_folder() as folder:
        with Service(folder, workers="1", blank_step_s=str(STEP_S)) as running:
            yield running
        assert_nothing_runs(folder)


@pytest.fixture(scope="module")
def key(slow: Service) -> str:
    return slow.new_key("canceller")


@pytest.fixture
def client(slow: Service, key: str) -> Iterator[httpx2.Client]:
    """A client whose tasks end with the test."""
    with slow.client(key) as client:
        yield client
        for task in client.get("/v1/tasks?status=processing&page_size=50").json()["data"]:
            cancel(client, task["id"])


def cancel(client: httpx2.Client, task_id: str) -> httpx2.Response:
    return client.post(f"/v1/tasks/{task_id}/cancel")


def in_queue(service: Service, task_id: str) -> list[str]:
    """The state of a task in the queue; empty if it is not in it."""
    with service.database() as connection:
        rows = connection.execute(
            "SELECT queue_state FROM tasks WHERE id = %s AND queue_state IS NOT NULL", (task_id,)
        ).fetchall()
    return [status for (status,) in rows]


def pictures_of(service: Service) -> set[str]:
    """The names of all files in the pictures' folder."""
    return {path.name for path in (service.data_dir / "pictures").rglob("*") if path.is_file()}


def assert_cancelled(response: httpx2.Response, client: httpx2.Client, service: Service) -> None:
    """Fails unless the answer is the cancelled, free task in its current state."""
    assert response.status_code == 200, response.text
    task = response.json()
    assert (task["status"], task["error"], task["progress"]) == ("failed", CANCELLED, 0)
    assert task["task_info"] == {"can_cancel": False}
    assert task["usage"]["credits_used"] == 0
    assert "results" not in task
    assert client.get(f"/v1/tasks/{task['id']}").content == response.content
    assert entries(service, task["id"]) == ["hold", "release"]


def test_a_cancelled_queued_task_ends_at_once_and_is_free_and_never_drawn(slow: Service, client: httpx2.Client) -> None:
    before = client.get("/v1/credits").json()["data"]["user"]["remaining_credits"]
    ahead, queued, behind = submit(client), submit(client), submit(client)
    await_draw(slow, ahead["id"])
    with nobody_draws(slow):
        assert in_queue(slow, queued["id"]) == ["waiting"]
        assert_cancelled(cancel(client, queued["id"]), client, slow)
        assert in_queue(slow, queued["id"]) == []
    assert finish(client, behind["id"])["status"] == "completed"
    assert not events(slow, "draw_started", queued["id"])
    after = client.get("/v1/credits").json()["data"]["user"]["remaining_credits"]
    assert before - after == pytest.approx(2 * PRICE_CREDITS)
    slow.audit()


def test_a_cancelled_draw_stops_at_its_next_step_and_the_next_task_starts(slow: Service, client: httpx2.Client) -> None:
    def stops_soon() -> bool:
        before = pictures_of(slow)
        with caught_drawing(slow, client) as running:
            steps_done = read_task(client, running["id"])["progress"] * 8 // 100
            behind = submit(client)
            assert_cancelled(cancel(client, running["id"]), client, slow)
            resumed_at_s = time.time()
        waited_s = await_draw(slow, behind["id"]) - resumed_at_s
        done = finish(client, behind["id"])
        assert_picture_is_there(client, done)
        assert pictures_of(slow) - before == {done["results"][0].rpartition("/")[2]}
        assert not events(slow, "task_completed", running["id"])
        eventually(lambda: not in_queue(slow, running["id"]))
        # All the other steps would take longer. On a busy machine, the next task may come late all the same.
        return bool(steps_done < 3 and waited_s < 3 * STEP_S)

    eventually(stops_soon)
    slow.audit()


def test_an_ended_task_cannot_be_cancelled(slow: Service, client: httpx2.Client) -> None:
    done = finish(client, submit(client)["id"])
    read = client.get(f"/v1/tasks/{done['id']}").content
    refused = cancel(client, done["id"])
    assert (refused.status_code, refused.json()) == (409, {"error": ENDED})
    assert client.get(f"/v1/tasks/{done['id']}").content == read
    assert_picture_is_there(client, done)

    task = submit(client)
    assert_cancelled(cancel(client, task["id"]), client, slow)
    again = cancel(client, task["id"])
    assert (again.status_code, again.json()) == (409, {"error": ENDED})
    assert entries(slow, task["id"]) == ["hold", "release"]


def test_exactly_one_of_ten_concurrent_cancels_succeeds(slow: Service, client: httpx2.Client) -> None:
    task = submit(client)
    with ThreadPoolExecutor(10) as at_once:
        answers = list(at_once.map(lambda _: cancel(client, task["id"]), range(10)))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 9
    assert entries(slow, task["id"]) == ["hold", "release"]


def test_another_accounts_or_a_missing_task_cannot_be_cancelled(slow: Service, client: httpx2.Client) -> None:
    task = submit(client)
    with slow.client(slow.new_key("stranger")) as stranger:
        foreign, unknown = cancel(stranger, task["id"]), cancel(stranger, "task-unified-1763632800-0a1b2c3d")
        assert foreign.status_code == unknown.status_code == 404
        assert foreign.content == unknown.content
        assert foreign.json()["error"]["code"] == "task_not_found"
        for malformed in ("task-1", "%00", "x" * 200):
            refused = cancel(stranger, malformed)
            assert (refused.status_code, refused.json()["error"]["code"]) == (400, "invalid_task_id")
        assert cancel(stranger, "task-unified-" + "x" * 200).status_code == 404
    with slow.client() as nobody:
        assert cancel(nobody, task["id"]).status_code == 401
    assert finish(client, task["id"])["status"] == "completed"


def test_cancelling_requires_the_create_scope_and_not_the_read_scope(slow: Service, client: httpx2.Client) -> None:
    with (
        slow.client(slow.new_key("canceller", "1", "--scope", "read")) as reader,
        slow.client(slow.new_key("canceller", "1", "--scope", "generate")) as writer,
    ):
        _, _, task = submit(client), submit(client), submit(client)
        refused = cancel(reader, task["id"])
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "permission_denied")
        assert_cancelled(cancel(writer, task["id"]), client, slow)


def nobody_starts_another(service: Service) -> AbstractContextManager[None]:
    """Freeze what would start a worker in the place of a dead one, until the block ends."""
    assert service.process is not None
    return frozen(service.process.pid)


def test_a_task_cancelled_while_its_worker_is_dead_is_not_drawn_again(slow: Service, client: httpx2.Client) -> None:
    with nobody_starts_another(slow):
        with caught_drawing(slow, client) as running:
            queued, behind = submit(client), submit(client)
            os.kill(slow.child_pid("worker 1"), signal.SIGKILL)
        for task in (running, queued):
            assert_cancelled(cancel(client, task["id"]), client, slow)
    assert finish(client, behind["id"])["status"] == "completed"
    eventually(lambda: not in_queue(slow, running["id"]))
    assert len(events(slow, "draw_started", running["id"])) == 1
    assert not events(slow, "draw_started", queued["id"])
    assert deaths(slow, running["id"]) == 0
    slow.audit()


def test_a_cancel_deletes_the_picture_that_a_dead_worker_had_stored(slow: Service, client: httpx2.Client) -> None:
    with nobody_starts_another(slow):
        with caught_drawing(slow, client) as running:
            os.kill(slow.child_pid("worker 1"), signal.SIGKILL)
        task_id = running["id"]
        assert_cancelled(cancel(client, task_id), client, slow)
        name = link.picture_name(task_id, ensure_secret(slow.data_dir).derive("picture names"), ".webp")
        left = slow.data_dir / "pictures" / object_name(name)
        left.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        left.write_bytes(b"as the dead worker would have left it")
    eventually(lambda: not left.exists())
    eventually(lambda: not in_queue(slow, task_id))


class Races:
    """Tasks that are each cancelled a moment after their last step has begun: a longer one after each cancel that came
    in time, a shorter one after each that did not, so that either happens often on any machine."""

    def __init__(self, client: httpx2.Client) -> None:
        self._client = client
        self._wait_max_s = 0.03
        self.answers: dict[str, httpx2.Response] = {}

    def run(self) -> None:
        """One race."""
        task_id: str = submit(self._client)["id"]
        eventually(lambda: read_task(self._client, task_id)["progress"] >= 87, every_s=0.002)
        time.sleep(random.uniform(0, self._wait_max_s))
        answer = cancel(self._client, task_id)
        assert answer.status_code in {200, 409}
        self._wait_max_s *= 1.25 if answer.status_code == 200 else 0.8
        self.answers[task_id] = answer


def test_a_task_ends_once_when_cancelling_races_with_completion() -> None:
    with prepared_folder() as folder, Service(folder, workers="1", blank_step_s="0.02") as quick:
        with quick.client(quick.new_key("racer")) as client:
            races = Races(client)
            with ThreadPoolExecutor(2) as at_once:
                for racing in [at_once.submit(races.run) for _ in range(40)]:
                    racing.result()
            statuses = Counter(answer.status_code for answer in races.answers.values())
            assert min(statuses[200], statuses[409]) >= 6, statuses
            for task_id, answer in races.answers.items():
                task = read_task(client, task_id)
                if answer.status_code == 409:
                    assert_picture_is_there(client, task)
                else:
                    assert answer.json() == task
                    assert (task["status"], task["error"]) == ("failed", CANCELLED)
            assert_only_completed_ones_are_kept_and_charged(quick, client)
        quick.audit()
    assert_nothing_runs(folder)


def assert_only_completed_ones_are_kept_and_charged(service: Service, client: httpx2.Client) -> None:
    """Fails unless exactly the completed tasks have pictures in storage and are charged."""
    later: dict[str, Any] = finish(client, submit(client)["id"])  # whatever was drawn before it is stored or discarded
    assert later["status"] == "completed"
    with service.database() as connection:
        rows = connection.execute(
            "SELECT picture_name, kind FROM tasks JOIN ledger ON cause = tasks.id AND kind <> 'hold'"
        ).fetchall()
    assert {kind for name, kind in rows if name is not None} == {"capture"}
    assert {kind for name, kind in rows if name is None} == {"release"}
    eventually(lambda: pictures_of(service) == {name for name, _ in rows if name is not None})
