"""Copies a text encoder's layers to an NVIDIA GPU while it computes with others.

Copies have a stream of their own. They are fastest from memory that is locked; where the system refuses to lock it,
they are slower and give the same. Memory stays locked for the rest of the process, so its owner must keep it.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import torch
from torch import Tensor

from easel.engines.zimage.devices import probe
from easel.engines.zimage.streamed_text_encoder import SLOTS

log = logging.getLogger(__name__)


class CudaLane:
    """The way from the machine's memory to one GPU."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._stream = torch.cuda.Stream(device)
        self._copied = [torch.cuda.Event() for _ in range(SLOTS)]
        self._released = [torch.cuda.Event() for _ in range(SLOTS)]
        self._can_pin = True

    def pin(self, layer: Tensor) -> None:
        """Lock the memory of a layer. PyTorch's own function would round each size up to a power of two."""
        if not self._can_pin:
            return
        status = torch.cuda.cudart().cudaHostRegister(layer.data_ptr(), layer.nbytes, 0)
        self._can_pin = int(status) == 0
        if not self._can_pin:
            with suppress(RuntimeError):  # PyTorch would blame the next kernel for the refusal, once
                probe(self.device)
            log.warning("the system does not lock memory for %s, so new prompts take longer", self.device)

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Around all copies of one encoding."""
        # What is allocated now may have been in use by work that is still queued.
        self._stream.wait_stream(torch.cuda.current_stream(self.device))
        try:
            yield
        finally:
            torch.cuda.current_stream(self.device).wait_stream(self._stream)

    def begin(self, layer: Tensor, slot: Tensor, number: int) -> None:
        """Begin to copy a layer into a slot, as soon as that is released."""
        with torch.cuda.stream(self._stream):
            self._stream.wait_event(self._released[number])
            slot.copy_(layer, non_blocking=True)
            self._copied[number].record(self._stream)

    def wait(self, number: int) -> None:
        """Let what is queued next wait until the slot's copy is complete."""
        torch.cuda.current_stream(self.device).wait_event(self._copied[number])

    def release(self, number: int) -> None:
        """What was queued until now is the last that uses the slot."""
        self._released[number].record(torch.cuda.current_stream(self.device))
