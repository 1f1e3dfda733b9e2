"""What latents look like, without the decoder: each becomes one pixel, by a linear map of its 16 numbers to a colour.

So the picture is an eighth as wide and as high, and its colours are only nearly right. The factors are those that
ComfyUI published for the latents of Flux (`latent_rgb_factors` in its comfy/latent_formats.py), whose autoencoder
Z-Image uses.
"""

from collections.abc import Callable, Sequence
from typing import Final

import torch

from easel.engines.engine import Pixels

_FACTORS: Final = (
    (-0.0346, 0.0244, 0.0681),
    (0.0034, 0.0210, 0.0687),
    (0.0275, -0.0668, -0.0433),
    (-0.0174, 0.0160, 0.0617),
    (0.0859, 0.0721, 0.0329),
    (0.0004, 0.0383, 0.0115),
    (0.0405, 0.0861, 0.0915),
    (-0.0236, -0.0185, -0.0259),
    (-0.0245, 0.0250, 0.1180),
    (0.1008, 0.0755, -0.0421),
    (-0.0515, 0.0201, 0.0011),
    (0.0428, -0.0012, -0.0036),
    (0.0817, 0.0765, 0.0749),
    (-0.1264, -0.0522, -0.1103),
    (-0.0280, -0.0881, -0.0499),
    (-0.1262, -0.0982, -0.0778),
)
_BIAS: Final = (-0.0329, -0.0718, -0.0851)


class Projection:
    """The map, with its factors on a device, for colours from -1 to 1.

    On CUDA it computes beside the drawing, in a stream of its own, so that it need not wait for the step that is
    queued.
    """

    def __init__(
        self,
        device: torch.device,
        factors: Sequence[tuple[float, float, float]] = _FACTORS,
        bias: tuple[float, float, float] = _BIAS,
    ) -> None:
        # To numbers from 0 to 255.
        self._factors = (127.5 * torch.tensor(factors)).to(device)
        self._bias = (127.5 * (torch.tensor(bias) + 1)).to(device)
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    def pixels(self, latents: Callable[[], torch.Tensor]) -> Pixels:
        """The picture of latents (16 x height x width, float32), which are computed from what the device has finished.

        Waits for the result.
        """
        with torch.no_grad(), torch.cuda.stream(self._stream):
            colours = torch.einsum("chw,cr->hwr", latents(), self._factors) + self._bias
            rgb = colours.clamp(0, 255).to(torch.uint8).cpu()
        height_px, width_px, _ = rgb.shape
        return Pixels(width_px, height_px, rgb.numpy().tobytes())
