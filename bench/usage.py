"""CPU time and memory of processes, each with its descendants."""

import contextlib
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil


def cpu_s(pid: int) -> float:
    """CPU time of a process, of its children that have ended, and of all below it that live."""
    total_s = 0.0
    with contextlib.suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total_s += times.user + times.system + times.children_user + times.children_system
    return total_s


@dataclass(frozen=True, slots=True)
class Snapshot:
    """CPU time so far: of each part, and of the whole machine."""

    at_s: float
    parts_s: Mapping[str, float]
    machine_s: float


def snapshot(parts: Mapping[str, int]) -> Snapshot:
    """CPU time so far of the parts with these process ids."""
    machine = psutil.cpu_times()
    busy_s = machine.user + machine.system + machine.nice
    return Snapshot(time.monotonic(), {name: cpu_s(pid) for name, pid in parts.items()}, busy_s)


def cores_between(before: Snapshot, after: Snapshot) -> dict[str, float]:
    """How many cores each part used on average; none where no time passed."""
    seconds = max(after.at_s - before.at_s, 1e-9)
    return {name: (after.parts_s[name] - before.parts_s[name]) / seconds for name in after.parts_s}


def machine_cores_between(before: Snapshot, after: Snapshot) -> float:
    """How many cores the whole machine used on average."""
    return (after.machine_s - before.machine_s) / max(after.at_s - before.at_s, 1e-9)


def resident_mb(pid: int) -> float:
    """Memory that a process holds, in MB of 1,000,000 bytes, what it shares with others included."""
    return float(psutil.Process(pid).memory_info().rss) / 1e6


def most_resident_mb(pid: int) -> float:
    """The most that a process has held at once so far, on Linux; elsewhere, what it holds now."""
    status = Path(f"/proc/{pid}/status")
    peak = re.search(r"^VmHWM:\s*(\d+) kB$", status.read_text(), re.MULTILINE) if status.exists() else None
    return int(peak[1]) * 1024 / 1e6 if peak else resident_mb(pid)
