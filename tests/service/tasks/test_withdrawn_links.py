"""Links of deleted pictures open nothing, in any web process and whatever storage does."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from easel.domain.picture import object_name
from tests.support.faults import a_file_in_place_of
from tests.support.finishing import CONTENT, completed, picture_name
from tests.support.running_fleet import Fleet
from tests.support.running_service import submit

ASKED = [
    ("GET", {}),
    ("HEAD", {}),
    ("GET", {"range": "bytes=0-3"}),
    ("GET", {"if-none-match": "*"}),
    ("GET", {"range": "bytes=0-3", "if-range": '"another"'}),
    ("HEAD", {"range": "bytes=999999-"}),
]
"""All ways to ask for a picture."""


@pytest.fixture
def clients(two_webs: Fleet) -> Iterator[list[httpx2.Client]]:
    with two_webs.clients(two_webs.issue().key) as clients:
        yield clients


def path_of(task: dict[str, Any]) -> str:
    """A link without its host, for use with any web process."""
    return "/" + str(task["results"][0]).split("/", 3)[3]


def file_of(fleet: Fleet, task_id: str) -> Path:
    return fleet.data_dir / "shared" / object_name(picture_name(task_id))


def assert_opens(clients: list[httpx2.Client], path: str) -> None:
    for client in clients:
        assert client.get(path).content == CONTENT


def assert_opens_nothing(clients: list[httpx2.Client], path: str) -> None:
    for client in clients:
        for method, headers in ASKED:
            answer = client.request(method, path, headers=headers)
            assert answer.status_code == 404, (method, headers)
            assert CONTENT[:4] not in answer.content


def test_links_of_a_deleted_picture_open_nothing_even_if_storage_keeps_the_file(
    two_webs: Fleet, clients: list[httpx2.Client]
) -> None:
    for deleting, asking in (clients, clients[::-1]):
        task = completed(two_webs, deleting, submit(deleting)["id"])
        path = path_of(task)
        assert_opens(clients, path)
        with a_file_in_place_of(two_webs.data_dir / "shared"):
            assert deleting.delete(f"/v1/tasks/{task['id']}").json()["deleted"] is True
            assert_opens_nothing([asking], path)
        file = file_of(two_webs, task["id"])
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(CONTENT)  # in case that a sweep came in between
        assert_opens_nothing(clients, path)


def test_links_of_an_expired_picture_open_nothing_even_if_storage_keeps_the_file(
    two_webs: Fleet, clients: list[httpx2.Client]
) -> None:
    task = completed(two_webs, clients[0], submit(clients[0])["id"])
    with two_webs.database() as connection:
        connection.execute("UPDATE tasks SET picture_withdrawn_at = now() WHERE id = %s", (task["id"],))
    file = file_of(two_webs, task["id"])
    file.write_bytes(CONTENT)
    assert_opens_nothing(clients, path_of(task))


def test_a_link_of_a_task_unknown_to_this_database_opens_nothing(two_webs: Fleet, clients: list[httpx2.Client]) -> None:
    task = completed(two_webs, clients[0], submit(clients[0])["id"])
    with two_webs.database() as connection:
        connection.execute("UPDATE tasks SET picture_name = %s WHERE id = %s", (f"{'0' * 32}.webp", task["id"]))
    assert file_of(two_webs, task["id"]).exists()
    assert_opens_nothing(clients, path_of(task))


def test_other_tasks_pictures_stay_available(two_webs: Fleet, clients: list[httpx2.Client]) -> None:
    kept, gone = (completed(two_webs, clients[0], submit(clients[0])["id"]) for _ in range(2))
    clients[0].delete(f"/v1/tasks/{gone['id']}")
    assert_opens(clients, path_of(kept))
    assert_opens_nothing(clients, path_of(gone))
