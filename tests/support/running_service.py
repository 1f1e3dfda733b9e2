"""A whole service for tests: real processes, a real database, real sockets on loopback.

`Service` starts `easel serve` on a data folder of its own and speaks to it as an operator (the command line) and as a
client (HTTP).
"""

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2
import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from easel.actions import api_keys
from easel.actions.api_keys import KeyOrder
from easel.assembly.installation import pepper
from easel.domain.credits import parse_credits
from easel.domain.secret import Secret
from easel.outside.data_folder.secret_file import ensure_secret
from easel.outside.postgres import private_postgres
from easel.store import schema
from easel.store.database import Database
from tests.support import command_line
from tests.support.command_line import environment
from tests.support.patience import PATIENCE_S, eventually
from tests.support.ports import free_port

START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 60.0
GENERATIONS = "/v1/images/generations"
NO_NAMESERVER = "127.0.0.1:9"
"""Nothing answers there: a callback to a name that a test made up must not leave the machine."""
ORDER: dict[str, Any] = {"model": "z-image-turbo", "prompt": "a cute cat", "size": "376x376"}


class Service:
    """An `easel serve`, with the blank engine unless `settings` name another."""

    def __init__(self, data_dir: Path, **settings: str) -> None:
        self.data_dir = data_dir
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = environment(
            EASEL_DATA_DIR=str(data_dir), EASEL_ENGINE="blank", EASEL_LOG_FORMAT="json", EASEL_DRAIN_TIMEOUT_S="10",
            EASEL_CALLBACK_NAMESERVERS=NO_NAMESERVER,
        )  # fmt: skip
        self.environment |= {f"EASEL_{name.upper()}": value for name, value in settings.items()}
        self.process: subprocess.Popen[bytes] | None = None
        self.log_file = data_dir / "serve.log"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.stop()

    def start(self, *, wait: bool = True) -> None:
        """Start it. Waits until the web process and all workers are ready, unless told not to."""
        with self.log_file.open("ab") as log:
            offset = log.tell()
            self.process = subprocess.Popen(
                [sys.executable, "-m", "easel", "serve", "--port", str(self.port)],
                env=self.environment,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        if not wait:
            return
        try:
            eventually(lambda: self._is_ready(offset), START_TIMEOUT_S)
        except AssertionError as error:
            # Otherwise it would go on running without its data folder, and what it said would be lost.
            self.stop()
            raise AssertionError(f"it did not become ready:\n{self.log_file.read_text()[-4000:]}") from error

    def _is_ready(self, offset: int) -> bool:
        assert self.process is not None
        text = self.log_file.read_bytes()[offset:].decode()
        assert self.process.poll() is None, text
        return " is ready at " in text

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Stop it cleanly, wait until it has exited, and return its exit status."""
        if self.process is None:
            return 0
        process, self.process = self.process, None
        if process.poll() is None:
            process.send_signal(number)
        try:
            return process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"it did not stop:\n{self.log_file.read_text()[-4000:]}") from None

    def kill(self) -> None:
        """Kill only `easel serve` itself, with SIGKILL."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self.process = None

    def log_lines(self) -> list[dict[str, Any]]:
        """All structured log events so far, without lines that a killed process left incomplete."""
        events = []
        for line in self.log_file.read_text().splitlines():
            with contextlib.suppress(json.JSONDecodeError):
                events.append(json.loads(line))
        return [event for event in events if isinstance(event, dict)]

    def child_pid(self, child: str) -> int:
        """The last announced process id of `web`, `worker 1` and so on."""
        pids = [line["pid"] for line in self.log_lines() if line["event"] == "child_started" and line["child"] == child]
        return int(pids[-1])

    def cli(self, *arguments: str, check: bool = True, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
        """Run `easel …` with the service's settings."""
        ran = command_line.run(arguments, self.environment, timeout_s=timeout_s)
        assert not check or ran.returncode == 0, ran.stdout + ran.stderr
        return ran

    def new_key(self, account: str, credits: str = "100", *options: str) -> str:
        """Create a key of an account, with the command line if there are options."""
        if not options and not {"EASEL_DATABASE_URL", "EASEL_SECRET"} & self.environment.keys():
            secret = ensure_secret(self.data_dir)
            with private_postgres.attach(self.data_dir) as server:
                return asyncio.run(_issued(server.url, secret, account, credits))
        made = self.cli("keys", "create", "--account", account, "--credits", credits, "--json", *options)
        return str(json.loads(made.stdout)["key"])

    def client(self, key: str | None = None) -> httpx2.Client:
        """An HTTP client with a key."""
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        return httpx2.Client(base_url=self.url, headers=headers, timeout=30, trust_env=False)

    def audit(self) -> None:
        """Fails if an invariant of the audit is broken."""
        audited = self.cli("credits", "audit", check=False)
        assert audited.returncode == 0, audited.stdout + audited.stderr

    @contextmanager
    def database(self) -> Iterator[Connection[TupleRow]]:
        """A superuser connection to the private database, committed at the end of the block."""
        with private_postgres.attach(self.data_dir) as server, psycopg.connect(server.url) as connection:
            yield connection


async def _issued(database_url: str, secret: Secret, account: str, credits: str) -> str:
    await schema.prepare(database_url, secret)
    database = Database(database_url, connections_max=1)
    await database.open()
    try:
        amount = parse_credits(credits) if float(credits) else 0
        return (await api_keys.issue(database, pepper(secret), KeyOrder(account, credits_microcredits=amount))).key
    finally:
        await database.close()


def submit(client: httpx2.Client, **changes: Any) -> dict[str, Any]:
    """Place an order, and return its pending task."""
    response = client.post(GENERATIONS, json={**ORDER, **changes})
    assert response.status_code == 200, response.text
    task: dict[str, Any] = response.json()
    return task


def read_task(client: httpx2.Client, task_id: str) -> dict[str, Any]:
    """Read a task."""
    response = client.get(f"/v1/tasks/{task_id}")
    assert response.status_code == 200, response.text
    task: dict[str, Any] = response.json()
    return task


def finish(client: httpx2.Client, task_id: str, timeout_s: float = PATIENCE_S) -> dict[str, Any]:
    """Wait until a task has ended, and return it."""

    def ended() -> dict[str, Any] | None:
        task = read_task(client, task_id)
        return task if task["status"] in {"completed", "failed"} else None

    found = eventually(ended, timeout_s)
    assert found is not None
    return found
