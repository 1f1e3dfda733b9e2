"""The text encoder: turns tokens into the embedding that the transformer reads, which is the input of its last layer.

That layer, and the norm after it, are dropped.
"""

from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import Identity


class TextEncoder(Protocol):
    """Something that encodes."""

    @property
    def device(self) -> torch.device:
        """Where it computes."""

    def encode(self, tokens: list[int]) -> Tensor:
        """The embedding of the tokens (tokens x dimensions), on its device."""

    def words(self) -> str:
        """Where it is and computes, for the operator."""


class Resident:
    """An encoder that is on one device."""

    def __init__(self, stock: Any) -> None:
        """Takes ownership of the stock model."""
        self._stock = without_the_last_layer(stock)

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        device: torch.device = self._stock.device
        return device

    def encode(self, tokens: list[int]) -> Tensor:
        """The embedding of the tokens (tokens x dimensions)."""
        return encoded(self._stock, embedded(self._stock, tokens))

    def words(self) -> str:
        """Where it is, for the operator."""
        return f"on {self.device}"


def without_the_last_layer(stock: Any) -> Any:
    """The stock model without what comes after the embedding that the transformer reads."""
    stock.layers = stock.layers[:-1]
    stock.norm = Identity()
    return stock


def embedded(stock: Any, tokens: list[int]) -> Tensor:
    """The input of the first layer (1 x tokens x dimensions), where the table of tokens is."""
    table = stock.embed_tokens
    found: Tensor = table(torch.tensor([tokens], device=table.weight.device))
    return found


def encoded(stock: Any, inputs: Tensor) -> Tensor:
    """The output of the last layer (tokens x dimensions)."""
    # The mask is prepared: nothing is padding, and PyTorch's attention knows that each token sees those before it. The
    # library's own mask would be read back from the device.
    assert stock.config._attn_implementation == "sdpa"
    mask = dict.fromkeys(stock.config.layer_types)
    output: Tensor = stock(inputs_embeds=inputs, attention_mask=mask, use_cache=False).last_hidden_state[0]
    return output
