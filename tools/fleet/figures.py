"""What a run of the fleet found: read from the tasks' rows, and printed as one column of a table."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, LiteralString, NamedTuple

import msgspec
import psycopg

from tools.fleet.customers import CustomersFound

_COMPLETED: Final[LiteralString] = """
    SELECT count(*) / %(seconds)s::float FROM tasks
    WHERE status = 'completed' AND ended_at BETWEEN %(since)s AND %(since)s + make_interval(secs => %(seconds)s)
"""
# From the arrival of the order to the start of its drawing.
_DELAY: Final[LiteralString] = """
    SELECT count(*), coalesce(percentile_cont(0.5) WITHIN GROUP (ORDER BY delay_ms), 0),
        coalesce(percentile_cont(0.99) WITHIN GROUP (ORDER BY delay_ms), 0)
    FROM (
        SELECT 1000 * extract(epoch FROM tasks.started_at - tasks.created_at)::float AS delay_ms
        FROM tasks JOIN accounts ON accounts.id = tasks.account_id
        WHERE (accounts.name = 'account-0') = %(floods)s AND tasks.started_at IS NOT NULL
            AND tasks.created_at BETWEEN %(since)s AND %(since)s + make_interval(secs => %(seconds)s)
    ) AS begun
"""


class Delay(msgspec.Struct, frozen=True):
    """How many tasks were begun, and how long they waited for it."""

    tasks: int
    p50_ms: float
    p99_ms: float


class Run(msgspec.Struct, frozen=True):
    """One run. `cores` are the processor seconds a second of each part."""

    name: str
    seconds: float
    completed_per_s: float
    polls_per_s: float
    ordinary: Delay
    flooding: Delay
    answered_p50_ms: float
    answered_p99_ms: float
    refused: int
    unavailable: int
    server_connections: int
    cores: Mapping[str, float]

    @property
    def cpu_ms(self) -> Mapping[str, float]:
        """The processor time of each part for one task."""
        return {name: 1000 * cores / max(self.completed_per_s, 1e-9) for name, cores in self.cores.items()}

    @property
    def per_two_cores(self) -> float:
        """How many tasks a second two cores would carry without the simulated workers, which run elsewhere in
        earnest."""
        return 2000 / max(sum(ms for name, ms in self.cpu_ms.items() if name not in SIMULATED), 1e-9)


SIMULATED: Final = ("simulated workers", "clients")


class Measured(NamedTuple):
    """What was measured during a run that began at `since`, by the database's clock."""

    name: str
    seconds: float
    since: datetime
    cores: Mapping[str, float]
    polls_per_s: float
    unavailable: int
    server_connections: int
    customers: CustomersFound


def run_of(url: str, measured: Measured) -> Run:
    """The figures of a run, with what the tasks' rows say about it."""
    values = {"since": measured.since, "seconds": measured.seconds}
    with psycopg.connect(url) as connection:
        (completed_per_s,) = connection.execute(_COMPLETED, values).fetchone() or (0.0,)
        ordinary, flooding = (
            connection.execute(_DELAY, {**values, "floods": floods}).fetchone() or (0, 0.0, 0.0)
            for floods in (False, True)
        )
    customers = measured.customers
    return Run(
        name=measured.name,
        seconds=measured.seconds,
        completed_per_s=completed_per_s,
        polls_per_s=measured.polls_per_s,
        ordinary=Delay(*ordinary),
        flooding=Delay(*flooding),
        answered_p50_ms=customers.answered_p50_ms,
        answered_p99_ms=customers.answered_p99_ms,
        refused=customers.refused,
        unavailable=measured.unavailable,
        server_connections=measured.server_connections,
        cores=measured.cores,
    )


def rows(run: Run) -> dict[str, str]:
    """The run as it is printed."""
    shown = {
        "tasks completed": f"{run.completed_per_s:.0f}/s",
        "delay of ordinary accounts, p50 / p99": f"{run.ordinary.p50_ms:.0f} / {run.ordinary.p99_ms:.0f} ms",
        "delay of the flooding account, p50": f"{run.flooding.p50_ms:,.0f} ms" if run.flooding.tasks else "–",
        "orders of ordinary accounts": f"{run.ordinary.tasks / run.seconds:.0f}/s",
        "their answer, p50 / p99": f"{run.answered_p50_ms:.0f} / {run.answered_p99_ms:.0f} ms",
        "looks that found nothing": f"{run.polls_per_s:.0f}/s",
        "connections of the server": f"{run.server_connections}",
        "refused, unavailable": f"{run.refused}, {run.unavailable}",
    }
    shown |= {f"cores: {name}": f"{cores:.2f}" for name, cores in run.cores.items()}
    cpu_ms = sum(ms for name, ms in run.cpu_ms.items() if name not in SIMULATED)
    return shown | {
        "processor per task, without the simulation": f"{cpu_ms:.2f} ms",
        "so two cores carry": f"{run.per_two_cores:.0f}/s",
    }
