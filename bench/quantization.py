"""`python -m bench.quantization`: how much matrices in 8 bits change what the transformer draws, with random weights.

It draws latents with a transformer of the real width and few layers in float32, in bf16, and in bf16 with its matrices
in 8 bits. Random weights are drawn from a normal distribution, or from Student's t with four degrees of freedom, whose
outliers make the steps of a row larger. Trained weights lie between the two or beyond, so these figures show the order
of magnitude, not what the real model does.
"""

import copy
import math
from collections.abc import Callable
from typing import Any, Final

import click
import torch
from diffusers import ZImageTransformer2DModel

from bench.gpu_models import SEED, scheduler
from easel.engines.zimage.forward import to_patches
from easel.engines.zimage.matrices import Int8Matrix, MakeMatrix, Matrix
from easel.engines.zimage.packing import pack
from easel.engines.zimage.painting import noise
from easel.engines.zimage.schedule import schedule

CAPTION_TOKENS: Final = 64
DEGREES_OF_FREEDOM: Final = 4.0
LATENTS_PEAK: Final = 8.0
"""From -4 to 4, four standard deviations of noise to either side."""


def normal(weight: torch.Tensor) -> torch.Tensor:
    """Random numbers without outliers."""
    return torch.randn_like(weight)


def heavy(weight: torch.Tensor) -> torch.Tensor:
    """Random numbers with outliers, of the same variance."""
    chi_squared = torch.distributions.Chi2(DEGREES_OF_FREEDOM).sample(weight.shape)
    return torch.randn_like(weight) * (DEGREES_OF_FREEDOM / chi_squared).sqrt() / math.sqrt(2)


DISTRIBUTIONS: Final = {"normal": normal, "heavy": heavy}


@click.command()
@click.option("--layers", type=click.IntRange(1, 30), default=2, show_default=True, help="Single-stream blocks.")
@click.option(
    "--refiners", type=click.IntRange(1, 2), default=1, show_default=True, help="Refiner blocks of each kind."
)
@click.option("--dim", type=click.Choice(["64", "3840"]), default="3840", show_default=True, help="Width.")
@click.option("--side", type=click.IntRange(64, 1536), default=256, show_default=True, help="Pixels a side.")
@click.option("--weights", type=click.Choice(list(DISTRIBUTIONS)), default="normal", show_default=True)
def main(layers: int, refiners: int, dim: str, side: int, weights: str) -> None:
    """Compare latents in float32, bf16 and 8 bits."""
    with torch.no_grad():
        compare(layers, refiners, int(dim), side, DISTRIBUTIONS[weights])


def compare(layers: int, refiners: int, dim: int, side: int, make: Callable[[torch.Tensor], torch.Tensor]) -> None:
    """Print how far latents are apart."""
    torch.manual_seed(SEED)
    stock = transformer(dim, layers, refiners, make)
    embedding = torch.randn(CAPTION_TOKENS, stock.config.cap_feat_dim)
    exact = latents(stock.float(), embedding, side, Matrix)
    stock = stock.bfloat16()
    rounded = latents(stock, embedding, side, Matrix)
    small = latents(stock, embedding, side, Int8Matrix)
    for words, one, other in (
        ("bf16 against float32", rounded, exact),
        ("int8 against float32", small, exact),
        ("int8 against bf16", small, rounded),
    ):
        error = (one - other).norm() / other.norm()
        click.echo(f"{words}: {psnr_db(one, other):.1f} dB, relative error {error:.4f}")


def transformer(dim: int, layers: int, refiners: int, make: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """A transformer of random weights, of the width that training would give their outputs."""
    head = 128 if dim == 3840 else 32
    model = ZImageTransformer2DModel(
        dim=dim,
        n_layers=layers,
        n_refiner_layers=refiners,
        n_heads=dim // head,
        n_kv_heads=dim // head,
        cap_feat_dim=2560 if dim == 3840 else 32,
        axes_dims=[head // 4, 3 * head // 8, 3 * head // 8],
        axes_lens=[1536, 512, 512],
    )
    for name, weight in model.named_parameters():
        if weight.ndim == 2 and "adaLN" not in name and not name.endswith("pad_token"):
            weight.copy_(make(weight) / math.sqrt(weight.shape[1]))
        elif name.endswith("pad_token"):
            weight.normal_(std=0.02)
    return model.eval().requires_grad_(False)


def latents(stock: Any, embedding: torch.Tensor, side: int, make_matrix: MakeMatrix) -> torch.Tensor:
    """What a copy of the transformer draws in eight steps (patches x 64)."""
    steps = schedule(scheduler())
    denoiser = pack(copy.deepcopy(stock), steps.timesteps, make_matrix)
    rows = side // 16
    scene = denoiser.scene(embedding, rows, rows)
    patches = to_patches(noise(SEED, rows, rows))
    for step, sigma_fall in zip(denoiser.steps, steps.sigma_falls, strict=True):
        patches = patches + sigma_fall * denoiser.predict(scene, patches, step).float()
    return patches


def psnr_db(one: torch.Tensor, other: torch.Tensor) -> float:
    """The peak signal-to-noise ratio of latents in decibels."""
    error = float((one.double() - other.double()).square().mean())
    return 10 * math.log10(LATENTS_PEAK**2 / error)


if __name__ == "__main__":
    main()
