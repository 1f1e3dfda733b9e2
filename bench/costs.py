"""What one task costs: transactions, rows and WAL in PostgreSQL, and processor time of each process.

`python -m bench.costs` measures this alone, in about a minute. Processor time depends on the machine; everything else
is counted and is almost the same in every run, so a change can be judged by it on a busy machine too. With
`--statements` it also lists the statements, which takes a little processor time itself.
"""

import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import click
import psycopg

from bench import loads
from bench.contender import HOST
from bench.easel_serve import EaselServe
from bench.load.plans import Target, TasksFound, TasksPlan

ACCOUNTS: Final = 32
CONNECTIONS: Final = 32
TASKS: Final = 1600
WARM_UP_TASKS: Final = 200
TASKS_TIME_MAX_S: Final = 60.0
SETTLED_AFTER_S: Final = 11.0
"""A process of PostgreSQL adds what it counted to the statistics after ten idle seconds at the latest."""
IDLE_S: Final = 5.0
SHOWN_MIN: Final = 0.05
STATEMENTS_MAX: Final = 40
STATEMENT_SHOWN_MAX: Final = 160


class Rows(NamedTuple):
    """How many rows of a table were written."""

    inserted: float
    updated: float
    deleted: float


@dataclass(frozen=True, slots=True)
class Counts:
    """What PostgreSQL has counted so far, in total and by table: rows inserted, updated and deleted."""

    at_s: float
    totals: Mapping[str, float]
    tables: Mapping[str, Rows]

    @classmethod
    def of(cls, service: EaselServe) -> "Counts":
        """What is counted by now."""
        with service.superuser() as connection:
            transactions, wal_bytes = _row(
                connection,
                """
                SELECT xact_commit + xact_rollback, pg_current_wal_insert_lsn() - '0/0'
                FROM pg_stat_database WHERE datname = current_database()
                """,
            )
            tables = {
                name: Rows(float(inserted), float(updated), float(deleted))
                for name, inserted, updated, deleted in connection.execute(
                    "SELECT relname, n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_user_tables"
                ).fetchall()
            }
            (completed,) = _row(connection, "SELECT count(*) FROM tasks WHERE status = 'completed'")
        rows = [sum(kind) for kind in zip(*tables.values(), strict=True)]
        totals: dict[str, float] = dict(zip(("inserted", "updated", "deleted"), rows, strict=True))
        totals |= {"transactions": transactions, "wal": wal_bytes, "completed": completed}
        return cls(time.monotonic(), totals, tables)


@dataclass(frozen=True, slots=True)
class Costs:
    """What one task costs. `cpu_ms` is by process; all workers together are `workers`."""

    tasks: int
    transactions: float
    inserted: float
    updated: float
    deleted: float
    wal_kb: float
    cpu_ms: Mapping[str, float]
    tables: Mapping[str, Rows]

    @property
    def all_cpu_ms(self) -> float:
        """Milliseconds of all processes together."""
        return sum(self.cpu_ms.values())

    def lines(self) -> list[str]:
        """The same in words."""
        cpu = ", ".join(f"{name} {spent_ms:.2f}" for name, spent_ms in self.cpu_ms.items())
        tables = ", ".join(
            f"{name} {rows.inserted:.1f}/{rows.updated:.1f}/{rows.deleted:.1f}"
            for name, rows in sorted(self.tables.items())
            if max(rows) >= SHOWN_MIN
        )
        counted = (
            f"A task costs {self.transactions:.1f} transactions, {self.wal_kb:.2f} KB of WAL, and "
            f"{self.inserted:.1f} rows inserted, {self.updated:.1f} updated and {self.deleted:.1f} deleted."
        )
        return [
            counted,
            f"Processor time of a task: {self.all_cpu_ms:.2f} ms ({cpu}).",
            f"Rows of a task by table (inserted/updated/deleted): {tables}.",
        ]


def measure(service: EaselServe, keys: list[str], tasks: int) -> Costs:
    """What each of so many tasks of these accounts costs a service that has nothing else to do.

    Raises LoadFailed. What the service counts while it is idle is taken off.
    """
    time.sleep(SETTLED_AFTER_S)
    idle = Counts.of(service)
    time.sleep(IDLE_S)
    before = Counts.of(service)
    plan = TasksPlan(Target(HOST, service.port, keys), tasks, CONNECTIONS, TASKS_TIME_MAX_S, is_verified=False)
    _, shares = loads.run(service, "costs of a task", plan, TasksFound)
    time.sleep(SETTLED_AFTER_S)
    after = Counts.of(service)
    completed = round(after.totals["completed"] - before.totals["completed"])
    if not completed:
        raise loads.LoadFailed("no task was completed")
    idle_rounds = (after.at_s - before.at_s) / (before.at_s - idle.at_s)

    def per_task(name: str) -> float:
        spent = after.totals[name] - before.totals[name]
        return max(0.0, spent - idle_rounds * (before.totals[name] - idle.totals[name])) / completed

    cpu_ms: dict[str, float] = {}
    for process, cores in shares.cores.items():
        if process not in {"load", "others"}:
            name = "workers" if process.startswith("worker") else process
            cpu_ms[name] = cpu_ms.get(name, 0.0) + cores * shares.seconds * 1000 / completed
    return Costs(
        completed,
        per_task("transactions"),
        per_task("inserted"),
        per_task("updated"),
        per_task("deleted"),
        per_task("wal") / 1000,
        cpu_ms,
        {
            name: Rows(*((now - then) / completed for now, then in zip(counts, before.tables[name], strict=True)))
            for name, counts in after.tables.items()
            if name in before.tables
        },
    )


def _row(connection: psycopg.Connection, query: str) -> tuple[float, ...]:
    row = connection.execute(query).fetchone()
    assert row is not None
    return tuple(float(value) for value in row)


def _record_statements(service: EaselServe) -> None:
    """Restart the service with a PostgreSQL that records statements."""
    with service.superuser() as connection:
        connection.autocommit = True
        connection.execute("ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'")
    service.stop()
    service.start()
    service.wait_until_ready()
    with service.superuser() as connection:
        connection.execute("CREATE EXTENSION pg_stat_statements")


def _statements(service: EaselServe, tasks: int) -> Iterator[str]:
    """The statements since the extension was made: how often and how long per task, and how they begin."""
    query = """
        SELECT calls, total_exec_time + total_plan_time, regexp_replace(query, '\\s+', ' ', 'g')
        FROM pg_stat_statements WHERE toplevel ORDER BY calls DESC LIMIT %s
    """
    with service.superuser() as connection:
        for calls, spent_ms, statement in connection.execute(query, (STATEMENTS_MAX,)).fetchall():
            yield f"{calls / tasks:7.3f} a task, {spent_ms / tasks:6.3f} ms a task: {statement[:STATEMENT_SHOWN_MAX]}"


@click.command()
@click.option("--tasks", default=TASKS, show_default=True, help="How many tasks are counted.")
@click.option("--statements", "lists_statements", is_flag=True, help="Also list the most frequent statements.")
def main(tasks: int, *, lists_statements: bool) -> None:
    """Count what a task costs."""
    with tempfile.TemporaryDirectory(prefix="easel-costs-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)
        service = EaselServe(folder)
        try:
            service.start()
            service.wait_until_ready()
            keys = service.keys(ACCOUNTS)
            if lists_statements:
                _record_statements(service)
            warm_up = TasksPlan(Target(HOST, service.port, keys), WARM_UP_TASKS, CONNECTIONS, TASKS_TIME_MAX_S)
            loads.run(service, "warming up", warm_up, TasksFound)
            for line in measure(service, keys, tasks).lines():
                click.echo(line)
            if lists_statements:
                for line in _statements(service, WARM_UP_TASKS + tasks):
                    click.echo(line)
        finally:
            service.stop()


if __name__ == "__main__":
    main()
