"""Two web processes and three workers that share only a database and a folder of pictures."""

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest

from tests.support.data_folders import prepared_folder
from tests.support.faults import events
from tests.support.frozen import nobody_draws
from tests.support.patience import PATIENCE_S, eventually
from tests.support.running_fleet import Fleet, await_workers
from tests.support.running_service import GENERATIONS, ORDER, finish, submit

TASKS: Final = 300
ACCOUNTS: Final = 4
CLIENTS: Final = 24
STEP_S: Final = 0.005
KILLED_AFTER: Final = TASKS // 4
PRICE: Final = 26_000
NEWS_S: Final = 1.5
"""Less than what waiting takes without news: every two seconds a look at the rows."""


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    with (
        prepared_folder() as folder,
        Fleet(folder, [{"cors_origins": "*"}, {}], [{}, {}, {}], blank_step_s=str(STEP_S)) as running,
    ):
        yield running


@dataclass
class Clients:
    """Clients behind a load balancer: a request goes to one web process, and to the next if that one is gone."""

    fleet: Fleet
    client: httpx2.AsyncClient
    failed: int = 0

    async def order(self, key: str, number: int) -> dict[str, Any]:
        """Order once, with as many requests as it takes, and wait at the other process for the end."""
        headers = {"authorization": f"Bearer {key}", "idempotency-key": f"order-number-{number:08}"}
        body = {**ORDER, "seed": number + 1}
        task_id = (await self._ask(number, "POST", GENERATIONS, headers, body))["id"]
        while True:
            task = await self._ask(number + 1, "GET", f"/v1/tasks/{task_id}?wait=20", headers, None)
            if task["status"] in {"completed", "failed"}:
                return task

    async def _ask(self, web: int, method: str, path: str, headers: dict[str, str], body: object) -> dict[str, Any]:
        for attempt in range(50):
            url = f"http://127.0.0.1:{self.fleet.ports[(web + attempt) % len(self.fleet.ports)]}{path}"
            try:
                response = await self.client.request(method, url, headers=headers, json=body)
            except httpx2.TransportError:
                self.failed += 1
                await asyncio.sleep(0.05)
                continue
            assert response.status_code == 200, response.text
            answer: dict[str, Any] = response.json()
            return answer
        raise AssertionError("no web process answers")


async def order_all(fleet: Fleet, keys: list[str]) -> tuple[list[dict[str, Any]], int]:
    """Place TASKS orders with a few clients, and kill a worker and a web process half-way."""
    at_once = asyncio.Semaphore(CLIENTS)
    limits = httpx2.Limits(max_connections=2 * CLIENTS)
    async with httpx2.AsyncClient(limits=limits, timeout=60, trust_env=False) as client:
        clients = Clients(fleet, client)

        async def one(number: int) -> dict[str, Any]:
            async with at_once:
                return await clients.order(keys[number % len(keys)], number)

        async def kill() -> None:
            await asyncio.to_thread(eventually, lambda: len(events(fleet, "task_completed")) >= KILLED_AFTER)
            fleet.workers[0].kill()
            fleet.webs[1].kill()

        *ended, _ = await asyncio.gather(*(one(number) for number in range(TASKS)), kill())
        return ended, clients.failed  # type: ignore[return-value]  # the last one, which is not, was left out


async def pictures(fleet: Fleet, tasks: list[dict[str, Any]]) -> list[set[bytes]]:
    """The answers of each web process for each task's link."""
    limits = httpx2.Limits(max_connections=CLIENTS)
    async with httpx2.AsyncClient(limits=limits, timeout=60, trust_env=False) as client:

        async def both(task: dict[str, Any]) -> set[bytes]:
            path = httpx2.URL(task["results"][0]).path
            answers = [await client.get(f"http://127.0.0.1:{port}{path}") for port in fleet.ports]
            assert {answer.status_code for answer in answers} == {200}
            return {answer.content for answer in answers}

        return await asyncio.gather(*map(both, tasks))


def files_of(fleet: Fleet) -> set[Path]:
    return set((fleet.data_dir / "shared").rglob("*.webp"))


def test_300_tasks_each_end_once_although_a_worker_and_a_web_process_are_killed(fleet: Fleet) -> None:
    issued = [fleet.issue(creates_per_minute=100_000) for _ in range(ACCOUNTS)]
    files_before = files_of(fleet)
    with fleet.client() as client:
        await_workers(client, 3)
    ended, failed = asyncio.run(order_all(fleet, [each.key for each in issued]))
    assert failed, "the killed web process was missed by somebody"
    assert Counter(task["status"] for task in ended) == {"completed": TASKS}
    assert len({task["id"] for task in ended}) == TASKS
    with fleet.database() as connection:
        rows = connection.execute(
            """
            SELECT count(*), sum(price_microcredits), max(used_microcredits), max(available_microcredits)
            FROM tasks JOIN accounts ON accounts.id = account_id WHERE accounts.name = ANY (%s) GROUP BY accounts.id
            """,
            ([each.account for each in issued],),
        ).fetchall()
    each_one = TASKS // ACCOUNTS
    assert rows == [(each_one, each_one * PRICE, each_one * PRICE, 100_000_000 - each_one * PRICE)] * ACCOUNTS
    fleet.audit()

    fleet.start_web(1)
    fleet.start_worker()
    shown = asyncio.run(pictures(fleet, ended))
    assert all(len(each) == 1 for each in shown), "both show the same picture"
    assert len(set.union(*shown)) == TASKS
    assert len(files_of(fleet) - files_before) == TASKS


def test_a_wait_at_one_process_ends_at_once_for_a_task_ordered_at_the_other(fleet: Fleet) -> None:
    late_s = []
    with fleet.clients(fleet.issue().key) as (here, there):
        for _ in range(4):
            with nobody_draws(fleet), ThreadPoolExecutor(1) as threads:
                task = submit(here)
                waiting = threads.submit(there.get, f"/v1/tasks/{task['id']}?wait=30")
                time.sleep(0.3)
                assert not waiting.done()
                for worker in fleet.workers:
                    worker.send_signal(signal.SIGCONT)
                assert waiting.result().json()["status"] == "completed"
                answered_at_s = time.time()
            [completed] = eventually(partial(events, fleet, "task_completed", task["id"]))
            late_s.append(answered_at_s - datetime.fromisoformat(completed["timestamp"]).timestamp())
    assert sorted(late_s)[2] < NEWS_S, late_s


def test_a_task_can_be_cancelled_at_another_process_than_the_one_it_was_ordered_at(fleet: Fleet) -> None:
    with fleet.clients(fleet.issue().key) as (here, there), nobody_draws(fleet), ThreadPoolExecutor(1) as threads:
        late_s = []
        for _ in range(4):
            task = submit(here)
            waiting = threads.submit(here.get, f"/v1/tasks/{task['id']}?wait=30")
            time.sleep(0.3)
            cancelled = there.post(f"/v1/tasks/{task['id']}/cancel")
            cancelled_at_s = time.monotonic()
            assert cancelled.status_code == 200
            assert waiting.result().content == cancelled.content
            late_s.append(time.monotonic() - cancelled_at_s)
            assert here.post(f"/v1/tasks/{task['id']}/cancel").status_code == 409
    assert sorted(late_s)[2] < NEWS_S, late_s


def test_every_process_reports_the_same_number_of_workers(fleet: Fleet) -> None:
    with fleet.clients(fleet.issue().key) as clients:
        for client in clients:
            await_workers(client, 3)
        tasks = [finish(clients[0], submit(clients[0])["id"]) for _ in range(3)]
        for task in tasks:
            assert {client.get(f"/v1/tasks/{task['id']}").content for client in clients} == {
                clients[0].get(f"/v1/tasks/{task['id']}").content
            }
        assert clients[0].get("/v1/tasks").content == clients[1].get("/v1/tasks").content
        assert clients[0].get("/v1/credits").content == clients[1].get("/v1/credits").content


def test_closing_the_terminal_stops_a_process_cleanly_and_answers_waiting_requests(fleet: Fleet) -> None:
    with fleet.clients(fleet.issue().key) as (here, there), nobody_draws(fleet), ThreadPoolExecutor(1) as threads:
        task = submit(here)
        assert there.get("/v1/models").status_code == 200  # so that the connection stands
        waiting = threads.submit(there.get, f"/v1/tasks/{task['id']}?wait=30")
        time.sleep(1)
        fleet.webs[1].send_signal(signal.SIGHUP)
        assert waiting.result().json()["status"] == "pending"
    assert fleet.webs[1].wait(PATIENCE_S) == 0
    fleet.start_web(1)
    with fleet.worker() as worker:
        worker.send_signal(signal.SIGHUP)
        assert worker.wait(PATIENCE_S) == 0
    assert [line for line in fleet.log_lines() if line["level"] == "error"] == []


def test_cors_is_configured_for_each_web_process(fleet: Fleet) -> None:
    with fleet.clients(fleet.issue().key) as (open_one, closed_one):
        asked = {"origin": "https://anybody.test"}
        assert open_one.get("/v1/models", headers=asked).headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-origin" not in closed_one.get("/v1/models", headers=asked).headers
