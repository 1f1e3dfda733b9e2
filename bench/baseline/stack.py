"""The baseline's processes: a Redis of its own, one uvicorn, one Celery worker; started and stopped together.

Redis listens on a port of loopback, keeps its data in the given folder, and runs with appendonly yes and appendfsync
everysec. Celery forks two drawing processes, one per core, which is its default on two cores.
"""

import secrets
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import redis

from bench.baseline.record import key_record
from bench.contender import HOST, READY_TIMEOUT_S, Part, Unstartable, environment, free_port, python

CONCURRENCY: Final = 2
REDIS: Final = "redis-server"
WITHOUT_REDIS: Final = (
    "The baseline is left out: it needs `redis-server` on the PATH (on Debian: apt-get install redis-server)."
)


class Baseline:
    """FastAPI, Celery and Redis on one folder."""

    name = "FastAPI + Celery + Redis"

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._redis_port = free_port()
        self._folder = folder
        self._key = f"sk-{secrets.token_hex(24)}"
        self._is_key_stored = False
        self._parts: dict[str, Part] = {}
        pictures = folder / "pictures"
        pictures.mkdir()
        self._environment = environment(
            without="EASEL_",
            more={
                "BASELINE_REDIS_URL": f"redis://{HOST}:{self._redis_port}/0",
                "BASELINE_PICTURES": str(pictures),
            },
        )

    @staticmethod
    def is_possible() -> bool:
        """Whether Redis is installed."""
        return shutil.which(REDIS) is not None

    def start(self) -> None:
        """Start it without waiting: Redis first, because Celery waits for seconds if it finds none."""
        self._start("redis", [
            REDIS, "--port", str(self._redis_port), "--bind", HOST, "--dir", str(self._folder), "--save", "",
            "--appendonly", "yes", "--appendfsync", "everysec", "--daemonize", "no",
        ])  # fmt: skip
        self._await_redis()
        self._start("web", python(
            "uvicorn", "bench.baseline.app:app", "--host", HOST, "--port", str(self.port), "--workers", "1",
            "--loop", "uvloop", "--http", "httptools", "--no-access-log",
        ))  # fmt: skip
        self._start("worker", python(
            "celery", "--app", "bench.baseline.drawing", "worker", "--pool", "prefork",
            "--concurrency", str(CONCURRENCY), "--loglevel", "info",
        ))  # fmt: skip

    def _start(self, name: str, command: list[str]) -> None:
        self._parts[name] = Part(command, self._environment, self._folder / f"{name}.log")

    def _await_redis(self) -> None:
        """Wait until Redis answers, and store the key."""
        give_up_s = time.monotonic() + READY_TIMEOUT_S
        with redis.Redis(HOST, self._redis_port) as store:
            while True:
                try:
                    store.set(key_record(self._key), 1)
                    break
                except redis.exceptions.ConnectionError:
                    if time.monotonic() > give_up_s:
                        raise Unstartable(self._parts["redis"].log()[-2000:]) from None
                    time.sleep(0.01)
        self._is_key_stored = True

    def wait_until_ready(self) -> None:
        """Return when uvicorn serves and Celery takes tasks."""
        self._parts["web"].wait_for_line("Application startup complete")
        self._parts["worker"].wait_for_line(" ready.")

    def stop(self) -> None:
        """Stop what was started, Redis last."""
        for name in ("worker", "web", "redis"):
            part = self._parts.pop(name, None)
            if part is not None:
                part.stop()

    def first_key(self) -> str | None:
        """The one key."""
        return self._key if self._is_key_stored else None

    def keys(self, accounts: int) -> list[str]:
        """The one key: it has no accounts."""
        del accounts
        return [self._key]

    def parts(self) -> Mapping[str, int]:
        """Its three processes, Celery's children with their parent."""
        return {name: part.pid for name, part in self._parts.items()}
