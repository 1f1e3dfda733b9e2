"""Progress: reports each step when the device has actually done it.

Work is queued on a GPU ahead of time. To keep the GPU busy, a CUDA step is awaited only after the next one is queued,
so reports and stops lag one step behind there. On other devices, each step is awaited before the next is queued.
"""

from typing import Any

import torch

from easel.engines.engine import MakePreview, OfferPreview, OnStep, no_previews
from easel.engines.zimage.devices import settle


class Steps:
    """Reports the steps of one drawing, each after its preview. An exception from the caller ends the drawing."""

    def __init__(
        self, on_step: OnStep, device: torch.device, steps_total: int, offer_preview: OfferPreview = no_previews
    ) -> None:
        self._on_step = on_step
        self._offer_preview = offer_preview
        self._device = device
        self._steps_total = steps_total
        self._steps_reported = 0
        self._mark: Any = None
        """On CUDA: the event that follows the step queued last."""
        self._preview: MakePreview | None = None
        """The preview of the step queued last."""
        self.asking = False
        """True while `on_step` runs, and after it has raised. An error is then the caller's."""

    def queued(self, preview: MakePreview) -> None:
        """Call this after queueing a step."""
        if self._device.type != "cuda":
            settle(self._device)
            self._report(preview)
            return
        mark, shown = self._mark, self._preview
        self._mark, self._preview = torch.cuda.Event(blocking=True), preview
        self._mark.record()
        if mark is not None and shown is not None:
            mark.synchronize()
            self._report(shown)

    def finish(self) -> None:
        """Call this after queueing the last step."""
        if self._mark is not None and self._preview is not None:
            self._mark.synchronize()
            self._report(self._preview)

    def _report(self, preview: MakePreview) -> None:
        self._offer_preview(preview)
        self._steps_reported += 1
        self.asking = True
        self._on_step(self._steps_reported, self._steps_total)
        self.asking = False
