"""Running the load generator, a process of its own, and watching the service's processes meanwhile."""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

import msgspec

from bench import usage
from bench.contender import ROOT, Contender, python
from bench.load.plans import Answer, Found, Plan, Unsupported
from bench.load.window import BEGIN, END

LOAD_TIMEOUT_S: Final = 180.0
_Wanted = TypeVar("_Wanted", bound=Found)


class LoadFailed(Exception):
    """The load generator gave up; the message says why."""


@dataclass(frozen=True, slots=True)
class Shares:
    """How much of one core each process used on average while something was measured for so many `seconds`; 2.0 is both
    of two cores.

    `others` is whatever else ran on the machine, and disturbed; the system's own work for the network counts there.
    """

    during: str
    cores: Mapping[str, float]
    seconds: float


def run(contender: Contender, during: str, plan: Plan, wanted: type[_Wanted]) -> tuple[_Wanted | Unsupported, Shares]:
    """Do a plan; what was found, and who used the CPU. Raises LoadFailed."""
    process = subprocess.Popen(
        python("bench.load"),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        return _watch(process, contender, during, plan, wanted)
    finally:
        process.kill()
        process.wait()


def _watch(
    process: subprocess.Popen[bytes], contender: Contender, during: str, plan: Plan, wanted: type[_Wanted]
) -> tuple[_Wanted | Unsupported, Shares]:
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None  # noqa: PT018 - they are pipes
    process.stdin.write(msgspec.json.encode(plan))
    process.stdin.close()
    parts = contender.parts()
    before = after = usage.snapshot(parts)
    last = b""
    for line in process.stdout:
        if line == BEGIN:
            before = usage.snapshot(parts)
        elif line == END:
            after = usage.snapshot(parts)
        else:
            last = line
    if process.wait(LOAD_TIMEOUT_S) != 0:
        raise LoadFailed(process.stderr.read().decode(errors="replace").strip().rpartition("\n")[2])
    answer = msgspec.json.decode(last, type=Answer)
    assert isinstance(answer.found, wanted | Unsupported)
    cores = {"load": answer.own_cpu, **usage.cores_between(before, after)}
    others = max(0.0, usage.machine_cores_between(before, after) - sum(cores.values()))
    return answer.found, Shares(during, cores | {"others": others}, after.at_s - before.at_s)
