"""Several `easel web` and `easel worker` processes on one database, each started separately.

The test process holds a private PostgreSQL. The others know only its URL, as with an external server. All of them share
one folder of pictures and one log.
"""

import asyncio
import itertools
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx2

from easel.actions import api_keys
from easel.actions.api_keys import IssuedKey, KeyOrder
from easel.assembly.installation import pepper
from easel.domain.credits import MICROCREDITS_PER_CREDIT
from easel.domain.secret import Secret
from easel.outside.postgres import private_postgres
from easel.store.database import Database
from tests.support.patience import eventually
from tests.support.ports import free_port
from tests.support.running_service import GENERATIONS, ORDER, Service

SECRET: Final = "one secret for all processes of a fleet"
PROCESS_STOP_S: Final = 60.0
CONNECTIONS: Final = 4
AT_ONCE: Final = 16
"""How many requests race at a time: as many as two web processes have connections to the database, since on a busy
machine those who wait for one may be told to come again."""
Settings = Mapping[str, str]
_Answer = TypeVar("_Answer")
_numbers = itertools.count(1)


class Fleet(Service):
    """One web process for each entry of `webs`, and one worker for each of `workers`. `more` are settings of all."""

    def __init__(self, folder: Path, webs: Sequence[Settings], workers: Sequence[Settings] = (), **more: str) -> None:
        super().__init__(folder, secret=SECRET, storage_url=str(folder / "shared"), **more)
        self.webs: list[subprocess.Popen[bytes]] = []
        self.workers: list[subprocess.Popen[bytes]] = []
        self.ports = [free_port() for _ in webs]
        self.url = f"http://127.0.0.1:{self.ports[0]}"
        self._web_settings = webs
        self._worker_settings = workers
        self.source: Path | None = None
        """Where processes that are started now import Easel from; None for this version."""
        self.direct_url = ""
        """The database's own URL, which leads past a pooler."""
        self._held = ExitStack()

    def start(self, *, wait: bool = True) -> None:
        """Start all processes at once, and wait until each is ready."""
        try:
            self._start()
            for process in [*self.webs, *self.workers] if wait else []:
                self._await_ready(process)
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        self.direct_url = self._start_database()
        for settings, port in zip(self._web_settings, self.ports, strict=True):
            self.webs.append(self._process(["web", "--port", str(port)], settings))
        for settings in self._worker_settings:
            self.workers.append(self._process(["worker"], settings))

    def _start_database(self) -> str:
        """Start the database, and name it in the processes' environment. Returns its own URL."""
        server = self._held.enter_context(private_postgres.attach(self.data_dir))
        self.environment["EASEL_DATABASE_URL"] = server.url
        return server.url

    def start_web(self, number: int) -> None:
        """Restart a web process that has ended, at its old address, and wait until it is ready."""
        _forget(self.webs[number])
        self.webs[number] = self._process(["web", "--port", str(self.ports[number])], self._web_settings[number])
        self._await_ready(self.webs[number])

    @contextmanager
    def web(self, settings: Settings, port: int) -> Iterator[subprocess.Popen[bytes]]:
        """Run another web process, unknown to the others, until the block ends."""
        process = self._process(["web", "--port", str(port)], settings)
        try:
            self._await_ready(process)
            yield process
        finally:
            process.terminate()
            _forget(process)

    def start_worker(self, settings: Settings | None = None) -> subprocess.Popen[bytes]:
        """Start another worker, and wait until it is ready."""
        self.workers.append(self._process(["worker"], settings or {}))
        self._await_ready(self.workers[-1])
        return self.workers[-1]

    @contextmanager
    def worker(self, settings: Settings | None = None) -> Iterator[subprocess.Popen[bytes]]:
        """Run another worker until the block ends."""
        process = self.start_worker(settings)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGCONT)
            process.terminate()
            process.wait(PROCESS_STOP_S)

    def _process(self, arguments: list[str], settings: Settings) -> subprocess.Popen[bytes]:
        own = {f"EASEL_{name.upper()}": value for name, value in settings.items()}
        if self.source is not None:
            own["PYTHONPATH"] = str(self.source)
        with self.log_file.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "easel", *arguments],
                env=self.environment | own, stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL,
            )  # fmt: skip

    def _await_ready(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        said = process.stdout.readline()
        assert said == b"ready\n", f"{process.args!r} did not start:\n{self.log_file.read_text()[-4000:]}"

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Stop all processes and then the database. Returns the highest exit status of those still running."""
        left = [process for process in [*self.webs, *self.workers] if process.poll() is None]
        for process in left:
            process.send_signal(signal.SIGCONT)
            process.send_signal(number)
        try:
            return max((abs(process.wait(PROCESS_STOP_S)) for process in left), default=0)
        finally:
            for process in [*self.webs, *self.workers]:
                process.kill()
                _forget(process)
            self._held.close()

    def client(self, key: str | None = None, web: int = 0) -> httpx2.Client:
        """An HTTP client of one of the web processes, with a key."""
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        return httpx2.Client(
            base_url=f"http://127.0.0.1:{self.ports[web]}", headers=headers, timeout=60, trust_env=False
        )

    @contextmanager
    def clients(self, key: str) -> Iterator[list[httpx2.Client]]:
        """A client for each web process, all with the same key."""
        with ExitStack() as stack:
            yield [stack.enter_context(self.client(key, web)) for web in range(len(self.ports))]

    def on_database(self, act: Callable[[Database], Awaitable[_Answer]]) -> _Answer:
        """Run a function of the store or of the actions on the database."""

        async def run() -> _Answer:
            database = Database(self.direct_url, CONNECTIONS)
            await database.open()
            try:
                return await act(database)
            finally:
                await database.close()

        return asyncio.run(run())

    def issue(self, account: str | None = None, credits: int = 100, **limits: Any) -> IssuedKey:
        """Issue a key, of a new account unless one is named."""
        order = KeyOrder(
            account or f"fleet-{next(_numbers)}", credits_microcredits=credits * MICROCREDITS_PER_CREDIT, **limits
        )
        keyed = pepper(Secret(SECRET))
        return self.on_database(lambda database: api_keys.issue(database, keyed, order))

    def race(self, key: str, count: int, body: object = ORDER) -> list[httpx2.Response]:
        """Send orders with one key concurrently, to the web processes in turn, and return the answers."""

        async def run() -> list[httpx2.Response]:
            async with httpx2.AsyncClient(
                headers={"authorization": f"Bearer {key}"},
                limits=httpx2.Limits(max_connections=AT_ONCE),
                timeout=60,
                trust_env=False,
            ) as client:
                urls = [f"http://127.0.0.1:{port}{GENERATIONS}" for port in self.ports]
                orders = (client.post(urls[number % len(urls)], json=body) for number in range(count))
                return await asyncio.gather(*orders)

        return asyncio.run(run())


def _forget(process: subprocess.Popen[bytes]) -> None:
    process.wait(PROCESS_STOP_S)
    assert process.stdout is not None
    process.stdout.close()


def await_workers(client: httpx2.Client, count: int) -> None:
    """Wait until this many workers are known to be alive."""
    eventually(lambda: client.get("/readyz").json()["workers"] == count)
