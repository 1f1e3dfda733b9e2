"""Wrong clocks: processes a day ahead of and behind their database, and a database clock that is set back."""

import subprocess
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest

from easel.actions.sweep import SWEEP_EVERY_S
from easel.assembly.installation import link_keys
from easel.domain import link
from easel.domain.rate import MINUTE_S
from easel.domain.secret import Secret
from tests.support.data_folders import prepared_folder
from tests.support.faults import assert_picture_is_there, await_draw, events
from tests.support.finishing import picture_name
from tests.support.frozen import nobody_draws
from tests.support.patience import eventually
from tests.support.running_fleet import SECRET, Fleet, Settings
from tests.support.running_service import GENERATIONS, ORDER, Service, finish, read_task, submit

FAKETIME: Final = next(iter(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), None)
needs_faketime = pytest.mark.skipif(FAKETIME is None, reason="libfaketime (Debian's package faketime) is not installed")
DAY_S: Final = 86_400
AHEAD, BEHIND = {"of": "+1d"}, {"of": "-1d"}


class SkewedFleet(Fleet):
    """A fleet whose processes have wrong clocks, by the offset in their setting `of`. Durations are right."""

    def _process(self, arguments: list[str], settings: Settings) -> subprocess.Popen[bytes]:
        skew = {
            "LD_PRELOAD": str(FAKETIME),
            "FAKETIME": settings["of"],
        }
        right, self.environment = self.environment, self.environment | skew
        try:
            return super()._process(arguments, {name: value for name, value in settings.items() if name != "of"})
        finally:
            self.environment = right


@pytest.fixture(scope="module")
def skewed() -> Iterator[Fleet]:
    """A web process and a worker a day ahead of their database, and a web process a day behind it."""
    settings = {"queue_timeout_s": "3600", "blank_step_s": "0.1"}
    with prepared_folder() as folder, SkewedFleet(folder, [AHEAD, BEHIND], [AHEAD], **settings) as running:
        yield running


@pytest.fixture
def clients(skewed: Fleet) -> Iterator[list[httpx2.Client]]:
    with skewed.clients(skewed.issue().key) as clients:
        yield clients


def path_of(task: dict[str, Any]) -> str:
    return "/" + str(task["results"][0]).split("/", 3)[3]


@needs_faketime
def test_the_clocks_of_these_processes_are_a_day_off(skewed: Fleet, clients: list[httpx2.Client]) -> None:
    for client in clients:
        client.get("/v1/models")

    def days_off() -> set[int]:
        stamps = [datetime.fromisoformat(line["timestamp"]).timestamp() for line in events(skewed, "request")]
        return {round((stamp - time.time()) / DAY_S) for stamp in stamps}

    eventually(lambda: days_off() == {-1, 1})


@needs_faketime
@pytest.mark.parametrize("web", [0, 1])
def test_a_process_whose_clock_is_a_day_off_accepts_and_draws_and_serves_normally(
    skewed: Fleet, clients: list[httpx2.Client], web: int
) -> None:
    before_s = int(time.time())
    task = submit(clients[web])
    assert before_s - 1 <= task["created"] <= time.time() + 1
    assert task["id"].startswith(f"task-unified-{task['created']}-")
    done = finish(clients[web], task["id"])
    assert done["status"] == "completed", done
    for client in clients:
        # The same link, alive at each, for a day.
        assert read_task(client, task["id"])["results"] == done["results"]
        answer = client.get(path_of(done))
        assert answer.status_code == 200
        age_s = int(answer.headers["cache-control"].partition("max-age=")[2].partition(",")[0])
        assert DAY_S - 120 < age_s <= DAY_S
    with skewed.database() as connection:
        row = connection.execute(
            "SELECT now() - ended_at, link_expires_at - now() FROM tasks WHERE id = %s", (task["id"],)
        ).fetchone()
    assert row is not None
    assert timedelta(0) <= row[0] < timedelta(minutes=2)
    assert timedelta(hours=23) < row[1] <= timedelta(hours=24)


@needs_faketime
def test_processes_a_day_off_do_not_time_out_waiting_tasks(skewed: Fleet, clients: list[httpx2.Client]) -> None:
    with nobody_draws(skewed):
        tasks = [submit(client)["id"] for client in clients]
        time.sleep(SWEEP_EVERY_S + 1)
        assert {read_task(clients[0], task_id)["status"] for task_id in tasks} <= {"pending", "processing"}
    for task_id in tasks:
        assert_picture_is_there(clients[0], finish(clients[0], task_id))


@needs_faketime
def test_keys_and_links_expire_by_the_databases_clock_at_processes_a_day_off(skewed: Fleet) -> None:
    living, dead = skewed.issue(expires=timedelta(hours=1)), skewed.issue()
    with skewed.clients(living.key) as clients:
        task = finish(clients[0], submit(clients[0])["id"])
        for number, client in enumerate(clients):
            with skewed.database() as connection:
                connection.execute("UPDATE api_keys SET expires_at = now() WHERE id = %s", (dead.id,))
                connection.execute(
                    "UPDATE tasks SET link_expires_at = now() - interval '1 minute' WHERE id = %s", (task["id"],)
                )
            assert client.get("/v1/models").status_code == 200
            with skewed.client(dead.key, number) as refused:
                assert refused.get("/v1/models").status_code == 401
            assert client.get(path_of(read_task(client, task["id"]))).status_code == 200, "its link is renewed"
            old = link.path(picture_name(task["id"]), int(time.time()) - 60, link_keys(Secret(SECRET)))
            assert client.get(old).status_code == 410


@needs_faketime
def test_a_task_handed_back_by_a_worker_a_day_ahead_is_taken_promptly(
    skewed: Fleet, clients: list[httpx2.Client]
) -> None:
    with skewed.database() as locking, skewed.database() as ending:
        ending.autocommit = True
        with nobody_draws(skewed):
            task = submit(clients[0])
            locking.execute("LOCK TABLE holds IN EXCLUSIVE MODE")
        # The worker cannot complete the task, loses its connection over it, and hands the task back with a pause.
        eventually(
            lambda: ending.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE wait_event_type = 'Lock' AND query LIKE '%WITH ending AS%'"
            ).fetchone()
        )
        eventually(lambda: events(skewed, "task_handed_back", task["id"]))
        locking.rollback()
    assert_picture_is_there(clients[1], finish(clients[1], task["id"]))


def test_setting_the_clock_back_locks_out_no_key_for_longer_than_a_rate_window(two_webs: Fleet) -> None:
    key = two_webs.issue(creates_per_minute=60)
    for web, ahead in ((0, "1 hour"), (1, "1 day"), (0, "10 years")):
        with two_webs.client(key.key, web) as client:
            with two_webs.database() as connection:
                connection.execute(
                    "UPDATE api_keys SET creates_used_until = now() + %s::interval WHERE id = %s", (ahead, key.id)
                )
            refused = client.post(GENERATIONS, json=ORDER)
            assert refused.status_code == 429
            assert 1 <= int(refused.headers["retry-after"]) <= MINUTE_S
            assert 0 < int(refused.headers["x-ratelimit-reset"]) <= MINUTE_S
            with two_webs.database() as connection:
                row = connection.execute(
                    "SELECT extract(epoch FROM creates_used_until - now())::float FROM api_keys WHERE id = %s",
                    (key.id,),
                ).fetchone()
            assert row is not None
            assert row[0] <= MINUTE_S
            eventually(partial(is_accepted, client), every_s=0.3)


def is_accepted(client: httpx2.Client) -> bool:
    return client.post(GENERATIONS, json=ORDER).status_code == 200


def test_rows_left_in_the_future_by_a_clock_set_back_age_from_now(service: Service, account: str) -> None:
    with service.client(service.new_key(account)) as client:
        headers = {"idempotency-key": f"from-the-future-{account}"}
        task = finish(client, client.post(GENERATIONS, json=ORDER, headers=headers).json()["id"])
        with service.database() as connection:
            connection.execute(
                "UPDATE tasks SET ended_at = ended_at + interval '1 day', "
                "link_expires_at = link_expires_at + interval '1 day' WHERE id = %s",
                (task["id"],),
            )
            connection.execute(
                "UPDATE idempotency_keys SET claimed_at = claimed_at + interval '1 day' WHERE task_id = %s",
                (task["id"],),
            )

        def is_mended() -> bool:
            with service.database() as connection:
                row = connection.execute(
                    "SELECT ended_at <= now() AND link_expires_at <= now() + interval '1 day' AND claimed_at <= now() "
                    "FROM tasks JOIN idempotency_keys ON task_id = tasks.id WHERE tasks.id = %s",
                    (task["id"],),
                ).fetchone()
            return row is not None and bool(row[0])

        eventually(is_mended)
        assert client.post(GENERATIONS, json=ORDER, headers=headers).json()["id"] == task["id"]
        assert_picture_is_there(client, read_task(client, task["id"]))


@needs_faketime
def test_pauses_and_heartbeats_from_before_the_clock_was_set_back_delay_nobody(
    skewed: Fleet, clients: list[httpx2.Client]
) -> None:
    begun = submit(clients[0])
    await_draw(skewed, begun["id"])
    with nobody_draws(skewed):
        later = submit(clients[1])
        with skewed.database() as connection:
            connection.execute("UPDATE workers SET heartbeat_at = now() + interval '1 day'")
            connection.execute("UPDATE tasks SET retry_at = now() + interval '1 day' WHERE id = %s", (later["id"],))
        with skewed.worker(BEHIND):
            for task in (begun, later):
                assert finish(clients[0], task["id"])["status"] == "completed"
