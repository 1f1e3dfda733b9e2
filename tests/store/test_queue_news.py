"""Workers are notified of waiting tasks, also after a restart of the database, instead of finding them by polling."""

import os
import signal
import statistics
import time
from datetime import datetime
from pathlib import Path

from easel.domain.fleet import POLL_S_MAX
from tests.support.faults import await_draw, postgres_of
from tests.support.patience import eventually
from tests.support.running_service import GENERATIONS, ORDER, Service, submit

DRAWS = 6


def waits_s(service: Service, key: str) -> list[float]:
    """Seconds from each response to the start of its drawing, for tasks sent one at a time."""
    waits = []
    with service.client(key) as client:
        for number in range(DRAWS):
            task_id = submit(client)["id"]
            answered_s = datetime.now().astimezone().timestamp()
            waits.append(await_draw(service, task_id) - answered_s)
            # Out of step with the polls.
            time.sleep(0.3 + 0.07 * number)
    return waits


def test_a_worker_is_notified_of_tasks_before_and_after_a_restart_of_the_database(data_dir: Path) -> None:
    with Service(data_dir) as service:
        key = service.new_key("studio")
        assert statistics.median(waits_s(service, key)) < POLL_S_MAX / 5
        old = postgres_of(data_dir)[0]
        os.kill(old, signal.SIGINT)
        eventually(lambda: postgres_of(data_dir)[:1] not in ([], [old]))

        def is_back() -> bool:
            with service.client(key) as client:
                return client.post(GENERATIONS, json=ORDER).status_code == 200

        eventually(is_back)
        time.sleep(2 * POLL_S_MAX)
        assert statistics.median(waits_s(service, key)) < POLL_S_MAX / 5
