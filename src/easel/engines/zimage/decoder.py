"""From latents to the bytes of a picture: the stock autoencoder, and the cut from the middle of the canvas.

On CUDA the decoder's weights are laid out channels last, which convolutions there are quickest with; elsewhere as they
come. Nothing is tiled or sliced: a picture that does not fit is out of memory.
"""

from typing import Any

import torch

from easel.engines.engine import crop_offset_px


class Decoder:
    """Holds an autoencoder, of which it uses the decoder."""

    def __init__(self, autoencoder: Any) -> None:
        """The autoencoder is this object's from now on."""
        if autoencoder.device.type == "cuda":
            autoencoder.to(memory_format=torch.channels_last)
        self._autoencoder = autoencoder
        self._plain = autoencoder.decoder

    def compile(self) -> None:
        """Compile at the next picture, for all sizes."""
        self._autoencoder.decoder = torch.compile(self._plain, dynamic=True)

    def uncompile(self) -> None:
        """Run as loaded."""
        self._autoencoder.decoder = self._plain

    def canvas(self, latents: torch.Tensor) -> torch.Tensor:
        """The whole canvas, 3 x height x width from 0 to 1, of latents with 16 channels and an eighth of its sides."""
        config = self._autoencoder.config
        scaled = latents.to(self._autoencoder.dtype) / config.scaling_factor + config.shift_factor
        decoded: torch.Tensor = self._autoencoder.decode(scaled.unsqueeze(0), return_dict=False)[0][0]
        return (decoded.float() * 0.5 + 0.5).clamp(0, 1)


def cut(canvas: torch.Tensor, width_px: int, height_px: int) -> torch.Tensor:
    """The canvas's central part, height x width x 3 bytes; rounded on the device, so that a quarter of it must leave."""
    top = crop_offset_px(canvas.shape[1], height_px)
    left = crop_offset_px(canvas.shape[2], width_px)
    part = canvas[:, top : top + height_px, left : left + width_px]
    return part.mul(255).round().to(torch.uint8).permute(1, 2, 0).contiguous()


def to_bytes(rgb: torch.Tensor) -> bytes:
    """The bytes of such a part; waits for the device."""
    taken: bytes = rgb.cpu().numpy().tobytes()
    return taken
