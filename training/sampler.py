"""What a transformer expects, with guidance or without, and latents drawn from noise by following it."""

from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional

from easel.engines.nano.engine import schedule
from training.tokens import Words
from training.transformer import Transformer, latent_positions


def expected(model: Transformer, noisy: Tensor, moments: Tensor, padded: Tensor, bias: Tensor) -> Tensor:
    """The latents that the model expects behind noisy ones, for captions padded to one length."""
    height, width = noisy.shape[2:]
    context = model.read(padded, bias)
    whole = functional.pad(bias, (height * width, 0))
    return model(noisy, moments, context, latent_positions(height, width, noisy.device), whole)


def guided(model: Transformer, noisy: Tensor, moments: Tensor, padded: Tensor, bias: Tensor, words: Words,
           guidance: float) -> Tensor:  # fmt: skip
    """What the model expects, pushed away from what it would expect without the caption."""
    with_caption = expected(model, noisy, moments, padded, bias)
    if guidance == 1.0:
        return with_caption
    empty, empty_bias = words.batch([words.ids("")] * len(noisy), noisy.device)
    without = expected(model, noisy, moments, empty, empty_bias)
    return without + guidance * (with_caption - without)


@torch.no_grad()
def sample(
    model: Transformer, words: Words, captions: list[str], grid: tuple[int, int], seed: int, guidance: float = 1.0
) -> Tensor:
    """Latents of one picture for each caption, on the model's device, by Euler steps."""
    device = next(model.parameters()).device
    noise = torch.Generator("cpu").manual_seed(seed)
    shape = (len(captions), model.shape.latent_channels, grid[1], grid[0])
    latents = torch.randn(shape, generator=noise).to(device)
    padded, bias = words.batch([words.ids(caption) for caption in captions], device)
    for now, then in pairwise(schedule().tolist()):
        moments = torch.full((len(captions),), now, device=device)
        drawn = guided(model, latents, moments, padded, bias, words, guidance)
        latents = latents + (then - now) * (latents - drawn) / now
    return latents
