"""Readings of what other parts of a process know: its database connections and its engine."""

import platform
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Final

from easel.engines.engine import Engine, HasDeviceMemory, HasServers
from easel.live import measured
from easel.live.circuit_breaker import CircuitBreaker
from easel.live.instruments import Reading, gauge
from easel.store.database import Database, RelaxedDatabase

Source = Callable[[], Coroutine[Any, Any, Sequence[Reading]]]
"""Something that takes readings."""
_POOL: Final = "easel_database_pool_"


def of_this_process(version: str) -> Source:
    """All instruments, and the version of Easel."""
    versions = ((version, platform.python_version()), 1)
    build = gauge("easel_build_info", "The version of Easel and of Python. The value is 1.", versions,
                  labels=("version", "python"))  # fmt: skip

    async def read() -> Sequence[Reading]:
        return [build, *(instrument.read() for instrument in measured.INSTRUMENTS)]

    return read


def of_pools(pools: Mapping[str, Database | RelaxedDatabase]) -> Source:
    """The connections of pools by their names."""

    async def read() -> Sequence[Reading]:
        stats = {name: pool.pool_figures() for name, pool in pools.items()}

        def values(pick: str) -> list[tuple[tuple[str, ...], float]]:
            return [((name,), each.get(pick, 0)) for name, each in stats.items()]

        def values_s(pick: str) -> list[tuple[tuple[str, ...], float]]:
            return [((name,), each.get(pick, 0) / 1000) for name, each in stats.items()]

        labels = ("pool",)
        return [
            gauge(f"{_POOL}connections_max", "Connections that a pool may open.", *values("pool_max"), labels=labels),
            gauge(f"{_POOL}connections", "Open connections of a pool.", *values("pool_size"), labels=labels),
            gauge(f"{_POOL}connections_idle", "Connections that nobody uses.", *values("pool_available"),
                  labels=labels),
            gauge(f"{_POOL}requests_waiting", "Who waits for a connection now.", *values("requests_waiting"),
                  labels=labels),
            Reading("counter", f"{_POOL}requests", "Uses of a connection.", labels, values("requests_num")),
            Reading("counter", f"{_POOL}wait_seconds", "Time spent waiting for connections.", labels,
                    values_s("requests_wait_ms")),
            Reading("counter", f"{_POOL}usage_seconds", "Time during which connections were in use.", labels,
                    values_s("usage_ms")),
            Reading("counter", f"{_POOL}errors", "Requests for a connection that got none in time.", labels,
                    values("requests_errors")),
            Reading("counter", f"{_POOL}lost", "Connections that were found dead.", labels,
                    values("connections_lost")),
        ]  # fmt: skip

    return read


def of_engine(engine: Engine, breaker: CircuitBreaker) -> Source:
    """The engine of a worker: whether it is paused, and its device or servers if it knows any."""

    async def read() -> Sequence[Reading]:
        found = [
            gauge("easel_engine_paused", "1 while the worker takes no tasks because its engine fails, otherwise 0.",
                  ((engine.name,), float(breaker.reason is not None)), labels=("engine",)),
        ]  # fmt: skip
        if isinstance(engine, HasDeviceMemory):
            kinds = engine.device_memory_bytes()
            found.append(
                gauge("easel_device_memory_bytes", "Memory of the worker's device, by kind.",
                      *(((kind,), size) for kind, size in kinds.items()), labels=("kind",))
            )  # fmt: skip
        if isinstance(engine, HasServers):
            states = engine.servers_in_use()
            found.append(
                gauge("easel_image_server_up", "1 if an image server gets draws, 0 while it is left alone.",
                      *(((address,), float(is_up)) for address, is_up in states.items()), labels=("server",))
            )  # fmt: skip
        return found

    return read
