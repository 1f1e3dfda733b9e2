"""`easel serve` as the first process of a PID namespace, as in a container without an init of its own."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.support.data_folders import prepared_folder
from tests.support.patience import eventually
from tests.support.running_service import START_TIMEOUT_S, STOP_TIMEOUT_S, Service, finish, submit

FIRST: Final = 1


class Contained(Service):
    """A service whose first process has a PID namespace of its own. `first` is its id outside of it."""

    first: int

    def start(self, *, wait: bool = True) -> None:
        with self.log_file.open("ab") as log:
            offset = log.tell()
            self.process = subprocess.Popen(
                ["unshare", "-fp", "--mount-proc", sys.executable, "-m", "easel", "serve", "--port", str(self.port)],
                env=self.environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        eventually(lambda: self._is_ready(offset), START_TIMEOUT_S)
        self.first = int(Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text())

    def within(self, *command: str) -> str:
        """Run a command inside, and return its output."""
        enter = ["nsenter", "--target", str(self.first), "--pid", "--mount"]
        return subprocess.run([*enter, *command], capture_output=True, text=True, check=True).stdout

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Signal the first process, and wait for the status that it leaves; for `unshare` to end is not enough."""
        process, self.process = self.process, None
        if process is None:
            return 0
        if process.poll() is None:
            os.kill(self.first, number)
        return process.wait(STOP_TIMEOUT_S)

    def children(self) -> list[tuple[int, str]]:
        """The first process's children: ids inside, and states."""
        rows = (line.split() for line in self.within("ps", "-e", "-o", "pid=,ppid=,stat=").splitlines())
        return [(int(pid), state) for pid, parent, state in rows if int(parent) == FIRST]


@pytest.fixture(scope="module")
def contained() -> Iterator[Contained]:
    permitted = shutil.which("unshare") and shutil.which("nsenter") and shutil.which("ps")
    if not permitted or subprocess.run(["unshare", "-fp", "--mount-proc", "true"], capture_output=True).returncode != 0:
        pytest.skip("this system lets nobody have a PID namespace of its own (unshare)")
    with prepared_folder() as folder, Contained(folder) as service:
        yield service


def test_the_first_process_reaps_orphans_and_leaves_the_services_children_alone(contained: Contained) -> None:
    # Each outlives the shell that began it, and so becomes a child of the first process.
    contained.within("sh", "-c", "for n in 1 2 3 4 5 6 7 8; do (sleep 0.1 &); done")
    eventually(lambda: len(contained.children()) == 1, every_s=0.2)
    with contained.client(contained.new_key("contained")) as client:
        assert finish(client, submit(client)["id"])["status"] == "completed"
    worker = contained.child_pid("worker 1")
    contained.within("kill", "-9", str(worker))
    died = eventually(lambda: [line for line in contained.log_lines() if line["event"] == "child_exited"], every_s=0.2)
    assert died[0]["status"] == -signal.SIGKILL
    eventually(lambda: contained.child_pid("worker 1") != worker, START_TIMEOUT_S, every_s=0.2)
    eventually(lambda: not [state for _, state in contained.children() if state.startswith("Z")], every_s=0.2)


def test_a_signal_to_the_first_process_stops_the_service_cleanly(contained: Contained) -> None:
    assert contained.stop() == 0
    assert "Traceback" not in contained.log_file.read_text()
    assert not [line for line in contained.log_lines() if line["level"] in {"error", "critical"}]
    contained.start()


def test_the_first_process_exits_with_the_services_status(data_dir: Path) -> None:
    command = ["unshare", "-fp", "--mount-proc", sys.executable, "-m", "easel", "serve"]
    if subprocess.run([*command[:3], "true"], capture_output=True).returncode != 0:
        pytest.skip("this system lets nobody have a PID namespace of its own (unshare)")
    refused = Service(data_dir, port="many")
    ran = subprocess.run(command, env=refused.environment, capture_output=True, text=True)
    assert ran.returncode == 78
    assert "EASEL_PORT" in ran.stderr
