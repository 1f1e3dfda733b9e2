"""`make fleet`: a thousand simulated workers and two hundred accounts on one PostgreSQL, with and without a pooler.

The workers speak to the database as real ones do, and sleep for 1 to 1.6 seconds instead of drawing. Four real web
processes accept the orders of 199 ordinary accounts, first alone and then beside an account that floods. A pooled run
needs PgBouncer, and gives each worker two connections of its own; a run without it lets the workers share connections,
because no server has thousands. Each run takes about SECONDS and half a minute. It needs Linux.

Everything competes for the same cores, the simulation too, so compare the processor time per task.
"""

import asyncio
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import click
import msgspec
import psycopg
from rich.console import Console
from rich.table import Table

from tools.fleet import figures
from tools.fleet.crew import CrewPlan
from tools.fleet.customers import CustomersFound, CustomersPlan
from tools.fleet.figures import Measured, Run
from tools.fleet.stage import CREWS, Stage, between
from tools.own_server import pgbouncer

WEBS: Final = 4
ACCOUNTS: Final = 200
FLOODING_CONNECTIONS: Final = 48
POOL_SIZE: Final = 40
SHARED_CONNECTIONS: Final = 60
WARM_UP_S: Final = 4.0


@click.command(help=__doc__)
@click.option("--seconds", type=click.FloatRange(min=2, max=120), default=15, help="Seconds to measure in each run.")
@click.option("--workers", type=click.IntRange(2, 4000), default=1000, help="Simulated workers.")
@click.option("--steps", type=click.IntRange(1, 50), default=8, help="Steps of a draw.")
@click.option("--orders", type=click.FloatRange(min=1), default=100, help="Orders a second of the ordinary accounts.")
@click.option("--own-connections", is_flag=True, help="Two connections for each worker without the pooler too.")
@click.option("--only", type=click.Choice(["pooled", "direct"]), help="Run only with the pooler, or only without it.")
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Also write the figures here."
)
def main(
    seconds: float,
    workers: int,
    steps: int,
    orders: float,
    own_connections: bool,
    only: str | None,
    json_file: Path | None,
) -> None:
    if not sys.platform.startswith("linux"):
        raise click.ClickException("The fleet needs Linux, because it reads /proc.")
    console = Console(width=None if sys.stdout.isatty() else 120)
    kinds = [kind for kind in ("direct", "pooled") if only in (None, kind)]
    if "pooled" in kinds and pgbouncer.program() is None:
        kinds.remove("pooled")
        console.print("pgbouncer (Debian's package of that name) is not installed: there is no run with a pooler.")
    runs: list[Run] = []
    for kind in kinds:
        shared = None if kind == "pooled" or own_connections else SHARED_CONNECTIONS // CREWS
        plan = CrewPlan(workers // CREWS, "", False, True, shared, steps)
        runs += _with_stage(console, kind, plan, seconds, orders)
    _print(console, runs)
    if json_file is not None:
        json_file.write_bytes(msgspec.json.format(msgspec.json.encode(runs)))


def _with_stage(console: Console, kind: str, plan: CrewPlan, seconds: float, orders: float) -> list[Run]:
    """A quiet run and one with a flood, on one stage."""
    # When root runs this, the system user of the database needs access to the folder.
    folder = Path(tempfile.mkdtemp(prefix="easel-fleet-"))
    folder.chmod(0o711)
    own = 0 if plan.shared_connections is not None else 2 * plan.workers * CREWS
    pool_size = POOL_SIZE if kind == "pooled" else None
    stage = Stage(folder, 200 + (0 if kind == "pooled" else own), pool_size)
    try:
        console.print(f"{plan.workers * CREWS:,} workers, {kind} …", highlight=False)
        with stage.running(WEBS, plan):
            keys = asyncio.run(stage.issue_keys(ACCOUNTS))
            quiet = _measure(stage, f"{kind}, no flood", CustomersPlan(keys, stage.ports, 0, orders, 0), seconds)
            loud = CustomersPlan(keys, stage.ports, 0, orders, FLOODING_CONNECTIONS)
            flooded = _measure(stage, f"{kind}, one floods", loud, seconds)
        return [quiet, flooded]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _measure(stage: Stage, name: str, plan: CustomersPlan, seconds: float) -> Run:
    plan = msgspec.structs.replace(plan, seconds=seconds + WARM_UP_S + 1)
    command = [sys.executable, "-m", "tools.fleet.customers", msgspec.json.encode(plan).decode()]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as customers:
        try:
            time.sleep(WARM_UP_S)
            since, before, crews_before, began_s = _now(stage), stage.cpu_s(), stage.crews_found(), time.monotonic()
            time.sleep(seconds)
            took_s = time.monotonic() - began_s
            cores = {part: used_s / took_s for part, used_s in between(before, stage.cpu_s()).items()}
            crews, connections = stage.crews_found(), _connections(stage)
            assert customers.stdout is not None
            found = msgspec.json.decode(customers.stdout.read(), type=CustomersFound)
        finally:
            customers.kill()
    polls_per_s = (crews.polls - crews_before.polls) / took_s
    unavailable = crews.unavailable - crews_before.unavailable
    measured = Measured(name, took_s, since, cores, polls_per_s, unavailable, connections, found)
    return figures.run_of(stage.server.url, measured)


def _now(stage: Stage) -> datetime:
    with psycopg.connect(stage.server.url) as connection:
        row = connection.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    now: datetime = row[0]
    return now


def _connections(stage: Stage) -> int:
    """How many connections the server has, without the one that asks."""
    with psycopg.connect(stage.server.url) as connection:
        row = connection.execute(
            "SELECT count(*) - 1 FROM pg_stat_activity WHERE backend_type = 'client backend'"
        ).fetchone()
    assert row is not None
    return int(row[0])


def _print(console: Console, runs: Sequence[Run]) -> None:
    table = Table("", *(run.name for run in runs))
    shown = [figures.rows(run) for run in runs]
    for name in {name: None for each in shown for name in each}:
        table.add_row(name, *(each.get(name, "") for each in shown))
    console.print(table)


if __name__ == "__main__":
    main()
