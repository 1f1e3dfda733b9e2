"""Converts the stock transformer into the one in `forward`. This takes the stock one apart.

The projections of queries, keys and values become one, and so do the two of the feed-forward. The rotated pairs of each
head, which are neighbours in the checkpoint, are placed half a head apart in queries, keys and their norms, which does
not change the attention. Since the timesteps are known, their embedding and modulation are computed here in float32,
and those layers are dropped (0.27 GB in bf16 with the real model). Only the single-stream transformer of the Turbo
model is supported.
"""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear, silu

from easel.engines.zimage.forward import Block, Denoiser, Dense, Positions, Refiner, Step
from easel.engines.zimage.matrices import MakeMatrix, Matrix


def pack(
    stock: Any,
    timesteps: Sequence[float],
    make_matrix: MakeMatrix = Matrix,
    device: torch.device | None = None,
) -> Denoiser:
    """The denoiser for these timesteps (of a thousand, falling), on this device or on the stock model's, in its
    precision. `make_matrix` makes the large matrices.

    Blocks are removed from the stock model and moved to the device one by one, so that at most one is in memory twice.
    Raises ValueError for another kind of model.
    """
    require_turbo(stock.config)
    device = stock.x_pad_token.device if device is None else device
    for part in (stock.all_x_embedder, stock.all_final_layer, stock.cap_embedder, stock.t_embedder):
        part.to(device)
    patch_in, last = stock.all_x_embedder["2-1"], stock.all_final_layer["2-1"]
    embedded = embedded_timesteps(stock, timesteps, device)
    last_norms = modulated_last_norm(last, embedded).to(last.linear.weight)
    noise_refiner, noise_norms = packed_blocks(stock.noise_refiner, make_matrix, device, embedded)
    layers, layer_norms = packed_blocks(stock.layers, make_matrix, device, embedded)
    context_refiner, context_norms = packed_blocks(stock.context_refiner, make_matrix, device, None)
    return Denoiser(
        patch_in=Dense(patch_in.weight, patch_in.bias),
        patch_padding=stock.x_pad_token.to(device),
        caption_norm=stock.cap_embedder[0].weight,
        caption_epsilon=stock.cap_embedder[0].eps,
        caption_in=Dense(stock.cap_embedder[1].weight, stock.cap_embedder[1].bias),
        caption_padding=stock.cap_pad_token.to(device),
        context_refiner=Refiner(context_refiner, context_norms),
        steps=[
            Step(Refiner(noise_refiner, noise), Refiner(layers, layer), last_norm)
            for noise, layer, last_norm in zip(by_step(noise_norms), by_step(layer_norms), last_norms, strict=True)
        ],
        patch_out=Dense(last.linear.weight, last.linear.bias),
        last_epsilon=last.norm_final.eps,
        positions=Positions(stock.config.axes_dims, stock.config.axes_lens, stock.config.rope_theta, device),
    )


def require_turbo(config: Any) -> None:
    """Raise ValueError if the transformer differs from the Turbo model's in more than its size."""
    expected = {
        "all_patch_size": [2],
        "all_f_patch_size": [1],
        "n_kv_heads": config.n_heads,
        "qk_norm": True,
        "siglip_feat_dim": None,
    }
    for name, value in expected.items():
        found = config.get(name, value)
        if (list(found) if isinstance(found, list | tuple) else found) != value:
            raise ValueError(f"its transformer has {name} {found} instead of {value}")


def packed_blocks(
    stock_blocks: Any, make_matrix: MakeMatrix, device: torch.device, embedded: Tensor | None
) -> tuple[list[Block], list[Tensor]]:
    """The stock blocks, packed in order, and the weights of their norms: at each step, or without `embedded` at all of
    them. Each block is removed from the list and freed."""
    blocks, norms = [], []
    while len(stock_blocks):
        stock = stock_blocks.pop(0).to(device)
        norms.append(plain_norms(stock) if embedded is None else modulated_norms(stock, embedded))
        blocks.append(packed_block(stock, make_matrix))
    return blocks, norms


def packed_block(stock: Any, make_matrix: MakeMatrix) -> Block:
    """A stock block, packed."""
    attention, feed = stock.attention, stock.feed_forward
    query, key = (halves_apart(part.weight, attention.heads) for part in (attention.to_q, attention.to_k))
    return Block(
        query_key_value=make_matrix(torch.cat([query, key, attention.to_v.weight])),
        attention_out=make_matrix(attention.to_out[0].weight),
        gate_up=make_matrix(torch.cat([feed.w1.weight, feed.w3.weight])),
        down=make_matrix(feed.w2.weight),
        query_norm=halves_apart(attention.norm_q.weight, 1),
        key_norm=halves_apart(attention.norm_k.weight, 1),
        epsilon=stock.attention_norm1.eps,
        head_epsilon=attention.norm_q.eps,
    )


def halves_apart(weight: Tensor, heads: int) -> Tensor:
    """The rows of each head, reordered from pairs (0, 1), (2, 3), … to all first elements, then all second ones."""
    paired = weight.unflatten(0, (heads, -1, 2))
    return paired.transpose(1, 2).flatten(0, 2).contiguous()


def embedded_timesteps(stock: Any, timesteps: Sequence[float], device: torch.device) -> Tensor:
    """The embedding of each timestep (steps x 256, float32). The model counts upwards, from noise to picture."""
    embedder = copy.deepcopy(stock.t_embedder).float()
    falling = torch.tensor(timesteps, dtype=torch.float32, device=device)
    embedded: Tensor = embedder((1000 - falling) / 1000 * stock.config.t_scale)
    return embedded


def by_step(of_blocks: Sequence[Tensor]) -> list[list[Tensor]]:
    """For each step the norms of each block (4 x dim), from those of each block (steps x 4 x dim)."""
    apart = [[norms.clone() for norms in of_block.unbind()] for of_block in of_blocks]
    return [list(norms) for norms in zip(*apart, strict=True)]


def plain_norms(stock_block: Any) -> Tensor:
    """The weights of a block's four norms in order of use (4 x dim)."""
    norms = (stock_block.attention_norm1, stock_block.attention_norm2, stock_block.ffn_norm1, stock_block.ffn_norm2)
    return torch.stack([norm.weight for norm in norms])


def modulated_norms(stock_block: Any, embedded: Tensor) -> Tensor:
    """The weights of a block's norms at each step: those above times the scales and gates (steps x 4 x dim).

    A norm's output is multiplied by its weight and then by the modulation, so the two can be multiplied beforehand.
    """
    modulator = stock_block.adaLN_modulation[0]
    modulation = linear(embedded, modulator.weight.float(), modulator.bias.float())
    scale_attention, gate_attention, scale_feeding, gate_feeding = modulation.chunk(4, dim=-1)
    factors = torch.stack(
        [1.0 + scale_attention, gate_attention.tanh(), 1.0 + scale_feeding, gate_feeding.tanh()], dim=1
    )
    plain = plain_norms(stock_block)
    return (factors * plain.float()).to(plain.dtype)


def modulated_last_norm(stock_last: Any, embedded: Tensor) -> Tensor:
    """The scale of the last norm, which has no weight of its own (steps x dim)."""
    modulator = stock_last.adaLN_modulation[1]
    return 1.0 + linear(silu(embedded), modulator.weight.float(), modulator.bias.float())
