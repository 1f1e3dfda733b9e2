"""A small autoencoder: pictures at 32 pixels per token in, latents, pictures at 32, 64, 128 and 256 pixels per token out.

The encoder is linear: the principal components of one token's pixels, so that it needs no training and a thing's latents
are a fixed function of what is seen there. The decoder undoes it exactly, and adds what the components lack: shapes from
the neighbouring latents, then edges. One narrow network doubles a picture's resolution, and is used as often as the size
asked for needs it; it learns to reach 64 and 128 pixels per token, and 256 is the same step once more. Everything is convolution without statistics over the picture, so that a part of the latents gives
the same part of the picture.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.recipe import AutoencoderShape

TOKEN_PX = 32
FINE_TOKEN_PX = 128
"""The finest scale that the decoder learns from."""
SPARE_COMPONENTS = 32
"""Components that are looked for and left out: the first ones are found the more exactly."""
WHITENING = 0.5
"""1 would give every latent channel the same variance, 0 the variance that it has in pixels."""


class Norm(nn.Module):
    """Root mean square norm over the channels of each place."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        return x * torch.rsqrt((x * x).mean(1, keepdim=True) + 1e-6) * self.scale


class Residual(nn.Module):
    """Two convolutions around which the input is added; the second starts at zero."""

    def __init__(self, channels: int, *, normed: bool = True) -> None:
        super().__init__()
        self.norm = Norm(channels) if normed else nn.Identity()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        return x + self.second(functional.silu(self.first(functional.silu(self.norm(x)))))


def _up(channels: int, out: int, times: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(channels, out * times**2, 1), nn.PixelShuffle(times))


class Doubler(nn.Module):
    """A picture at twice its resolution: batch x 3 x h x w to batch x 3 x 2h x 2w, h and w even."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.PixelUnshuffle(2), nn.Conv2d(12, width, 3, padding=1), Residual(width, normed=False),
            Residual(width, normed=False), nn.SiLU(), nn.Conv2d(width, 48, 3, padding=1), nn.PixelShuffle(4),
        )  # fmt: skip
        nn.init.zeros_(self.layers[-2].weight)
        nn.init.zeros_(self.layers[-2].bias)

    def forward(self, picture: Tensor) -> Tensor:
        """What interpolation gives, and the edges that it lacks."""
        return functional.interpolate(picture, scale_factor=2, mode="bilinear") + self.layers(picture)


class Decoder(nn.Module):
    """Latents, batch x channels x h x w, to pictures from about 0 to 1 at 32 pixels per token."""

    def __init__(self, shape: AutoencoderShape) -> None:
        super().__init__()
        coarse, middle, fine, doubler = shape.decoder
        self.linear = nn.ConvTranspose2d(shape.latent_channels, 3, TOKEN_PX, stride=TOKEN_PX)
        self.trunk = nn.Sequential(
            nn.Conv2d(shape.latent_channels, coarse, 1), Residual(coarse), Residual(coarse), _up(coarse, middle, 8)
        )
        self.look = nn.Sequential(nn.PixelUnshuffle(4), nn.Conv2d(48, middle, 1))
        self.head = nn.Sequential(
            Residual(middle), Residual(middle), Residual(middle), _up(middle, fine, 2),
            Residual(fine, normed=False), nn.Conv2d(fine, 12, 3, padding=1), nn.PixelShuffle(2),
        )  # fmt: skip
        self.doubler = Doubler(doubler)
        nn.init.zeros_(self.head[-2].weight)
        nn.init.zeros_(self.head[-2].bias)

    def forward(self, latents: Tensor) -> Tensor:
        """Pictures at 32 pixels per token; `doubler` makes them finer."""
        linear = self.linear(latents)
        drawn: Tensor = linear + self.head(self.trunk(latents) + self.look(linear))
        return drawn


class Autoencoder(nn.Module):
    """Encoder and decoder, and how much each latent channel's errors count."""

    def __init__(self, shape: AutoencoderShape) -> None:
        super().__init__()
        self.encoder = nn.Conv2d(3, shape.latent_channels, TOKEN_PX, stride=TOKEN_PX)
        self.decoder = Decoder(shape)
        self.register_buffer("weights", torch.ones(1, shape.latent_channels, 1, 1))
        self.encoder.requires_grad_(False)
        self.decoder.linear.requires_grad_(False)

    @torch.no_grad()
    def encode(self, pictures: Tensor) -> Tensor:
        """Pictures from 0 to 1, batch x 3 x 32 h x 32 w, to latents, batch x channels x h x w, of about unit variance."""
        latents: Tensor = self.encoder(pictures)
        return latents

    @torch.no_grad()
    def fit(self, pictures: Tensor) -> None:
        """Set the linear code to the principal components of these pictures' tokens."""
        colour = pictures.mean((0, 2, 3))
        tokens = functional.unfold(pictures - colour[:, None, None], TOKEN_PX, stride=TOKEN_PX)
        tokens = tokens.transpose(1, 2).reshape(-1, 3 * TOKEN_PX**2)
        channels = len(self.encoder.weight)
        _, values, vectors = torch.svd_lowrank(tokens, q=channels + SPARE_COMPONENTS, niter=4)
        spread = (values[:channels] / len(tokens) ** 0.5).clamp(min=1e-3)
        components = vectors[:, :channels].T
        scale = spread**WHITENING
        scale = scale * (spread / scale).square().mean().sqrt()
        self.encoder.weight.copy_((components / scale[:, None]).view_as(self.encoder.weight))
        self.encoder.bias.copy_(-(components / scale[:, None]) @ colour.repeat_interleave(TOKEN_PX**2))
        self.decoder.linear.weight.copy_((components * scale[:, None]).view_as(self.decoder.linear.weight))
        self.decoder.linear.bias.copy_(colour)
        # Between the latents' own scale and that of pixels: colours and shapes come first, and details still count.
        counts = scale / (scale * (spread / scale).square()).mean()
        self.weights.copy_(counts[None, :, None, None])
