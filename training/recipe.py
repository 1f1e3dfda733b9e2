"""Recipes: the numbers of a training run at three scales. `tiny` is for tests, `cpu` for two cores, `gpu` for release."""

from dataclasses import dataclass
from typing import Final

from training.things import BY_HAND


@dataclass(frozen=True, slots=True)
class AutoencoderShape:
    """Channels of the latents, and of the decoder at 1, 8 and 16 places per token's side, and when doubling."""

    latent_channels: int = 128
    decoder: tuple[int, int, int, int] = (256, 64, 32, 48)


@dataclass(frozen=True, slots=True)
class TransformerShape:
    """The transformer's dimensions. `axes` are the head's dimensions for caption place, row and column."""

    latent_channels: int = 128
    words: int = 1536
    caption_tokens_max: int = 64
    dim: int = 256
    heads: int = 4
    axes: tuple[int, int, int] = (16, 24, 24)
    feed_forward: int = 640
    condition: int = 128
    context_blocks: int = 1
    noise_blocks: int = 1
    blocks: int = 6


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of training: how many samples in all, how many a step, and the learning rates."""

    samples: int
    batch: int
    rate: float
    matrix_rate: float
    """Of Muon, for the matrices inside blocks."""
    decay_share: float = 0.3
    """The last part of the stage, in which the rates fall to nothing."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """A whole run."""

    autoencoder_shape: AutoencoderShape
    transformer_shape: TransformerShape
    flow: Stage
    distil: Stage
    decoder: Stage
    things: int = len(BY_HAND)
    """How many of the things by hand; more than there are: every picture of the font."""
    mirrored_share: float = 0.0
    fine_grids: bool = False
    """Whether pictures have eight tokens on their shorter side rather than six, at twice the cost."""
    reuse: int = 8
    """How many times a scene's latents serve before they are made anew; the caption is new each time."""
    pool: int = 8192
    caption_drop: float = 0.1
    captions: int = 60_000
    """How many captions the tokenizer is trained on."""
    fitted: int = 1024
    """How many scenes the linear code is fitted to."""
    guidance: float = 1.5
    """What distillation builds into the model."""
    seed: int = 1
    checkpoint_s: float = 120.0
    sheet_s: float = 300.0
    threads: int | None = None


def rate_share(samples: int, stage: Stage) -> float:
    """The share of the full learning rate: warm-up, plateau, and decay to zero."""
    warm_up = max(2000, 60 * stage.batch)
    left = (stage.samples - samples) / max(1, stage.samples * stage.decay_share)
    return min(1.0, (samples + stage.batch) / min(warm_up, stage.samples / 10), max(0.0, left))


RECIPES: Final = {
    "tiny": Recipe(
        AutoencoderShape(8, (16, 8, 8, 8)),
        TransformerShape(8, 400, 64, 32, 2, (4, 6, 6), 64, 16, 1, 1, 2),
        Stage(96, 8, 1e-3, 4e-3), Stage(16, 8, 1e-4, 5e-4), Stage(8, 4, 1e-3, 1e-3),
        things=8, pool=16, captions=3000, fitted=16, checkpoint_s=2.0, sheet_s=1e9,
    ),
    "cpu": Recipe(
        AutoencoderShape(), TransformerShape(),
        Stage(216_000, 32, 1.5e-3, 3.5e-3, 0.4), Stage(3_000, 32, 2e-4, 5e-4), Stage(3_600, 4, 1e-3, 2e-3, 0.5),
        things=20, threads=2,
    ),
    "gpu": Recipe(
        AutoencoderShape(192, (256, 80, 48, 64)),
        TransformerShape(192, words=2560, dim=320, heads=5, feed_forward=896, blocks=7),
        Stage(6_000_000, 512, 1e-3, 2e-3), Stage(400_000, 512, 2e-4, 4e-4), Stage(400_000, 32, 1e-3, 2e-3),
        things=10_000, mirrored_share=0.3, fine_grids=True, reuse=16, pool=65_536,
    ),
}  # fmt: skip
