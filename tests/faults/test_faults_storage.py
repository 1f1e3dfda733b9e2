"""Storage failures: the task fails with a refund, and the service continues as soon as storage works again."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from easel.actions import settle
from easel.domain.task import ErrorCode
from easel.outside.postgres import private_postgres
from easel.store.database import Database
from tests.support.data_folders import prepared_folder, reachable_folder
from tests.support.faults import (
    a_file_in_place_of,
    assert_nothing_runs,
    assert_picture_is_there,
    entries,
    events,
)
from tests.support.frozen import caught_drawing
from tests.support.patience import eventually
from tests.support.running_service import Service, finish, submit


@pytest.fixture(scope="module")
def stored() -> Iterator[Service]:
    """A service that takes almost a second for a picture."""
    with prepared_folder() as folder:
        with Service(folder, workers="1", blank_step_s="0.1") as running:
            yield running
        assert_nothing_runs(folder)


def pictures_of(service: Service) -> Path:
    return service.data_dir / "pictures"


def files_in(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


@contextmanager
def a_full_disk_in_place_of(folder: Path) -> Iterator[None]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], check=True)
    try:
        filler = folder / "filler"
        filler.write_bytes(b"\0" * (64 * 1024))
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def can_mount() -> bool:
    """Whether this process can mount. Root can, except in most containers."""
    if os.geteuid() != 0:
        return False
    with reachable_folder() as folder:
        mounted = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(folder)], capture_output=True)
        if mounted.returncode == 0:
            subprocess.run(["umount", str(folder)], check=True)
        return mounted.returncode == 0


def assert_refunded(service: Service, task: dict[str, Any]) -> None:
    assert task["status"] == "failed"
    assert task["error"]["code"] == "service_error"
    assert entries(service, task["id"]) == ["hold", "release"]


def assert_goes_on(service: Service, client: httpx2.Client) -> None:
    assert_picture_is_there(client, finish(client, submit(client)["id"]))
    eventually(lambda: client.get("/readyz").status_code == 200)
    service.audit()


def test_a_broken_storage_folder_fails_tasks_with_a_refund_until_it_is_repaired(
    stored: Service,
) -> None:
    with stored.client(stored.new_key("not-a-folder")) as client:
        kept = finish(client, submit(client)["id"])
        with a_file_in_place_of(pictures_of(stored)):
            task = finish(client, submit(client)["id"])
            assert_refunded(stored, task)
            assert "not a folder" in events(stored, "picture_store_failed", task["id"])[0]["reason"]
            eventually(lambda: client.get("/readyz").json()["storage"] == "unavailable")
            unread = client.get(kept["results"][0])
            assert unread.status_code == 503
            assert "retry-after" in unread.headers
        assert_picture_is_there(client, kept)
        assert_goes_on(stored, client)


@pytest.mark.skipif(not can_mount(), reason="only root can make a disk that is full")
def test_a_full_disk_fails_tasks_with_a_refund_until_there_is_room(stored: Service) -> None:
    with stored.client(stored.new_key("full")) as client:
        with a_full_disk_in_place_of(pictures_of(stored)):
            task = finish(client, submit(client)["id"])
            assert_refunded(stored, task)
            assert "the disk is full" in events(stored, "picture_store_failed", task["id"])[0]["reason"]
        assert_goes_on(stored, client)


async def fail_now(url: str, task_id: str) -> bool:
    database = Database(url, 2)
    await database.open()
    try:
        return await settle.fail(database, task_id, ErrorCode.SERVICE_ERROR, "Failed for a test")
    finally:
        await database.close()


def test_the_picture_of_a_task_that_failed_meanwhile_is_deleted(stored: Service) -> None:
    with stored.client(stored.new_key("failed-meanwhile")) as client:
        assert finish(client, submit(client)["id"])["status"] == "completed"
        with caught_drawing(stored, client) as task, private_postgres.attach(stored.data_dir) as server:
            before = files_in(pictures_of(stored))
            assert asyncio.run(fail_now(server.url, task["id"]))
        # One worker draws in order, so that the next task's end comes after what became of this one.
        later = finish(client, submit(client)["id"])
        added = eventually(lambda: files_in(pictures_of(stored)) - before)
        assert [path.name for path in added] == [later["results"][0].rsplit("/", 1)[1]]
        assert_refunded(stored, finish(client, task["id"]))
    stored.audit()
