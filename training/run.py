"""Shared by all stages of a training run: folder, checkpoints, pauses, clean stop, curves and progress bar."""

import json
import random
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from training.files import whole
from training.sheets import curves
from training.threads import Threads


class Stopped(Exception):
    """The run was asked to stop. Its progress is in the checkpoint."""


def saved(folder: Path, name: str) -> dict[str, Any] | None:
    """What a run in that folder saved under that name, or None."""
    file = folder / f"{name}.pt"
    return torch.load(file, map_location="cpu", weights_only=True) if file.exists() else None


def chance(stage: str, seed: int, samples: int) -> random.Random:
    """The chance of a stage from so many samples on; PyTorch's is begun with it."""
    rng = random.Random(f"{stage} {seed} {samples}")
    torch.manual_seed(rng.getrandbits(63))
    return rng


class Run:
    """One run's folder. At most one process may train in it. While `pause_file` exists, training waits."""

    def __init__(self, folder: Path, checkpoint_s: float, sheet_s: float, pause_file: Path | None = None) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._pause_file = pause_file
        self._checkpoint_s = checkpoint_s
        self._sheet_s = sheet_s
        self._saved_s = self._sheet_at_s = self._shown_s = time.monotonic()
        self._stopping = False
        self._threads = Threads()

    @contextmanager
    def stoppable(self) -> Iterator[None]:
        """During the block, the first SIGTERM or Ctrl-C stops with a checkpoint, and the second stops immediately."""

        def stop(number: int, frame: FrameType | None) -> None:
            if self._stopping:
                raise KeyboardInterrupt
            self._stopping = True

        before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def file(self, name: str) -> Path:
        """A file of the run."""
        return self.folder / name

    def load(self, name: str) -> dict[str, Any] | None:
        """The data saved under this name, or None."""
        return saved(self.folder, name)

    def save(self, name: str, state: dict[str, Any]) -> None:
        """Save so that a crash leaves either the old state or the new one."""
        with whole(self.file(f"{name}.pt")) as file:
            torch.save(state, file)

    def checkpoint_due(self) -> bool:
        """Whether it is time to save; always true when the run is to stop."""
        due = self._stopping or time.monotonic() - self._saved_s > self._checkpoint_s
        if due:
            self._saved_s = time.monotonic()
        return due

    def sheet_due(self) -> bool:
        """Whether it is time to draw samples."""
        due = time.monotonic() - self._sheet_at_s > self._sheet_s
        if due:
            self._sheet_at_s = time.monotonic()
        return due

    def pause(self) -> None:
        """Before a step: wait while paused, unless asked to stop."""
        self._threads.adapt()
        while self._pause_file and self._pause_file.exists() and not self._stopping:
            time.sleep(1)

    def leave(self) -> None:
        """After a step and its checkpoint. Raises Stopped when asked to stop."""
        if self._stopping:
            raise Stopped

    def log(self, stage: str, samples: int, total: int, rate: float, **figures: float) -> None:
        """One line of figures, kept for the curves and shown as a progress bar."""
        with self.file("log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({"stage": stage, "samples": samples, "s": round(time.time()), **figures}) + "\n")
        if sys.stderr.isatty() or time.monotonic() - self._shown_s > 20:
            self._shown_s = time.monotonic()
            shown = " ".join(f"{name} {value:.4f}" for name, value in figures.items())
            filled = round(30 * samples / total)
            bar = f"{stage:>12} [{'#' * filled}{'.' * (30 - filled)}] {samples}/{total} {rate:.1f}/s {shown}"
            print(bar, end="\r" if sys.stderr.isatty() else "\n", file=sys.stderr, flush=True)

    def curves(self) -> None:
        """Draw every stage's loss over its samples as one PNG, once there are any."""
        if self.file("log.jsonl").exists():
            lines = self.file("log.jsonl").read_text(encoding="utf-8").splitlines()
            curves([json.loads(line) for line in lines], self.file("curves.png"))
