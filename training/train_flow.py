"""The transformer's two stages: flow matching on latents, then guidance built into the model.

`flow` learns, at the times of the eight steps, which picture noisy latents and a caption come from; a tenth of the
captions is left out. `distil` starts from its average and learns to give at once what guidance would give from two
passes, so that drawing needs one pass a step.
"""

import copy
import random
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from training import times
from training.atlas import Atlas
from training.autoencoder import Autoencoder
from training.learner import Learner
from training.pool import Pool, batches
from training.recipe import Recipe
from training.run import Run
from training.scenes import Cast
from training.tokens import Words
from training.transformer import Transformer, latent_positions

Show = Callable[[Transformer, str, float], None]
"""Draws a sheet with this model, under this name, with this guidance."""


def train(run: Run, recipe: Recipe, cast: Cast, atlas: Atlas, device: torch.device, coder: Autoencoder,
          words: Words, show: Show) -> None:  # fmt: skip
    """Flow matching, or go on where it stopped."""
    learner = Learner(run, "flow", Transformer(recipe.transformer_shape).to(device), recipe.flow)
    rng = random.Random(f"flow {recipe.seed} {learner.samples}")
    pool = Pool(recipe, cast, atlas, coder, words, device)
    for latents, weights, padded, bias in batches(rng, cast, pool, words, recipe.flow, recipe.caption_drop, run.pause):
        if learner.done:
            break
        run.pause()
        noisy, moments = noised(latents)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            found = expected(learner.model, noisy, moments, padded, bias)
        learner.learn(error(found, latents, moments, coder.weights * weights))
        _between(learner, show, guidance=recipe.guidance)


def distil(run: Run, recipe: Recipe, cast: Cast, atlas: Atlas, device: torch.device, coder: Autoencoder,
           words: Words, teacher: Transformer, show: Show) -> None:  # fmt: skip
    """Teach a copy of the model to answer as the teacher does with guidance."""
    student = copy.deepcopy(teacher).train().requires_grad_(True)
    learner = Learner(run, "distil", student, recipe.distil)
    rng = random.Random(f"distil {recipe.seed} {learner.samples}")
    pool = Pool(recipe, cast, atlas, coder, words, device)
    for latents, weights, padded, bias in batches(rng, cast, pool, words, recipe.distil, 0.0, run.pause):
        if learner.done:
            break
        run.pause()
        noisy, moments = noised(latents)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            with torch.no_grad():
                wanted = guided(teacher, noisy, moments, padded, bias, words, recipe.guidance)
            found = expected(student, noisy, moments, padded, bias)
        learner.learn(error(found, wanted, moments, coder.weights * weights))
        _between(learner, show, guidance=1.0)


def guided(model: Transformer, noisy: Tensor, moments: Tensor, padded: Tensor, bias: Tensor, words: Words,
           guidance: float) -> Tensor:  # fmt: skip
    """The expected picture pushed away from what the model would expect without the caption."""
    with_caption = expected(model, noisy, moments, padded, bias)
    if guidance == 1.0:
        return with_caption
    empty, empty_bias = words.batch([words.ids("")] * len(noisy), noisy.device)
    without = expected(model, noisy, moments, empty, empty_bias)
    return without + guidance * (with_caption - without)


def _between(learner: Learner, show: Show, guidance: float) -> None:
    run = learner.run
    if run.sheet_due() or learner.done:
        show(learner.average, learner.name, guidance)
        run.curves()
    if run.checkpoint_due() or learner.done:
        learner.keep()
    run.leave()


def expected(model: Transformer, noisy: Tensor, time_: Tensor, padded: Tensor, bias: Tensor) -> Tensor:
    """The model's answer for a padded batch."""
    height, width = noisy.shape[2:]
    context = model.read(padded, bias)
    whole = functional.pad(bias, (height * width, 0))
    return model(noisy, time_, context, latent_positions(height, width, noisy.device), whole)


def noised(latents: Tensor) -> tuple[Tensor, Tensor]:
    """Latents on their way from noise to picture, and at which times."""
    moments = times.pick(len(latents), latents.device)
    mix = moments[:, None, None, None]
    return (1 - mix) * latents + mix * torch.randn_like(latents), moments


def error(found: Tensor, wanted: Tensor, moments: Tensor, weights: Tensor) -> Tensor:
    """How far two batches are apart: later steps count more, since they decide what is seen in the end."""
    late = (1 / moments)[:, None, None, None]
    return (late / late.mean() * weights * (found.float() - wanted.float()).square()).mean()
