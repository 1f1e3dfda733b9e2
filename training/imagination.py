"""Latents as the trained transformer draws them: nearly those of a scene, and off in its own way.

The decoder learns from them, so that it makes a clean picture of what the transformer gives.
"""

import random

import torch
from torch import Tensor

from training import captions, times
from training.recipe import Recipe
from training.run import Run
from training.scenes import Scene
from training.tokens import Words
from training.train_flow import expected
from training.transformer import Transformer

LAST_STEPS = 2
"""Of the steps that end a drawing, how many are imitated: before them much of a scene is still open."""


def trained(run: Run, recipe: Recipe, device: torch.device, *stages: str) -> Transformer | None:
    """The averaged transformer of the first of these stages that the run has begun, or None."""
    for name in stages:
        state = run.load(name)
        if state is not None:
            model = Transformer(recipe.transformer_shape)
            model.load_state_dict(state["average"])
            return model.to(device).eval()
    return None


class Imagination:
    """Scenes' latents to what the transformer would have given at the end of a drawing of them."""

    def __init__(self, model: Transformer, words: Words) -> None:
        self._model, self._words = model, words

    @torch.no_grad()
    def __call__(self, rng: random.Random, scenes: list[Scene], latents: Tensor) -> Tensor:
        """The same shape."""
        device = latents.device
        late = torch.tensor(times.schedule()[-1 - LAST_STEPS : -1], device=device)
        moments = late[torch.randint(LAST_STEPS, (len(latents),), device=device)]
        mix = moments[:, None, None, None]
        noisy = (1 - mix) * latents + mix * torch.randn_like(latents)
        padded, bias = self._words.batch([self._words.ids(captions.write(rng, scene)) for scene in scenes], device)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            return expected(self._model, noisy, moments, padded, bias).float()
