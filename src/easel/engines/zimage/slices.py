"""Attention in slices, for devices whose tensors have a largest size.

Metal has no tensors of more than 4 GiB. At 1536x1536 pixels, the scores of one attention of the transformer take 10.8
GB in float32, and those of the autoencoder 5.4 GB. A slice of queries needs a part of that, and gives the same numbers.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

SCORES_BYTES_MAX = {"mps": 4_000_000_000}
"""How many bytes the scores of one attention may take, by type of device."""

SCORE_BYTES = 4
"""Metal computes scores in float32, at least on some versions of macOS."""


def attend(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Attention (1 x heads x tokens x size), in slices of queries where the scores of all would be too large."""
    # A constant to the compiler: a device has a limit or has none.
    most_bytes = SCORES_BYTES_MAX.get(queries.device.type)
    if most_bytes is None:
        return scaled_dot_product_attention(queries, keys, values)
    scores_bytes = queries.shape[1] * queries.shape[2] * keys.shape[2] * SCORE_BYTES
    slices = -(-scores_bytes // most_bytes)
    attended = [scaled_dot_product_attention(part, keys, values) for part in queries.chunk(slices, dim=2)]
    return attended[0] if slices == 1 else torch.cat(attended, dim=2)


class SlicedAttention:
    """What diffusers calls a processor: the arithmetic of the autoencoder's one attention."""

    def __call__(self, attention: Any, hidden_states: Tensor, *_: Any, **__: Any) -> Tensor:
        """The attention's output, with its input added. Both are pictures: 1 x channels x height x width."""
        tokens = attention.group_norm(hidden_states.flatten(2)).transpose(1, 2)
        by_head = [
            layer(tokens).unflatten(-1, (attention.heads, -1)).transpose(1, 2)
            for layer in (attention.to_q, attention.to_k, attention.to_v)
        ]
        attended = attend(*by_head).transpose(1, 2).flatten(2)
        output: Tensor = attention.to_out[0](attended).transpose(1, 2).unflatten(2, hidden_states.shape[2:])
        return (output + hidden_states) / float(attention.rescale_output_factor)
