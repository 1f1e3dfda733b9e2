"""`DELETE /v1/tasks/{task_id}` deletes a finished task's picture and prompt at once, and keeps its cost."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest

from tests.support.data_folders import prepared_folder
from tests.support.event_stream import all_events
from tests.support.faults import a_file_in_place_of, assert_picture_is_there, entries, events
from tests.support.frozen import caught_drawing
from tests.support.patience import eventually
from tests.support.running_service import Service, finish, read_task, submit

NOT_FOUND: Final = {
    "code": "not_found", "message": "There is nothing at this address", "type": "invalid_request_error",
}  # fmt: skip


@pytest.fixture(scope="module")
def stored() -> Iterator[Service]:
    """A service that takes half a second for a picture."""
    with prepared_folder() as folder, Service(folder, workers="1", blank_step_s="0.05") as running:
        yield running


@pytest.fixture(scope="module")
def key(stored: Service) -> str:
    return stored.new_key("eraser")


@pytest.fixture
def client(stored: Service, key: str) -> Iterator[httpx2.Client]:
    with stored.client(key) as client:
        yield client


def pictures_of(service: Service) -> Path:
    return service.data_dir / "pictures"


def file_of(service: Service, task: dict[str, Any]) -> Path:
    """The file of a completed task's picture."""
    name = task["results"][0].rpartition("/")[2]
    (file,) = pictures_of(service).glob(f"*/*{name}")
    return file


def drawn(client: httpx2.Client, **changes: Any) -> dict[str, Any]:
    task = finish(client, submit(client, **changes)["id"])
    assert task["status"] == "completed"
    return task


def erase(client: httpx2.Client, task_id: str) -> None:
    response = client.delete(f"/v1/tasks/{task_id}")
    assert response.status_code == 200, response.text
    assert response.text == f'{{"deleted":true,"id":"{task_id}","object":"image.generation.task"}}'


def without_results(task: dict[str, Any]) -> dict[str, Any]:
    return task | {"results": [], "result_data": []}


def rows_that_hold(service: Service, text: str) -> list[str]:
    """The tables that contain a text in any column."""
    with service.database() as connection:
        tables = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
        ).fetchall()
        return [
            table
            for (table,) in tables
            if connection.execute(
                f"SELECT 1 FROM {table} AS whole WHERE whole::text LIKE %s LIMIT 1",
                (f"%{text}%",),
            ).fetchone()
        ]


def test_an_erased_task_loses_picture_and_prompt_and_callback_url_but_keeps_its_cost(
    stored: Service, client: httpx2.Client
) -> None:
    mark = f"mark{os.urandom(8).hex()}"
    task = drawn(client, prompt=f"a {mark} cat", callback_url=f"https://your-domain.com/{mark}")
    file = file_of(stored, task)
    assert mark.encode() in file.read_bytes()
    eventually(lambda: client.get(f"/v1/tasks/{task['id']}/callback").json()["state"] == "failed")
    assert rows_that_hold(stored, mark) == ["callbacks", "tasks"]
    before = client.get("/v1/credits").content

    erase(client, task["id"])
    assert not file.exists()
    assert rows_that_hold(stored, mark) == []
    assert client.get(f"/v1/tasks/{task['id']}/callback").status_code == 404
    for method in ("GET", "HEAD"):
        assert client.request(method, task["results"][0]).status_code == 404
    assert client.get(task["results"][0]).json() == {"error": NOT_FOUND}
    assert client.get(task["results"][0], headers={"range": "bytes=0-9"}).status_code == 404
    assert read_task(client, task["id"]) == without_results(task)
    assert client.get("/v1/credits").content == before
    assert entries(stored, task["id"]) == ["hold", "capture"]
    stored.audit()


def test_erasing_again_changes_nothing(stored: Service, client: httpx2.Client) -> None:
    task = drawn(client)
    with ThreadPoolExecutor(8) as at_once:
        list(at_once.map(lambda _: erase(client, task["id"]), range(8)))
    for _ in range(2):
        erase(client, task["id"])
        assert read_task(client, task["id"]) == without_results(task)
    (event,) = all_events(client, task["id"])
    assert (event.name, event.task) == ("completed", without_results(task))
    refused = client.post(f"/v1/tasks/{task['id']}/cancel")
    assert refused.status_code == 409


def test_a_failed_task_is_erased_and_stays_failed(stored: Service, client: httpx2.Client) -> None:
    mark = f"mark{os.urandom(8).hex()}"
    task_id = submit(client, prompt=mark)["id"]
    cancelled = client.post(f"/v1/tasks/{task_id}/cancel").json()
    erase(client, task_id)
    assert read_task(client, task_id) == cancelled
    eventually(lambda: rows_that_hold(stored, mark) == [])
    assert entries(stored, task_id) == ["hold", "release"]


def test_an_unfinished_task_cannot_be_erased(stored: Service, client: httpx2.Client) -> None:
    with caught_drawing(stored, client) as running:
        queued = submit(client)
        for task in (running, queued):
            refused = client.delete(f"/v1/tasks/{task['id']}")
            assert refused.status_code == 409
            assert refused.json()["error"] == {
                "code": "task_unfinished",
                "message": "The task has not ended yet; cancel it first",
                "type": "invalid_request_error",
            }
        assert client.post(f"/v1/tasks/{queued['id']}/cancel").status_code == 200
        erase(client, queued["id"])
    assert_picture_is_there(client, finish(client, running["id"]))


def test_another_accounts_or_a_missing_task_cannot_be_erased(stored: Service, client: httpx2.Client) -> None:
    task = drawn(client)
    with stored.client(stored.new_key("stranger")) as stranger, stored.client() as nobody:
        foreign = stranger.delete(f"/v1/tasks/{task['id']}")
        unknown = stranger.delete("/v1/tasks/task-unified-1763632800-0a1b2c3d")
        assert foreign.status_code == unknown.status_code == 404
        assert foreign.content == unknown.content
        assert stranger.delete("/v1/tasks/task-1").json()["error"]["code"] == "invalid_task_id"
        assert nobody.delete(f"/v1/tasks/{task['id']}").status_code == 401
    assert_picture_is_there(client, read_task(client, task["id"]))


def test_erasing_requires_the_create_scope_and_not_the_read_scope(stored: Service, client: httpx2.Client) -> None:
    task = drawn(client)
    with (
        stored.client(stored.new_key("eraser", "1", "--scope", "read")) as reader,
        stored.client(stored.new_key("eraser", "1", "--scope", "generate")) as writer,
    ):
        refused = reader.delete(f"/v1/tasks/{task['id']}")
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "permission_denied")
        assert_picture_is_there(client, task)
        erase(writer, task["id"])
    assert read_task(client, task["id"]) == without_results(task)


def test_during_a_storage_failure_links_end_at_once_and_the_file_is_deleted_later(
    stored: Service, client: httpx2.Client
) -> None:
    mark = f"mark{os.urandom(8).hex()}"
    task, other = drawn(client, prompt=mark), drawn(client)
    file = file_of(stored, task)
    with a_file_in_place_of(pictures_of(stored)):
        for _ in range(2):
            erase(client, task["id"])
        assert read_task(client, task["id"]) == without_results(task)
        assert rows_that_hold(stored, mark) == []
        assert events(stored, "picture_delete_failed", task["id"])
    eventually(lambda: not file.exists())
    assert client.get(task["results"][0]).status_code == 404
    assert_picture_is_there(client, other)


def test_an_expired_link_is_renewed_but_never_after_erasing(stored: Service, client: httpx2.Client) -> None:
    task = drawn(client)
    let_links_expire(stored, [task["id"]])
    before = link_expiries(stored)[task["id"]]
    assert_picture_is_there(client, read_task(client, task["id"]))
    assert link_expiries(stored)[task["id"]] - before > timedelta(hours=23)
    let_links_expire(stored, [task["id"]])
    erase(client, task["id"])
    expired_at = link_expiries(stored)[task["id"]]
    for _ in range(2):
        assert read_task(client, task["id"]) == without_results(task)
    assert link_expiries(stored)[task["id"]] == expired_at


def test_an_erased_task_stays_erased_when_renewing_races_with_erasing(stored: Service, key: str) -> None:
    with stored.client(key) as client, stored.client(key) as another, ThreadPoolExecutor(2) as at_once:
        tasks = [finish(client, task["id"]) for task in [submit(client) for _ in range(20)]]
        let_links_expire(stored, [task["id"] for task in tasks])
        for task in tasks:
            reading = at_once.submit(read_task, client, task["id"])
            erasing = at_once.submit(erase, another, task["id"])
            erasing.result()
            link = (reading.result()["results"] or task["results"])[0]
            assert read_task(client, task["id"]) == without_results(task)
            assert client.get(link).status_code == 404
    kept = {path.name for path in pictures_of(stored).rglob("*.webp")}
    assert not kept & {task["results"][0].rpartition("/")[2] for task in tasks}


def let_links_expire(service: Service, task_ids: list[str]) -> None:
    with service.database() as connection:
        connection.execute(
            "UPDATE tasks SET link_expires_at = now() - interval '1 second' WHERE id = ANY (%s)", (task_ids,)
        )


def link_expiries(service: Service) -> dict[str, datetime]:
    with service.database() as connection:
        return dict(connection.execute("SELECT id, link_expires_at FROM tasks").fetchall())
