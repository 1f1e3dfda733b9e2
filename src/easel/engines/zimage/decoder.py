"""Turns latents into the bytes of a picture: the stock autoencoder, and the crop of the canvas.

On CUDA the decoder's weights are in the channels-last layout, which makes convolutions fastest there. On Metal its
attention runs in slices. Nothing is tiled: a picture that does not fit raises an out-of-memory error.
"""

from typing import Any

import torch

from easel.engines.engine import crop_offset_px
from easel.engines.zimage.slices import SCORES_BYTES_MAX, SlicedAttention


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
        """Decode latents (16 x height / 8 x width / 8) to a canvas (3 x height x width, from 0 to 1)."""
        config = self._autoencoder.config
        scaled = latents.to(self._autoencoder.dtype) / config.scaling_factor + config.shift_factor
        decoded: torch.Tensor = self._autoencoder.decode(scaled.unsqueeze(0), return_dict=False)[0][0]
        return (decoded.float() * 0.5 + 0.5).clamp(0, 1)


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
