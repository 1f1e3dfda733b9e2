"""`make soak`: kills and freezes processes at random under load, then audits everything.

The soak takes the given minutes and at most six more: one to start, up to one for the last requests, three to settle,
and one to stop and audit. The exit status is 1 if there is a finding. The same seed gives the same mishaps in the same
order and the same customers, but their timing depends on the machine.

It needs Linux. Ctrl-C ends it and everything that it started.
"""

import asyncio
import json
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click
from rich.console import Console

from tools.own_server import pgbouncer
from tools.soak import verdict
from tools.soak.customers import Customer
from tools.soak.installation import Installation
from tools.soak.mishaps import Mishaps
from tools.soak.pooled import PooledInstallation
from tools.soak.receiver import Receiver
from tools.soak.report import Report
from tools.soak.tally import Account, Tally

CUSTOMERS_PER_ACCOUNT: Final = 3
LAST_REQUESTS_S_MAX: Final = 30.0
PROGRESS_EVERY_S: Final = 10.0
ACCOUNTS: Final[dict[str, list[str]]] = {
    "wealthy": ["--credits", "100000"],
    "busy": ["--credits", "100000", "--unfinished", "5"],
    "limited": ["--credits", "100000", "--limit", "3"],
    "poor": ["--credits", "2"],
}
"""Accounts, and the options with which their keys are created."""


@click.command(help=__doc__)
@click.option("--minutes", type=click.FloatRange(min=0.05, max=24 * 60), default=10, help="Minutes of mishaps.")
@click.option("--seed", type=int, help="Seed of the random choices.  [default: a random seed, which is shown]")
@click.option("--web", type=click.IntRange(1, 16), default=1, help="Web processes.")
@click.option("--workers", type=click.IntRange(1, 16), default=2, help="Workers.")
@click.option("--pooler", is_flag=True, help="Use a PostgreSQL of its own, through PgBouncer in transaction mode.")
@click.option("--markdown", type=click.Path(path_type=Path, dir_okay=False), help="Also write the report to this file.")
def main(minutes: float, seed: int | None, web: int, workers: int, pooler: bool, markdown: Path | None) -> None:
    """Run the soak and print the report."""
    if not sys.platform.startswith("linux"):
        raise click.ClickException("The soak needs Linux, because it finds processes in /proc.")
    if pooler and pgbouncer.program() is None:
        raise click.ClickException("--pooler needs pgbouncer, which is a Debian package of that name.")
    seed = random.SystemRandom().randrange(1_000_000) if seed is None else seed
    console = Console()
    # When root runs this, the system user of the private database needs access to the folder.
    folder = Path(tempfile.mkdtemp(prefix="easel-soak-"))
    folder.chmod(0o711)
    receiver = Receiver(folder, chance(seed, "receiver"))
    number = {"EASEL_WORKERS": str(workers)} | ({"EASEL_WEB_PROCESSES": str(web)} if web > 1 else {})
    installation = (PooledInstallation if pooler else Installation)(folder, receiver.settings() | number)
    soak = Soak(installation, receiver, seed, minutes, console)
    try:
        asyncio.run(soak.run())
    except asyncio.CancelledError:
        console.print("Interrupted. Everything is stopped.")
        shutil.rmtree(folder, ignore_errors=True)
        sys.exit(128 + signal.SIGINT)
    finally:
        installation.kill_all()
    report = Report(seed, minutes, soak.took_s, soak.tally)
    report.print(console)
    if markdown is not None:
        report.write(markdown)
    if soak.tally.findings:
        console.print(
            f"The data and the log are in {folder}. To repeat: make soak {_repeated(minutes, seed, web, workers, pooler)}"
        )
        sys.exit(1)
    shutil.rmtree(folder, ignore_errors=True)


def _repeated(minutes: float, seed: int, web: int, workers: int, pooler: bool) -> str:
    return f"MINUTES={minutes:g} SEED={seed} WEB={web} WORKERS={workers}{' POOLER=1' if pooler else ''}"


def chance(seed: int, whose: str) -> random.Random:
    """The random choices of one participant."""
    return random.Random(f"{seed} {whose}")  # noqa: S311 - must be repeatable, not secret


class Soak:
    """One soak of an installation whose callbacks go to the receiver."""

    def __init__(
        self, installation: Installation, receiver: Receiver, seed: int, minutes: float, console: Console
    ) -> None:
        self.tally = Tally(receiver.url)
        self._receiver = receiver
        self.took_s = 0.0
        self._installation = installation
        self._seed = seed
        self._minutes = minutes
        self._console = console
        self._doing = "starting"
        self._started_s = time.monotonic()
        self._shown = 0

    async def run(self) -> None:
        """Run the soak. Whatever happens, no process is left running."""
        task = asyncio.current_task()
        assert task is not None
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        showing = asyncio.create_task(self._show_progress())
        try:
            async with self._receiver.serving():
                await self._soak()
        finally:
            showing.cancel()
            self._installation.kill_all()
            self.took_s = time.monotonic() - self._started_s

    async def _soak(self) -> None:
        mishaps = Mishaps(self._installation, self.tally, chance(self._seed, "mishaps"))
        if not await mishaps.start():
            return
        accounts = [await asyncio.to_thread(self._open, name, options) for name, options in ACCOUNTS.items()]
        customers = [
            asyncio.create_task(self._customer(account, number).run())
            for account in accounts
            for number in range(CUSTOMERS_PER_ACCOUNT)
        ]
        try:
            self._doing = "soaking"
            await mishaps.run(time.monotonic() + self._minutes * 60)
            self._doing = "ending the last requests"
            self.tally.is_over = True
            _, late = await asyncio.wait(customers, timeout=LAST_REQUESTS_S_MAX)
            if late:
                self.tally.find(f"{len(late)} customers waited more than {LAST_REQUESTS_S_MAX:.0f} s for an answer")
        finally:
            for customer in customers:
                customer.cancel()
            ended = await asyncio.gather(*customers, return_exceptions=True)
        for error in ended:
            if isinstance(error, Exception):
                self.tally.find(f"A customer failed with an unexpected error: {error!r}")
        self._doing = "settling and auditing"
        await verdict.judge(self._installation, self.tally, self._receiver.received, list(ACCOUNTS))

    def _customer(self, account: Account, number: int) -> Customer:
        return Customer(self._installation.url, account, self.tally, chance(self._seed, f"{account.name} {number}"))

    def _open(self, name: str, options: Sequence[str]) -> Account:
        made = self._installation.command("keys", "create", "--account", name, "--json", *options)
        assert made.returncode == 0, made.stderr
        return Account(name, json.loads(made.stdout)["key"])

    async def _show_progress(self) -> None:
        """Show progress, in one line on a terminal and otherwise in occasional lines, and each finding as it is
        made."""
        if not self._console.is_terminal:
            while True:
                self._console.print(self._line(), soft_wrap=True, highlight=False)
                self._show_findings()
                await asyncio.sleep(PROGRESS_EVERY_S)
        with self._console.status(self._line()) as status:
            while True:
                status.update(self._line())
                self._show_findings()
                await asyncio.sleep(0.5)

    def _show_findings(self) -> None:
        for finding in self.tally.findings[self._shown :]:
            self._console.print(f"Finding: {finding}", soft_wrap=True, highlight=False, markup=False)
        self._shown = len(self.tally.findings)

    def _line(self) -> str:
        tally = self.tally
        seconds = int(time.monotonic() - self._started_s)
        return (
            f"{seconds // 60:02}:{seconds % 60:02} {self._doing}, seed {self._seed}: {tally.mishaps.total()} mishaps, "
            f"{len(tally.accepted):,} orders accepted, {tally.answers.total():,} requests, {len(tally.findings)} findings"
        )


if __name__ == "__main__":
    main()
