"""`make siege`: hostile clients attack a service, one kind after another, while a good client measures how it is
served.

The siege starts its own `easel serve` and attacks only that, from addresses in 127.0.0.0/8. It measures for SECONDS
before and for SECONDS during each attack. The exit status is 1 if the web process reaches 200 MB, if the good client's
p99 is at least three times its p99 before the attack, or if one of its requests fails. It needs Linux and takes about
three minutes.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any, Final
from urllib.parse import urlsplit

import click
import httpx2
from rich.console import Console
from rich.table import Table

from tools.siege.good_client import Service, ask_for
from tools.soak.installation import Installation, Role

MEMORY_MB_MAX: Final = 200
P99_RATIO_MAX: Final = 3.0
PICTURE_BYTES: Final = 5_000_000
SLOW_STEP_S: Final = 60.0
SETTLE_S: Final = 3.0
ADDRESSES: Final = [f"127.0.1.{last}" for last in range(1, 9)]
"""Eight client addresses, because the default limit is 1,024 connections per address."""


@dataclass(frozen=True, slots=True)
class Attack:
    """One kind of clients, and their addresses."""

    name: str
    count: int
    addresses: list[str]


ATTACKS: Final = (
    Attack("pipeliners", 8, ["127.0.1.1"]),
    Attack("slow readers", 400, ["127.0.1.1"]),
    Attack("slow writers", 400, ["127.0.1.1"]),
    Attack("endless heads", 16, ["127.0.1.1"]),
    Attack("idle connections", 4000, ADDRESSES),
    Attack("event streams", 1000, ADDRESSES),
    Attack("costly prompts", 4, ["127.0.1.1"]),
    Attack("readiness askers", 40, ["127.0.1.1"]),
)


@dataclass(frozen=True, slots=True)
class Held:
    """How the service withstood an attack."""

    attack: Attack
    quiet: Service
    """How the good client was served just before the attack."""
    served: Service
    memory_mb: float
    answers: Mapping[str, int]


class Siege:
    """One service under siege."""

    def __init__(self, folder: Path, console: Console, seconds: float, attacks: Sequence[Attack]) -> None:
        self._folder = folder
        self._console = console
        self._seconds = seconds
        self._attacks = attacks
        limits = {"EASEL_READS_PER_MINUTE": "1000000", "EASEL_WORKERS": "1"}
        self.installation = Installation(folder, limits)
        self._good_key = self._bad_key = self._picture = self._task = ""

    def run(self) -> list[Held]:
        """The measurements before and during each attack."""
        self._start(0.0)
        self._good_key, self._bad_key = self._key("good"), self._key("bad")
        self._picture = self._large_picture()
        self.installation.stop()
        self._start(SLOW_STEP_S)
        # Slow drawing keeps the task unfinished, so that its event streams do not end.
        self._task = self._order(self._bad_key)
        good_task = self._order(self._good_key)
        self._ask(1, good_task)
        return [self._hold(attack, good_task) for attack in self._attacks]

    def _start(self, step_s: float) -> None:
        self.installation.start(step_s)
        assert self.installation.wait_until_ready(), self.installation.log_since_start().decode()

    def _key(self, account: str) -> str:
        made = self.installation.command("keys", "create", "--account", account, "--credits", "1000", "--json")
        assert made.returncode == 0, made.stderr
        return str(json.loads(made.stdout)["key"])

    def _order(self, key: str, **headers: str) -> str:
        return str(self._post(key, headers)["id"])

    def _post(self, key: str, headers: Mapping[str, str]) -> dict[str, Any]:
        body = {"model": "z-image-turbo", "prompt": "a cute cat", "size": "376x376"}
        with httpx2.Client(base_url=self.installation.url, timeout=60, trust_env=False) as client:
            made = client.post(
                "/v1/images/generations", json=body, headers={"authorization": f"Bearer {key}", **headers}
            )
        assert made.status_code == 200, made.text
        task: dict[str, Any] = made.json()
        return task

    def _large_picture(self) -> str:
        """The path in the link to a picture of five megabytes."""
        link: str = self._post(self._good_key, {"prefer": "wait=30"})["results"][0]
        path = urlsplit(link).path
        (file,) = (self._folder / "pictures").rglob(Path(path).name)
        file.write_bytes(bytes(PICTURE_BYTES))
        return path

    def _ask(self, seconds: float, task: str) -> Service:
        return ask_for(seconds, self.installation.port, self._good_key, task)

    def _hold(self, attack: Attack, good_task: str) -> Held:
        self._console.print(f"{attack.count:,} {attack.name} …", highlight=False)
        target = {
            "port": self.installation.port, "count": attack.count, "addresses": attack.addresses,
            "key": self._bad_key, "picture": self._picture, "task": self._task,
        }  # fmt: skip
        quiet = self._ask(self._seconds, good_task)
        with _memory_watched(self._web_pid()) as memory, _attacking(attack.name, target) as attacker:
            served = self._ask(self._seconds, good_task)
            assert attacker.stdin is not None
            attacker.stdin.close()
            assert attacker.stdout is not None
            answers = json.loads(attacker.stdout.read() or "{}")
        time.sleep(SETTLE_S)
        return Held(attack, quiet, served, max(memory), answers)

    def _web_pid(self) -> int:
        return next(pid for pid, role in self.installation.processes().items() if role is Role.WEB)


@contextmanager
def _attacking(name: str, target: Mapping[str, object]) -> Iterator[subprocess.Popen[str]]:
    attacker = subprocess.Popen(
        [sys.executable, "-m", "tools.siege.attacks", name, json.dumps(target)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert attacker.stdout is not None
        assert attacker.stdout.readline() == "ready\n", "the attackers did not start"
        yield attacker
    finally:
        attacker.kill()
        attacker.wait()


@contextmanager
def _memory_watched(pid: int) -> Iterator[list[float]]:
    """The resident memory of the process in megabytes, sampled every tenth of a second."""
    found, is_over = [_resident_mb(pid)], Event()

    def watch() -> None:
        while not is_over.wait(0.1):
            found.append(_resident_mb(pid))

    thread = Thread(target=watch)
    thread.start()
    try:
        yield found
    finally:
        is_over.set()
        thread.join()


def _resident_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1000 for line in lines if line.startswith("VmRSS"))


def _report(console: Console, held: list[Held]) -> list[str]:
    """Print the table and return the findings."""
    findings = []
    table = Table("Clients", "Addresses", "Good client: p50", "p99", "p99 before", "Ratio", "Web memory", "Answers")
    for each in held:
        name, served = f"{each.attack.count:,} {each.attack.name}", each.served
        ratio = served.p99_ms / each.quiet.p99_ms
        answers = ", ".join(f"{count:,} × {status}" for status, count in sorted(each.answers.items()))
        table.add_row(
            name, str(len(each.attack.addresses)), f"{served.p50_ms:.1f} ms", f"{served.p99_ms:.1f} ms",
            f"{each.quiet.p99_ms:.1f} ms", f"{ratio:.1f}", f"{each.memory_mb:.0f} MB", answers,
        )  # fmt: skip
        if ratio >= P99_RATIO_MAX:
            findings.append(f"{name}: the good client's p99 was {ratio:.1f} times as high as before.")
        if each.memory_mb >= MEMORY_MB_MAX:
            findings.append(f"{name}: the web process used {each.memory_mb:.0f} MB.")
        if served.failures:
            findings.append(f"{name}: {served.failures} of {served.requests} requests of the good client failed.")
        if each.answers.get("500"):
            findings.append(f"{name}: {each.answers['500']} answers had status 500.")
    console.print(table)
    return findings


@click.command(help=__doc__)
@click.option(
    "--seconds",
    type=click.FloatRange(min=1, max=60),
    default=8,
    help="Seconds to measure before and during each attack.",
)
@click.option(
    "--only",
    type=click.Choice([attack.name for attack in ATTACKS]),
    multiple=True,
    help="Run only this attack. Repeat the option for several.",
)
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Also write the figures to this file."
)
def main(seconds: float, only: Sequence[str], json_file: Path | None) -> None:
    """Run the siege and print the report."""
    if not sys.platform.startswith("linux"):
        raise click.ClickException("The siege needs Linux, because it uses /proc and all of 127.0.0.0/8.")
    console = Console(width=None if sys.stdout.isatty() else 140)
    # When root runs this, the system user of the private database needs access to the folder.
    folder = Path(tempfile.mkdtemp(prefix="easel-siege-"))
    folder.chmod(0o711)
    siege = Siege(folder, console, seconds, [attack for attack in ATTACKS if not only or attack.name in only])
    try:
        held = siege.run()
    finally:
        siege.installation.kill_all()
        shutil.rmtree(folder, ignore_errors=True)
    findings = _report(console, held)
    if json_file is not None:
        json_file.write_text(json.dumps([asdict(each) for each in held], indent=1))
    for finding in findings:
        console.print(f"• {finding}", soft_wrap=True, highlight=False)
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
