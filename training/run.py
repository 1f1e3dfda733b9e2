"""What every stage of a training run needs: its folder, checkpoints, pauses, a clean stop, curves and a progress bar."""

import json
import os
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
from PIL import Image, ImageDraw

from training.files import whole

THREADS_LOOK_S = 10.0


class Stopped(Exception):
    """Someone asked the run to stop; what it did so far is in its checkpoint."""


class Threads:
    """Takes fewer threads while others need the processor: threads that wait for each other gain nothing then."""

    def __init__(self) -> None:
        self._most = torch.get_num_threads()
        self._begin()

    def _begin(self) -> None:
        self._wall_s, self._own_s, self._idle_s = time.monotonic(), time.process_time(), _idle_s()

    def adapt(self) -> None:
        """Called between steps; looks every ten seconds."""
        wall_s = time.monotonic() - self._wall_s
        if self._most == 1 or wall_s < THREADS_LOOK_S:
            return
        idle = (_idle_s() - self._idle_s) / wall_s
        others = (os.cpu_count() or 1) - idle - (time.process_time() - self._own_s) / wall_s
        torch.set_num_threads(max(1, min(self._most, round((os.cpu_count() or 1) - others))))
        self._begin()


def _idle_s() -> float:
    """How long the processors have idled since the machine's start; for ever growing where that is not told."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return time.monotonic()
    return float(stat.read_text(encoding="ascii").split()[4]) / os.sysconf("SC_CLK_TCK")


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
        """Meanwhile the first SIGTERM or Ctrl-C asks for a checkpoint and an end, and the second ends at once."""

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
        """What was saved under that name, or None."""
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
        if not self.file("log.jsonl").exists():
            return
        lines = [json.loads(line) for line in self.file("log.jsonl").read_text(encoding="utf-8").splitlines()]
        stages = sorted({line["stage"] for line in lines})
        sheet = Image.new("RGB", (640, 200 * len(stages)), "white")
        draw = ImageDraw.Draw(sheet)
        for index, stage in enumerate(stages):
            points = [(line["samples"], line["loss"]) for line in lines if line["stage"] == stage]
            low, high = min(loss for _, loss in points), sorted(loss for _, loss in points)[int(len(points) * 0.98)]
            most = max(samples for samples, _ in points)
            place = [
                (20 + 600 * samples / most, 200 * index + 180 - 150 * (min(loss, high) - low) / (high - low + 1e-9))
                for samples, loss in points
            ]
            draw.line(place, fill="blue")
            draw.text((24, 200 * index + 4), f"{stage}: loss {low:.4f} to {high:.4f}, {most} samples", fill="black")
        sheet.save(self.file("curves.png"))


def sheet(pictures: torch.Tensor, columns: int, file: Path) -> None:
    """Pictures (batch x 3 x height x width, 0 to 1) as one PNG."""
    levels = (pictures.detach().float().clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu()
    height, width = levels.shape[1:3]
    rows = -(-len(levels) // columns)
    whole = Image.new("RGB", (columns * (width + 2), rows * (height + 2)), "white")
    for index, picture in enumerate(levels):
        spot = (index % columns * (width + 2), index // columns * (height + 2))
        whole.paste(Image.fromarray(picture.numpy()), spot)
    whole.save(file)
