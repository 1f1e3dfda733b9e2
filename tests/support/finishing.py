"""Tasks of a fleet without workers, finished by a test as a worker finishes them: picture stored, task completed, news told."""

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
NO_JOB: Final = 0


def picture_name(task_id: str) -> str:
    """The name under which a worker stores the task's picture."""
    return link.picture_name(task_id, Secret(SECRET).derive("picture names"), ".webp")


def complete(fleet: Fleet, task_id: str) -> None:
    """Store a picture and complete the task."""

    async def act(database: Database) -> None:
        await Pictures(str(fleet.data_dir / "shared")).put(object_name(picture_name(task_id)), CONTENT, "image/webp")
        outcome = Completion("blank", 1, picture_name(task_id), len(CONTENT))
        assert await settle.complete(database, task_id, outcome, NO_JOB)

    fleet.on_database(act)


def completed(fleet: Fleet, client: httpx2.Client, task_id: str) -> dict[str, Any]:
    """The task, completed, as its reader sees it."""
    complete(fleet, task_id)
    task = read_task(client, task_id)
    assert task["status"] == "completed"
    return task
