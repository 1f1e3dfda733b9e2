"""Turns latents into the bytes of a picture: the stock autoencoder, and the crop of the canvas.

On CUDA the decoder's weights are in the channels-last layout, which makes convolutions fastest there. On Metal its
attention runs in slices. A picture that does not fit as a whole is decoded in tiles (`tiles`), so the same drawing may
give other bytes while something else uses the memory.
"""

import itertools
import logging
from typing import Any

import torch

from easel.engines.engine import crop_offset_px
from easel.engines.zimage.devices import free_caches, is_out_of_memory
from easel.engines.zimage.slices import SCORES_BYTES_MAX, SlicedAttention
from easel.engines.zimage.tiles import PIXELS_A_LATENT, decoded_in_tiles

log = logging.getLogger(__name__)

TILE_SIDES = (96, 48)
"""In latents: 768 and 384 pixels. Those of 768 take 0.9 GB, and a whole picture of 1536x1536 takes 3.6 GB. Computed."""


class Decoder:
    """Wraps an autoencoder and uses its decoder."""

    def __init__(self, autoencoder: Any) -> None:
        """Takes ownership of the autoencoder."""
        if autoencoder.device.type == "cuda":
            autoencoder.to(memory_format=torch.channels_last)
        if autoencoder.device.type in SCORES_BYTES_MAX:
            for attention in autoencoder.decoder.mid_block.attentions:
                attention.set_processor(SlicedAttention())
        self._autoencoder = autoencoder
        self._plain = autoencoder.decoder

    def compile(self) -> None:
        """Compile the decoder for all sizes when it decodes the next picture."""
        self._autoencoder.decoder = torch.compile(self._plain, dynamic=True)

    def uncompile(self) -> None:
        """Use the decoder as it was loaded."""
        self._autoencoder.decoder = self._plain

    def canvas(self, latents: torch.Tensor) -> torch.Tensor:
        """Decode latents (16 x height / 8 x width / 8) to a canvas (3 x height x width, from 0 to 1).

        Raises what PyTorch raises if even tiles do not fit.
        """
        config = self._autoencoder.config
        scaled = latents.to(self._autoencoder.dtype) / config.scaling_factor + config.shift_factor
        decoded = self._fitting(scaled.unsqueeze(0))[0]
        return (decoded.float() * 0.5 + 0.5).clamp(0, 1)

    def _fitting(self, latents: torch.Tensor) -> torch.Tensor:
        """The decoded latents, as a whole or in the largest tiles that fit."""
        side = max(latents.shape[-2:])
        sides = [side, *(tile for tile in TILE_SIDES if tile < side)]
        for tile, smaller in itertools.pairwise(sides):
            try:
                return self._decoded(latents, tile)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error, latents.device):
                    raise
            # What the failed attempt holds can be freed only now that the error and its traceback are gone.
            free_caches(latents.device)
            log.warning(
                "%s has too little memory for this picture's decoder, which tries tiles of %d pixels",
                latents.device,
                PIXELS_A_LATENT * smaller,
            )
        return self._decoded(latents, sides[-1])

    def _decoded(self, latents: torch.Tensor, tile: int) -> torch.Tensor:
        if tile == max(latents.shape[-2:]):
            return self._decode(latents)
        return decoded_in_tiles(self._decode, latents, tile)

    def _decode(self, latents: torch.Tensor) -> torch.Tensor:
        decoded: torch.Tensor = self._autoencoder.decode(latents, return_dict=False)[0]
        return decoded


def cut(canvas: torch.Tensor, width_px: int, height_px: int) -> torch.Tensor:
    """The central part of the canvas as height x width x 3 bytes, rounded on the device to quarter the transfer."""
    top = crop_offset_px(canvas.shape[1], height_px)
    left = crop_offset_px(canvas.shape[2], width_px)
    part = canvas[:, top : top + height_px, left : left + width_px]
    return part.mul(255).round().to(torch.uint8).permute(1, 2, 0).contiguous()


def to_bytes(rgb: torch.Tensor) -> bytes:
    """The bytes of a picture that `cut` returned. Waits for the device."""
    taken: bytes = rgb.cpu().numpy().tobytes()
    return taken
