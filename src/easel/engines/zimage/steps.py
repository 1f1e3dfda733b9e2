"""Progress: reports each step when the device has actually done it.

Work is queued on a GPU ahead of time. To keep the GPU busy, a CUDA step is awaited only after the next one is queued,
so reports and stops lag one step behind there. On other devices, each step is awaited before the next is queued.
"""

from typing import Any

import torch

from easel.engines.engine import OnStep
from easel.engines.zimage.devices import settle


class Steps:
    """Reports the steps of one drawing. An exception from the caller ends the drawing."""

    def __init__(self, on_step: OnStep, device: torch.device, steps_total: int) -> None:
        self._on_step = on_step
        self._device = device
        self._steps_total = steps_total
        self._steps_reported = 0
        self._mark: Any = None
        """On CUDA: the event that follows the step queued last."""
        self.asking = False
        """True while `on_step` runs, and after it has raised. An error is then the caller's."""

    def queued(self) -> None:
        """Call this after queueing a step."""
        if self._device.type != "cuda":
            settle(self._device)
            self._report()
            return
        before, self._mark = self._mark, torch.cuda.Event(blocking=True)
        self._mark.record()
        if before is not None:
            before.synchronize()
            self._report()

    def finish(self) -> None:
        """Call this after queueing the last step."""
        if self._mark is not None:
            self._mark.synchronize()
            self._report()

    def _report(self) -> None:
        self._steps_reported += 1
        self.asking = True
        self._on_step(self._steps_reported, self._steps_total)
        self.asking = False
