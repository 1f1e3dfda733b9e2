"""Shared by fault tests: the processes of a data folder, and clients that produce load.

It reads /proc, so it finds processes only on Linux.
"""

import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx2

from tests.support.patience import PATIENCE_S, eventually
from tests.support.running_service import GENERATIONS, ORDER, Service


def processes_of(folder: Path) -> dict[int, str]:
    """The living processes of an installation, found by environment, command line or working directory."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes()
            where = (process / "cwd").readlink()
            said = line + b"\0" + (process / "environ").read_bytes()
        except OSError:
            continue
        if line and (str(folder).encode() in said or where.is_relative_to(folder)):
            found[int(process.name)] = line.replace(b"\0", b" ").decode(errors="replace").strip()
    return found


def postgres_of(folder: Path) -> list[int]:
    """The private server's processes, the postmaster first. Empty while there is no server."""
    found = processes_of(folder)
    first = [pid for pid, line in found.items() if f"postgres -D {folder}" in line]
    return first and [*first, *(pid for pid, line in found.items() if line.startswith("postgres: "))]


def assert_nothing_runs(folder: Path, within_s: float = PATIENCE_S) -> None:
    """Fails if a process of the installation is still alive after `within_s`."""
    eventually(lambda: not processes_of(folder), within_s)


def events(service: Service, name: str, task_id: str | None = None) -> list[dict[str, Any]]:
    """The log events with this name, of one task or of all."""
    lines = [line for line in service.log_lines() if line["event"] == name]
    return [line for line in lines if task_id is None or line.get("task_id") == task_id]


def await_draw(service: Service, task_id: str, times: int = 1) -> float:
    """Wait until a task's draw has started this often, and return the Unix time of the last start."""
    eventually(lambda: len(events(service, "draw_started", task_id)) >= times, every_s=0.02)
    return datetime.fromisoformat(events(service, "draw_started", task_id)[times - 1]["timestamp"]).timestamp()


def deaths(service: Service, task_id: str) -> int:
    """The number of worker deaths that a task is blamed for."""
    with service.database() as connection:
        row = connection.execute("SELECT worker_deaths FROM tasks WHERE id = %s", (task_id,)).fetchone()
    assert row is not None
    return int(row[0])


def entries(service: Service, task_id: str) -> list[str]:
    """The kinds of a task's entries in the ledger, in order."""
    with service.database() as connection:
        rows = connection.execute("SELECT kind FROM ledger WHERE cause = %s ORDER BY id", (task_id,)).fetchall()
    return [kind for (kind,) in rows]


@contextmanager
def another_worker(service: Service, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run another `easel worker` until the block ends."""
    environment = service.environment | {f"EASEL_{name.upper()}": value for name, value in settings.items()}
    with service.log_file.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "easel", "worker"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=log,
            stdin=subprocess.DEVNULL,
        )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"ready\n"
        yield process
    finally:
        process.terminate()
        process.wait(PATIENCE_S)
        process.stdout.close()


def assert_picture_is_there(client: httpx2.Client, task: dict[str, Any]) -> None:
    """Fails unless the task is completed and its link leads to a picture."""
    assert task["status"] == "completed", task
    response = client.get(task["results"][0])
    assert response.status_code == 200
    assert response.content[:4] == b"RIFF"


@dataclass
class Load:
    """What clients observed: answers by status, failures by name, accepted tasks and when they were accepted."""

    accepted: list[str] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    accepted_at_s: list[float] = field(default_factory=list)
    slowest_s: float = 0.0
    without_retry_after: int = 0

    def meet(self, response: httpx2.Response, took_s: float) -> None:
        """Record an answer."""
        self.statuses[response.status_code] += 1
        self.slowest_s = max(self.slowest_s, took_s)
        if response.status_code == 503 and "retry-after" not in response.headers:
            self.without_retry_after += 1

    def recovered_after_s(self, since_s: float) -> float:
        """Seconds from `since_s` (monotonic) to the next accepted task after the longest pause since then."""
        later = [at_s for at_s in self.accepted_at_s if at_s >= since_s]
        pauses = [(after - before, after) for before, after in zip([since_s, *later], later, strict=False)]
        return max(pauses)[1] - since_s


@contextmanager
def load(service: Service, key: str, clients: int = 3, every_s: float = 0.03) -> Iterator[Load]:
    """Run clients that order pictures and read tasks until the block ends, each request on its own connection."""
    met = Load()
    is_over = threading.Event()

    def ask(client: httpx2.Client, act: Callable[[httpx2.Client], httpx2.Response]) -> httpx2.Response | None:
        started_s = time.monotonic()
        try:
            response = act(client)
        except httpx2.HTTPError as error:
            met.failures[type(error).__name__] += 1
            return None
        met.meet(response, time.monotonic() - started_s)
        return response

    def work() -> None:
        while not is_over.wait(every_s):
            with service.client(key) as client:
                created = ask(client, lambda client: client.post(GENERATIONS, json=ORDER))
                if created is None or created.status_code != 200:
                    continue
                task_id = created.json()["id"]
                met.accepted.append(task_id)
                met.accepted_at_s.append(time.monotonic())
                ask(client, lambda client: client.get(f"/v1/tasks/{task_id}"))  # noqa: B023 - called at once

    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield met
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


def assert_all_drawn(service: Service, key: str, task_ids: list[str], timeout_s: float = 2 * PATIENCE_S) -> None:
    """Fails unless each accepted task completes in time and is charged once, and nothing else is charged."""
    give_up_s = time.monotonic() + timeout_s
    with service.client(key) as client:
        for task_id in task_ids:
            task = eventually(lambda: ended(client, task_id), max(1.0, give_up_s - time.monotonic()))  # noqa: B023 - called at once
            assert task["status"] == "completed", task
    with service.database() as connection:
        rows = connection.execute(
            "SELECT cause, count(*) FROM ledger WHERE kind = 'capture' AND cause = ANY (%s) GROUP BY cause", (task_ids,)
        ).fetchall()
    assert {(cause, count) for cause, count in rows} == {(task_id, 1) for task_id in task_ids}


def ended(client: httpx2.Client, task_id: str) -> dict[str, Any]:
    """A task that has ended; empty if it has not, or while the service is still unavailable after a fault."""
    response = client.get(f"/v1/tasks/{task_id}")
    if response.status_code == 503:
        return {}
    assert response.status_code == 200, response.text
    task: dict[str, Any] = response.json()
    return task if task["status"] in {"completed", "failed"} else {}


@contextmanager
def a_file_in_place_of(folder: Path) -> Iterator[None]:
    """Make storage fail: a file takes the place of its folder until the block ends."""
    aside = folder.with_name("aside")
    folder.rename(aside)
    folder.write_text("not a folder")
    try:
        yield
    finally:
        folder.unlink()
        aside.rename(folder)
