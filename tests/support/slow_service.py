"""A service that is slow enough for tests to act while it draws."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import httpx2

from tests.support.data_folders import prepared_folder
from tests.support.running_service import Service

STEP_S: Final = 0.2
STEPS: Final = 8
DRAW_S: Final = STEPS * STEP_S


@contextmanager
def slow_service(step_s: float = STEP_S) -> Iterator[Service]:
    """A service with one worker that takes STEPS times this long for a picture."""
    with prepared_folder() as folder, Service(folder, workers="1", blank_step_s=str(step_s)) as running:
        yield running


@contextmanager
def cancelling_client(service: Service, key: str) -> Iterator[httpx2.Client]:
    """A client whose unfinished tasks are cancelled at the end of the block."""
    with service.client(key) as client:
        yield client
        for task in client.get("/v1/tasks?status=processing&page_size=50").json()["data"]:
            client.post(f"/v1/tasks/{task['id']}/cancel")
