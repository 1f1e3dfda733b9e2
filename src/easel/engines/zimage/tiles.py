"""Decodes latents in tiles, for pictures whose decoding as a whole does not fit into the memory.

Tiles have one size, lie evenly and overlap. Where they overlap, they are faded into each other. The picture is not the
same as a whole one, because the decoder normalizes and attends within each tile.
"""

from collections.abc import Callable

import torch
from torch import Tensor

PIXELS_A_LATENT = 8
OVERLAP_SHARE = 3
"""A third of a tile overlaps the next one."""

Decode = Callable[[Tensor], Tensor]


def decoded_in_tiles(decode: Decode, latents: Tensor, side: int) -> Tensor:
    """What `decode` makes of latents (1 x channels x height x width), tile by tile, as 1 x 3 x 8 height x 8 width.

    Tiles have this side, or the latents' if that is shorter.
    """
    height, width = latents.shape[-2:]
    tile_height, tile_width = min(side, height), min(side, width)
    fading = outer(ramp(tile_height, height), ramp(tile_width, width)).to(latents.device)
    shape = (1, 3, PIXELS_A_LATENT * height, PIXELS_A_LATENT * width)
    total, weight = torch.zeros(shape, device=latents.device), torch.zeros(shape[-2:], device=latents.device)
    for top in starts(height, tile_height):
        for left in starts(width, tile_width):
            tile = decode(latents[..., top : top + tile_height, left : left + tile_width])
            rows = slice(PIXELS_A_LATENT * top, PIXELS_A_LATENT * (top + tile_height))
            columns = slice(PIXELS_A_LATENT * left, PIXELS_A_LATENT * (left + tile_width))
            total[..., rows, columns] += tile.float() * fading
            weight[rows, columns] += fading
    return total / weight


def starts(length: int, tile: int) -> list[int]:
    """Where tiles begin so that they cover a length evenly and overlap enough."""
    if tile == length:
        return [0]
    step = tile - tile // OVERLAP_SHARE
    gaps = -(-(length - tile) // step)
    return [round(number * (length - tile) / gaps) for number in range(gaps + 1)]


def ramp(tile: int, length: int) -> Tensor:
    """How much each row of pixels of a tile counts: less towards its ends, and never nothing."""
    pixels = PIXELS_A_LATENT * tile
    if tile == length:
        return torch.ones(pixels)
    overlap = PIXELS_A_LATENT * (tile // OVERLAP_SHARE)
    rising = torch.arange(1, pixels + 1).clamp(max=overlap)
    return torch.minimum(rising, rising.flip(0)) / overlap


def outer(rows: Tensor, columns: Tensor) -> Tensor:
    """The product of each row's number with each column's."""
    return rows.unsqueeze(1) * columns
