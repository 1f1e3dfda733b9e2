"""Completes tasks of a fleet without workers as a worker would: stores the picture, ends the task, notifies
listeners."""

from typing import Any, Final

import httpx2

from easel.actions import settle
from easel.domain import link
from easel.domain.picture import object_name
from easel.domain.secret import Secret
from easel.outside.pictures.storage import Pictures
from easel.store.database import Database
from easel.store.endings import Completion
from tests.support.running_fleet import SECRET, Fleet
from tests.support.running_service import read_task

CONTENT: Final = b"RIFF and what follows"


def picture_name(task_id: str) -> str:
    """The name that a worker would store the task's picture under."""
    return link.picture_name(task_id, Secret(SECRET).derive("picture names"), ".webp")


def complete(fleet: Fleet, task_id: str) -> None:
    """Store a picture and complete the task."""

    async def act(database: Database) -> None:
        await Pictures(str(fleet.data_dir / "shared")).put(object_name(picture_name(task_id)), CONTENT, "image/webp")
        outcome = Completion("blank", 1, picture_name(task_id), len(CONTENT))
        assert await settle.complete(database, task_id, outcome)

    fleet.on_database(act)


def completed(fleet: Fleet, client: httpx2.Client, task_id: str) -> dict[str, Any]:
    """Complete the task, and return it as a client reads it."""
    complete(fleet, task_id)
    task = read_task(client, task_id)
    assert task["status"] == "completed"
    return task
