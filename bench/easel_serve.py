"""Easel as its operators run it: `easel serve` with the blank engine and a private PostgreSQL that flushes to disk."""

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psutil
import psycopg

from bench.contender import Part, Unstartable, environment, free_port, python
from easel.outside.postgres import private_postgres

UNLIMITED: Final = {
    "EASEL_CREATES_PER_MINUTE": "1000000",
    "EASEL_READS_PER_MINUTE": "1000000",
    "EASEL_UNFINISHED_MAX": "100000",
    "EASEL_BACKLOG_MAX": "1000000",
}
"""The limits that protect a service from its clients are lifted, because the clients are the measurement."""
CREDITS: Final = "10000"
WORKERS: Final = "2"
"""One per core, as in the baseline: if drawing takes no time, each worker keeps one core busy."""
_FIRST_KEY = re.compile(r"\n    (\S{20,})\n")


class EaselServe:
    """One data folder, served repeatedly."""

    name = "Easel"

    def __init__(self, folder: Path, **settings: str) -> None:
        self.port = free_port()
        self.environment = environment(
            without="EASEL_",
            more={
                "EASEL_DATA_DIR": str(folder),
                "EASEL_PORT": str(self.port),
                "EASEL_ENGINE": "blank",
                "EASEL_WORKERS": WORKERS,
                "EASEL_LOG_FORMAT": "json",
                "EASEL_DRAIN_TIMEOUT_S": "5",
                "EASEL_FIRST_CREDITS": CREDITS,
                **UNLIMITED,
                **settings,
            },
        )
        self._folder = folder
        self._log_file = folder / "serve.log"
        self._serve: Part | None = None
        self._first_key: str | None = None

    def start(self) -> None:
        """Start it without waiting."""
        self._serve = Part(python("easel", "serve"), self.environment, self._log_file)

    def wait_until_ready(self) -> None:
        """Wait until the web process and the workers are ready."""
        self._part().wait_for_line(" is ready at ")

    def stop(self) -> None:
        """Stop it and its PostgreSQL gracefully."""
        if self._serve is not None:
            part, self._serve = self._serve, None
            part.stop()

    def first_key(self) -> str | None:
        """The first key of a new data folder, which the log of the first start shows."""
        if self._first_key is None:
            shown = _FIRST_KEY.search(self._part().log())
            self._first_key = shown[1] if shown else None
            if self._part().process.poll() is not None:
                raise Unstartable(self._part().log()[-2000:])
        return self._first_key

    def keys(self, accounts: int) -> list[str]:
        """New keys for this many accounts, created with the command line."""
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(self._new_key, range(accounts)))

    def _new_key(self, number: int) -> str:
        made = subprocess.run(
            python("easel", "keys", "create", "--account", f"account-{number}", "--credits", CREDITS, "--json"),
            env=self.environment, capture_output=True, check=True, timeout=60,
        )  # fmt: skip
        return str(json.loads(made.stdout)["key"])

    def parts(self) -> Mapping[str, int]:
        """The children of `easel serve`."""
        ready = [line for line in self._part().log().splitlines() if '"child_started"' in line]
        children = {entry["child"]: int(entry["pid"]) for entry in map(json.loads, ready)}
        return {**dict(sorted(children.items())), "postgres": self._postgres_pid()}

    def callbacks_wanted_at(self) -> dict[str, float]:
        """The end of each ended task with a callback, in Unix seconds: the start of the transaction that ended it."""
        with self.superuser() as connection:
            query = "SELECT task_id, extract(epoch FROM created_at)::float FROM callbacks"
            return dict(connection.execute(query).fetchall())

    @contextmanager
    def superuser(self) -> Iterator[psycopg.Connection]:
        """A connection to its database that may read all statistics."""
        with private_postgres.attach(self._folder) as server, psycopg.connect(server.url) as connection:
            yield connection

    def _postgres_pid(self) -> int:
        children = psutil.Process(self._part().pid).children()
        return int(next(child.pid for child in children if child.name() == "postgres"))

    def _part(self) -> Part:
        assert self._serve is not None, "it is not running"
        return self._serve
