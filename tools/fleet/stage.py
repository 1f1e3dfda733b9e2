"""Everything that a run of the fleet starts, and the processor time that each part uses.

All of it listens on sockets in a temporary folder or on loopback, and is stopped when the block ends.
"""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import msgspec

from easel.actions import api_keys
from easel.actions.api_keys import KeyOrder
from easel.assembly.installation import pepper
from easel.domain.credits import MICROCREDITS_PER_CREDIT
from easel.domain.secret import Secret
from easel.store import schema
from easel.store.database import Database
from tools.fleet.crew import CrewFound, CrewPlan
from tools.own_server.pgbouncer import PgBouncer
from tools.own_server.postgres import OwnPostgres, stop, wait_until

CREWS: Final = 2
"""How many processes the simulated workers are spread over."""
START_S_MAX: Final = 60.0
SECRET: Final = "a simulated fleet needs a secret of 32 characters"  # noqa: S105 - of a temporary database
LIMITS: Final = {
    "EASEL_CREATES_PER_MINUTE": "1000000",
    "EASEL_READS_PER_MINUTE": "1000000",
    "EASEL_UNFINISHED_MAX": "2000",
    "EASEL_BACKLOG_MAX": "1000000",
}
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")


class Stage:
    """One database, the web processes, and the simulated workers."""

    def __init__(self, folder: Path, connections_max: int, pool_size: int | None) -> None:
        self._folder = folder
        self.server = OwnPostgres(folder, connections_max)
        self.pooler = None if pool_size is None else PgBouncer(self.server, pool_size)
        self.ports: list[int] = []
        self._crews: list[subprocess.Popen[str]] = []
        self._webs: list[subprocess.Popen[bytes]] = []
        self._held = ExitStack()

    @contextmanager
    def running(self, webs: int, plan: CrewPlan) -> Iterator[None]:
        """Run everything until the block ends. The plan is that of one crew, without its URL."""
        with self._held:
            self._held.callback(self.server.stop)
            self.server.create()
            if self.pooler is not None:
                self._held.callback(self.pooler.stop)
                self.pooler.start()
            for _ in range(webs):
                self._start_web()
            url = self.server.url if self.pooler is None else self.pooler.url
            ready = msgspec.structs.replace(plan, url=url, is_pooled=self.pooler is not None, prepares=self._prepares())
            for _ in range(CREWS):
                self._start_crew(ready)
            for crew in self._crews:
                assert crew.stdout is not None
                assert crew.stdout.readline() == "ready\n", "a crew did not start"
            yield

    async def issue_keys(self, count: int) -> list[str]:
        """Keys of so many new accounts."""
        await schema.prepare(self.server.url, Secret(SECRET))
        database = Database(self.server.url, 2)
        await database.open()
        orders = [
            KeyOrder(f"account-{number}", credits_microcredits=10**6 * MICROCREDITS_PER_CREDIT)
            for number in range(count)
        ]
        try:
            return [(await api_keys.issue(database, pepper(Secret(SECRET)), order)).key for order in orders]
        finally:
            await database.close()

    def crews_found(self) -> CrewFound:
        """What the simulated workers did so far, all together."""
        found = []
        for crew in self._crews:
            assert crew.stdin is not None
            assert crew.stdout is not None
            crew.stdin.write("\n")
            crew.stdin.flush()
            found.append(msgspec.json.decode(crew.stdout.readline(), type=CrewFound))
        return CrewFound(*(sum(getattr(each, name) for each in found) for name in CrewFound.__struct_fields__))

    def cpu_s(self) -> Mapping[str, float]:
        """Processor seconds that each part has used so far."""
        parts = {
            "web": [web.pid for web in self._webs],
            "PostgreSQL": [self.server.pid],
            "pooler": [] if self.pooler is None else [self.pooler.pid],
            "simulated workers": [crew.pid for crew in self._crews],
        }
        return {name: sum(_cpu_s(pid) for pid in pids) for name, pids in parts.items()}

    def _prepares(self) -> bool:
        return self.pooler is None or self.pooler.kind == "transaction-prepared"

    def _start_web(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = int(probe.getsockname()[1])
        own = {
            "EASEL_DATABASE_URL": self.server.url if self.pooler is None else self.pooler.url,
            "EASEL_DATA_DIR": str(self._folder),
            "EASEL_SECRET": SECRET,
            "EASEL_ENGINE": "blank",
            "EASEL_LOG_FORMAT": "json",
            **LIMITS,
        }
        if self.pooler is not None:
            own |= {"EASEL_DATABASE_POOLER": self.pooler.kind, "EASEL_DATABASE_DIRECT_URL": self.server.url}
        clean = {name: value for name, value in os.environ.items() if not name.startswith("EASEL_")}  # noqa: TID251
        with (self._folder / "web.log").open("ab") as log:
            web = subprocess.Popen(
                [sys.executable, "-m", "easel", "web", "--port", str(port)],
                env=clean | own, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log,
            )  # fmt: skip
        self._held.callback(stop, web, signal.SIGTERM)
        assert wait_until(lambda: _accepts(port), START_S_MAX), "a web process did not start"
        self.ports.append(port)
        self._webs.append(web)

    def _start_crew(self, plan: CrewPlan) -> None:
        crew = subprocess.Popen(
            [sys.executable, "-m", "tools.fleet.crew", msgspec.json.encode(plan).decode()],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._held.callback(stop, crew, signal.SIGKILL)
        self._crews.append(crew)


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _cpu_s(pid: int) -> float:
    """Processor time of a process, its children, and the children that have ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / _TICKS_PER_S + sum(_cpu_s(int(child)) for child in children)


def between(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """The difference of two readings, by part."""
    return {name: after[name] - before[name] for name in after}
