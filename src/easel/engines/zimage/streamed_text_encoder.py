"""A text encoder in the machine's memory, whose layers pass through the GPU one after the other.

While one layer computes, the next one is copied. The GPU holds two of them, and the numbers are those of an encoder
that is on the GPU as a whole. The table of tokens stays where it is, since a prompt reads a few rows of it.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn import Module, ModuleList

from easel.engines.zimage.text_encoder import embedded, encoded, without_the_last_layer

SLOTS = 2
"""Layers that are on the GPU at the same time: the one that computes, and the next one."""


class Lane(Protocol):
    """Copies layers to a device, each into one of two slots, while others are in use."""

    device: torch.device

    def pin(self, layer: Tensor) -> None:
        """Prepare a layer's memory to be copied from."""

    def opened(self) -> AbstractContextManager[None]:
        """Around all copies of one encoding. Slots are allocated inside, and nothing is being copied after it."""

    def begin(self, layer: Tensor, slot: Tensor, number: int) -> None:
        """Begin to copy a layer into a slot, as soon as that is released."""

    def wait(self, number: int) -> None:
        """Let what follows wait until the slot's copy is complete."""

    def release(self, number: int) -> None:
        """What was computed until now is the last that uses the slot."""


class Streamed:
    """An encoder whose layers pass through another device than they are on."""

    def __init__(self, stock: Any, lane: Lane) -> None:
        """Takes ownership of the stock model, whose layers must be alike."""
        self._stock = without_the_last_layer(stock)
        self._lane = lane
        # Rotations are not weights: they are computed from a few numbers, where the layers compute.
        self._stock.rotary_emb.to(lane.device)
        self._layers = [in_one_tensor(layer) for layer in self._stock.layers]
        for layer in self._layers:
            lane.pin(layer)
        self._slots: list[Tensor] = []
        self._stock.layers = ModuleList(
            [Passing(layer, self, number) for number, layer in enumerate(self._stock.layers)]
        )

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self._lane.device

    def encode(self, tokens: list[int]) -> Tensor:
        """The embedding of the tokens (tokens x dimensions)."""
        with self._lane.opened():
            self._slots = [torch.empty_like(self._layers[0], device=self.device) for _ in range(SLOTS)]
            try:
                self._begin(0)
                return encoded(self._stock, embedded(self._stock, tokens).to(self.device))
            finally:
                self._slots = []

    def words(self) -> str:
        """Where it computes, for the operator."""
        return f"in the machine's memory, passing through {self.device} layer by layer for each new prompt"

    @contextmanager
    def passing(self, number: int) -> Iterator[Tensor]:
        """A layer's weights on the device, until the end of the block. Meanwhile, the next layer is copied."""
        self._begin(number + 1)
        self._lane.wait(number % SLOTS)
        yield self._slots[number % SLOTS]
        self._lane.release(number % SLOTS)

    def _begin(self, number: int) -> None:
        if number < len(self._layers):
            self._lane.begin(self._layers[number], self._slots[number % SLOTS], number % SLOTS)


class Passing(Module):  # type: ignore[misc] # PyTorch's classes are untyped here
    """A layer of the stock model that computes with weights which are on the device only now."""

    def __init__(self, layer: Any, streamed: Streamed, number: int) -> None:
        """`number` is the layer's place, from 0."""
        super().__init__()
        # Not among this module's parts, or its weights would be the model's to move.
        self._held = (layer, streamed)
        self._number = number

    def forward(self, *arguments: Any, **options: Any) -> Any:
        """The layer's output."""
        layer, streamed = self._held
        with streamed.passing(self._number) as whole:
            return functional_call(layer, views(layer, whole), arguments, options)


def in_one_tensor(layer: Any) -> Tensor:
    """All weights of a layer one after the other, so that one copy moves them. The layer's become views of it."""
    parameters = list(layer.parameters())
    whole = torch.cat([parameter.data.flatten() for parameter in parameters])
    for parameter, view in zip(parameters, views(layer, whole).values(), strict=True):
        parameter.data = view
    return whole


def views(layer: Any, whole: Tensor) -> dict[str, Tensor]:
    """The weights of a layer by name, in a tensor that holds all of them."""
    named = list(layer.named_parameters())
    parts = whole.split([parameter.numel() for _, parameter in named])
    return {name: part.view_as(parameter) for (name, parameter), part in zip(named, parts, strict=True)}
