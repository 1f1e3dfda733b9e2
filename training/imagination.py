"""Latents as the trained transformer draws them: close to those of a scene, with the transformer's typical errors.

The decoder learns from them, so that it turns the transformer's output into clean pictures.
"""

import random

import torch
from torch import Tensor

from training import captions, times
from training.sampler import expected
from training.scenes import Scene
from training.tokens import Words
from training.transformer import Transformer

LAST_STEPS = 2
"""Of the steps that end a drawing, how many are imitated: before them much of a scene is still open."""


class Imagination:
    """Scenes' latents to what the transformer would have given at the end of a drawing of them."""

    def __init__(self, model: Transformer, words: Words) -> None:
        self._model, self._words = model, words

    @torch.no_grad()
    def __call__(self, rng: random.Random, scenes: list[Scene], latents: Tensor) -> Tensor:
        """The same shape."""
        device = latents.device
        moments = times.pick(len(latents), device, LAST_STEPS)
        noisy = times.noised(latents, moments)
        padded, bias = self._words.batch([self._words.ids(captions.write(rng, scene)) for scene in scenes], device)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            return expected(self._model, noisy, moments, padded, bias).float()
