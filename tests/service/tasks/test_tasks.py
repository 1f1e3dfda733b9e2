"""`GET /v1/tasks/{task_id}`: a task in each state, its progress and its estimate."""

import asyncio
import json
import math
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import httpx2
import pytest

from easel.actions import settle
from easel.domain.task import ErrorCode
from easel.outside.postgres import private_postgres
from easel.store.database import Database
from tests.support.data_folders import prepared_folder
from tests.support.frozen import caught_drawing
from tests.support.patience import eventually
from tests.support.running_service import GENERATIONS, ORDER, Service, finish, read_task, submit

STEP_S: Final = 0.2
DRAW_S: Final = 8 * STEP_S
HEAD = rb'\{"created":%d,"id":"%s","model":"z-image-turbo","object":"image\.generation\.task",'
USAGE = rb'"usage":\{"billing_rule":"per_call","credits_reserved":0\.026,"user_group":"default"\}\}'


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[httpx2.Client]:
    """A client of a service that draws immediately."""
    with service.client(service.new_key("tasks")) as client:
        yield client


@pytest.fixture(scope="module")
def slow_service() -> Iterator[Service]:
    """A service with slow steps, so that unfinished tasks can be read."""
    with prepared_folder() as folder, Service(folder, blank_step_s=str(STEP_S)) as running:
        yield running


@pytest.fixture(scope="module")
def slow_key(slow_service: Service) -> str:
    return slow_service.new_key("tasks")


@pytest.fixture
def slow(slow_service: Service, slow_key: str) -> Iterator[httpx2.Client]:
    """A client of a slow service, whose unfinished tasks end with the test."""
    with slow_service.client(slow_key) as client:
        yield client
    with slow_service.database() as connection:
        unfinished = connection.execute("SELECT id FROM tasks WHERE status IN ('pending', 'processing')").fetchall()
    for (task_id,) in unfinished:
        fail(slow_service, task_id, ErrorCode.REQUEST_CANCELLED, "The test is over")


def fail(service: Service, task_id: str, code: ErrorCode, message: str) -> bool:
    """Fail a task as the service does when it cannot draw it."""

    async def act(url: str) -> bool:
        database = Database(url, 2)
        await database.open()
        try:
            return await settle.fail(database, task_id, code, message)
        finally:
            await database.close()

    with private_postgres.attach(service.data_dir) as server:
        return asyncio.run(act(server.url))


def head_of(task: dict[str, Any]) -> bytes:
    return HEAD % (task["created"], re.escape(task["id"]).encode())


def read_bytes(client: httpx2.Client, task: dict[str, Any]) -> bytes:
    response = client.get(f"/v1/tasks/{task['id']}")
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    return response.content


def processing(client: httpx2.Client, task: dict[str, Any], progress: int = 1) -> dict[str, Any]:
    """Wait until a task has been drawn this far, and return it."""

    def read() -> dict[str, Any] | None:
        now = read_task(client, task["id"])
        assert now["status"] in {"pending", "processing"}
        return now if now["status"] == "processing" and now["progress"] >= progress else None

    found = eventually(read)
    assert found is not None
    return found


def test_a_pending_task_looks_like_its_creation(slow: httpx2.Client, slow_service: Service) -> None:
    with caught_drawing(slow_service, slow):
        created = slow.post(GENERATIONS, json=ORDER)
        read = read_bytes(slow, created.json())
    estimate = re.compile(rb'"estimated_time":\d+')
    assert estimate.sub(b"", read) == estimate.sub(b"", created.content)
    assert re.fullmatch(
        head_of(created.json()) + rb'"progress":0,"status":"pending",'
        rb'"task_info":\{"can_cancel":true,"estimated_time":[1-9]\d*\},"type":"image",' + USAGE,
        read,
    )


def test_a_processing_task_shows_its_progress_and_can_be_cancelled(slow: httpx2.Client, slow_service: Service) -> None:
    with caught_drawing(slow_service, slow, progress=1) as task:
        read = read_bytes(slow, task)
    assert re.fullmatch(
        head_of(task) + rb'"progress":[1-9]\d?,"status":"processing",'
        rb'"task_info":\{"can_cancel":true,"estimated_time":[1-9]\d*\},"type":"image",' + USAGE,
        read,
    ), read


def test_a_completed_task_has_its_picture_and_its_cost(client: httpx2.Client) -> None:
    task = submit(client, size="16:9", seed=7)
    done = finish(client, task["id"])
    read = read_bytes(client, task)
    url = done["results"][0]
    assert re.fullmatch(
        rb'\{"created":%d,"duration":\d\d?,"id":"%s","model":"z-image-turbo","object":"image\.generation\.task",'
        rb'"progress":100,"result_data":\[\{"engine":"blank","height":720,"seed":7,"url":"%s","width":1280\}\],'
        rb'"results":\["%s"\],"status":"completed","task_info":\{"can_cancel":false\},"type":"image",'
        rb'"usage":\{"billing_rule":"per_call","credits_used":0\.026,"user_group":"default"\}\}'
        % (task["created"], task["id"].encode(), re.escape(url).encode(), re.escape(url).encode()),
        read,
    ), read
    assert re.fullmatch(
        re.escape(str(client.base_url).rstrip("/"))
        + r"/pictures/\d{10}\.[0-9a-f]{8}\.[A-Za-z0-9_-]{43}/[0-9a-f]{32}\.webp",
        url,
    )
    assert read_bytes(client, task) == read


def test_a_failed_task_says_why_and_has_no_picture_and_costs_nothing(
    slow: httpx2.Client, slow_service: Service
) -> None:
    before = slow.get("/v1/credits").content
    with caught_drawing(slow_service, slow) as ahead:
        task = submit(slow)
        assert fail(slow_service, task["id"], ErrorCode.SERVICE_ERROR, "The picture could not be drawn")
        assert fail(slow_service, ahead["id"], ErrorCode.REQUEST_CANCELLED, "Cancelled")
    read = read_bytes(slow, task)
    assert re.fullmatch(
        rb'\{"created":%d,"error":\{"code":"service_error","message":"The picture could not be drawn",'
        rb'"type":"task_error"\},"id":"%s","model":"z-image-turbo","object":"image\.generation\.task","progress":0,'
        rb'"status":"failed","task_info":\{"can_cancel":false\},"type":"image",'
        rb'"usage":\{"billing_rule":"per_call","credits_used":0,"user_group":"default"\}\}'
        % (task["created"], task["id"].encode()),
        read,
    ), read
    assert read_task(slow, ahead["id"])["error"]["code"] == "request_cancelled"
    assert slow.get("/v1/credits").content == before
    assert not fail(slow_service, task["id"], ErrorCode.UNKNOWN_ERROR, "again")
    assert read_bytes(slow, task) == read


def test_a_task_that_fails_during_its_draw_stays_failed(slow: httpx2.Client, slow_service: Service) -> None:
    with caught_drawing(slow_service, slow) as task:
        assert fail(slow_service, task["id"], ErrorCode.REQUEST_CANCELLED, "Cancelled")
    failed = read_bytes(slow, task)
    later = finish(slow, submit(slow)["id"])
    assert later["status"] == "completed"
    assert read_bytes(slow, task) == failed
    slow_service.audit()


def test_the_first_id_and_status_in_a_body_are_the_tasks_own(
    client: httpx2.Client, slow: httpx2.Client, slow_service: Service
) -> None:
    created = client.post(GENERATIONS, json=ORDER)
    bodies = [(created.content, "pending"), (read_bytes(client, finish(client, created.json()["id"])), "completed")]
    with caught_drawing(slow_service, slow) as drawn:
        bodies.append((read_bytes(slow, drawn), "processing"))
        fail(slow_service, drawn["id"], ErrorCode.SERVICE_ERROR, '","id":"task-unified-1-aaaaaaaa","status":"completed')
    bodies.append((read_bytes(slow, drawn), "failed"))
    for body, status in bodies:
        task = json.loads(body)
        first_id, first_status = re.search(rb'"id":"([^"]*)"', body), re.search(rb'"status":"([^"]*)"', body)
        assert first_id is not None
        assert first_status is not None
        assert (first_id[1].decode(), first_status[1].decode()) == (task["id"], status)


def test_progress_rises_step_by_step(slow: httpx2.Client) -> None:
    steps = [step * 100 // 8 for step in range(8)] + [99, 100]

    def is_seen_rising() -> bool:
        """Whether most steps of a picture were seen. On a busy machine, some pass by between two reads."""
        seen = seen_of(slow, submit(slow)["id"])
        assert seen == sorted(seen)
        assert set(seen) <= set(steps)
        assert seen[-1] == 100
        return len(set(seen)) >= len(steps) - 3

    eventually(is_seen_rising)


def seen_of(client: httpx2.Client, task_id: str) -> list[int]:
    """The progress of a task, each time that it has changed when it is read, to its end."""
    seen: list[int] = []

    def ended() -> bool:
        now = read_task(client, task_id)
        if not seen or seen[-1] != now["progress"]:
            seen.append(now["progress"])
        return bool(now["status"] == "completed")

    eventually(ended, every_s=STEP_S / 8)
    return seen


def draw_times_s(service: Service) -> list[float]:
    """How long each picture took."""
    with service.database() as connection:
        rows = connection.execute("SELECT draw_ms FROM tasks WHERE status = 'completed' ORDER BY ended_at").fetchall()
    return [draw_ms / 1000 for (draw_ms,) in rows]


def test_the_duration_is_the_draw_time_in_whole_seconds(slow: httpx2.Client, slow_service: Service) -> None:
    duration = finish(slow, submit(slow)["id"])["duration"]
    drawn_s = draw_times_s(slow_service)[-1]
    assert drawn_s >= DRAW_S
    assert duration == round(drawn_s)


def test_the_estimate_follows_the_draw_times_and_the_queue(slow: httpx2.Client, slow_service: Service) -> None:
    finish(slow, submit(slow)["id"])
    slowest_s = max(draw_times_s(slow_service))
    time.sleep(1.1)  # a measurement lives for a second
    alone = submit(slow)
    assert 1 <= alone["task_info"]["estimated_time"] <= slowest_s + 1.4
    behind = [submit(slow) for _ in range(4)]
    estimates = [read_task(slow, task["id"])["task_info"]["estimated_time"] for task in behind]
    assert estimates == sorted(estimates)
    assert estimates[0] < estimates[-1]
    assert 5 * DRAW_S - 2 <= estimates[-1] <= 5 * slowest_s + 3
    half = processing(slow, alone, progress=50)["task_info"]["estimated_time"]
    assert half <= alone["task_info"]["estimated_time"]
    assert 1 <= half <= math.ceil(slowest_s / 2)


def test_created_is_the_second_of_creation_and_is_part_of_the_id(client: httpx2.Client) -> None:
    before_s = int(datetime.now(UTC).timestamp())
    task = submit(client)
    assert before_s <= task["created"] <= datetime.now(UTC).timestamp()
    assert re.fullmatch(rf"task-unified-{task['created']}-[0-9a-z]{{8}}", task["id"])


def test_ids_of_one_second_differ(client: httpx2.Client) -> None:
    ids = [submit(client)["id"] for _ in range(30)]
    assert len({task_id[-8:] for task_id in ids}) == 30
