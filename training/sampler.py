"""Draws latents from noise: Euler steps towards the expected picture, on Z-Image-Turbo's shifted schedule."""

from itertools import pairwise

import torch
from torch import Tensor

from training.times import schedule
from training.tokens import Words
from training.train_flow import guided
from training.transformer import Transformer


@torch.no_grad()
def sample(
    model: Transformer, words: Words, captions: list[str], grid: tuple[int, int], seed: int, guidance: float = 1.0
) -> Tensor:
    """Latents of one picture for each caption, on the model's device."""
    device = next(model.parameters()).device
    noise = torch.Generator("cpu").manual_seed(seed)
    shape = (len(captions), model.shape.latent_channels, grid[1], grid[0])
    latents = torch.randn(shape, generator=noise).to(device)
    padded, bias = words.batch([words.ids(caption) for caption in captions], device)
    for now, then in pairwise(schedule()):
        time = torch.full((len(captions),), now, device=device)
        drawn = guided(model, latents, time, padded, bias, words, guidance)
        latents = latents + (then - now) * (latents - drawn) / now
    return latents
