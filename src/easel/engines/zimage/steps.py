"""Progress: the caller is told of each step that the device has really done.

A GPU is driven ahead of time. To learn that a step is done, and still never leave the GPU without work, the next step
is handed to it first: what the caller hears, and where a stop takes effect, is one step behind there. On other devices
every step is waited for.
"""

from typing import Any

import torch

from easel.engines.engine import OnStep
from easel.engines.zimage.devices import settle


class Steps:
    """Tells of the steps of one drawing; whatever the caller raises ends the drawing."""

    def __init__(self, on_step: OnStep, device: torch.device, steps_total: int) -> None:
        self._on_step = on_step
        self._device = device
        self._steps_total = steps_total
        self._steps_told = 0
        self._mark: Any = None
        """On CUDA: what the device reaches when it has done the step that it was given last."""
        self.asking = False
        """True while the caller is being told, and for ever once the caller has raised: the error is not ours."""

    def given(self) -> None:
        """One more step was given to the device."""
        if self._device.type != "cuda":
            settle(self._device)
            self._tell()
            return
        before, self._mark = self._mark, torch.cuda.Event(blocking=True)
        self._mark.record()
        if before is not None:
            before.synchronize()
            self._tell()

    def finish(self) -> None:
        """The last step was given."""
        if self._mark is not None:
            self._mark.synchronize()
            self._tell()

    def _tell(self) -> None:
        self._steps_told += 1
        self.asking = True
        self._on_step(self._steps_told, self._steps_total)
        self.asking = False
