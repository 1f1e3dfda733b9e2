"""Several versions side by side: a running earlier one continues beside this one, and can no longer be started."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from easel.supervisor import EXIT_UNUSABLE
from tests.support.data_folders import reachable_folder
from tests.support.earlier_easel import source_of
from tests.support.ports import free_port
from tests.support.running_fleet import Fleet
from tests.support.running_service import finish, submit

LAST: Final = "c62cec2"
FIRST: Final = "8d7ea70"
"""It knows of no limits, and counts nothing for a key but what it has spent."""
PRICE: Final = 26_000
STEP_S: Final = "0.02"


class Mixed(Fleet):
    """The web process and worker of an earlier version, and then this version's, on one database."""

    def __init__(self, folder: Path, source: Path) -> None:
        super().__init__(folder, webs=[{}], workers=[{}], blank_step_s=STEP_S)
        self._earlier = self.source = source

    def start_this_web(self) -> None:
        """A web process of this version, as all that is started from now on; it brings the database up to date."""
        self.source = None
        self.ports.append(free_port())
        self.webs.append(self._process(["web", "--port", str(self.ports[1])], {}))
        self._await_ready(self.webs[1])

    def refuse_earlier(self, command: str) -> None:
        """Start a process of the earlier version, which has to exit at once."""
        late = subprocess.run(
            [sys.executable, "-m", "easel", command],
            env=self.environment | {"PYTHONPATH": str(self._earlier)},
            capture_output=True, text=True, check=False, timeout=30,
        )  # fmt: skip
        assert late.returncode == EXIT_UNUSABLE
        assert "was last used by a newer Easel" in late.stderr

    def key(self) -> str:
        """A key created by the earlier version."""
        made = subprocess.run(
            [sys.executable, "-m", "easel", "keys", "create", "--account", "mixed", "--credits", "5", "--json"],
            env=self.environment | {"PYTHONPATH": str(self._earlier)}, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return str(json.loads(made.stdout)["key"])

    def end_worker(self) -> None:
        """Stop the running worker."""
        worker = self.workers.pop()
        worker.terminate()
        assert worker.wait(20) == 0
        assert worker.stdout is not None
        worker.stdout.close()

    def counts(self) -> tuple[int, ...]:
        with self.database() as connection:
            row = connection.execute(
                "SELECT used_microcredits, reserved_microcredits, unfinished FROM api_keys"
            ).fetchone()
        assert row is not None
        return row


@pytest.mark.parametrize("commit", [LAST, FIRST])
def test_a_running_earlier_version_keeps_working_beside_this_one_and_the_ledger_stays_right(commit: str) -> None:
    with reachable_folder() as folder, Mixed(folder, source_of(commit, folder / "earlier")) as fleet:
        key = fleet.key()
        with fleet.client(key, web=0) as earlier:
            in_flight = [submit(earlier)["id"] for _ in range(4)]
        fleet.start_this_web()
        with fleet.client(key, web=0) as earlier, fleet.client(key, web=1) as this:
            in_flight += [submit(client)["id"] for client in (this, earlier, this)]
            for task_id in in_flight:
                assert finish(this, task_id)["status"] == "completed"
            assert fleet.counts() == (7 * PRICE, 0, 0)

            fleet.end_worker()
            waiting = [submit(client)["id"] for client in (earlier, this, earlier, this)]
            assert this.post(f"/v1/tasks/{waiting.pop()}/cancel").status_code == 200
            assert fleet.counts() == (7 * PRICE, 3 * PRICE, 3)
            fleet.start_worker()
            for task_id in waiting:
                assert finish(earlier, task_id)["status"] == "completed"
        assert fleet.counts() == (10 * PRICE, 0, 0)
        fleet.audit()
        for command in ("worker", "web"):
            fleet.refuse_earlier(command)
