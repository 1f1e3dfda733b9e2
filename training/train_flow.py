"""The transformer's two stages: flow matching on latents, then guidance built into the model.

`flow` learns, at the times of the eight steps, which picture noisy latents and a caption come from; a tenth of the
captions is left out. `distil` starts from its average and learns to give at once what guidance would give from two
passes, so that drawing needs one pass a step.
"""

import copy

import torch
from torch import Tensor

from training import times
from training.learner import Learner
from training.pool import Pool, batches
from training.run import chance
from training.sampler import expected, guided
from training.samples import SampleSheets
from training.studio import Studio
from training.transformer import Transformer


def train(studio: Studio, sheets: SampleSheets) -> None:
    """Flow matching, or go on where it stopped."""
    recipe = studio.recipe
    model = Transformer(recipe.transformer_shape).to(studio.device)
    _learn(studio, sheets, Learner(studio.run, "flow", model, recipe.flow), recipe.guidance)


def distil(studio: Studio, sheets: SampleSheets, teacher: Transformer, teacher_samples: int) -> None:
    """Teach a copy of the model, which has seen so many samples, to answer as it does with guidance."""
    student = copy.deepcopy(teacher).to(studio.device).train().requires_grad_(True)
    learner = Learner(studio.run, "distil", student, studio.recipe.distil, teacher_samples)
    _learn(studio, sheets, learner, 1.0, teacher.to(studio.device))


def _learn(
    studio: Studio, sheets: SampleSheets, learner: Learner, guidance: float, teacher: Transformer | None = None
) -> None:
    """Learn what the teacher expects with guidance, or, without a teacher, what there is behind the noise.

    Sheets are drawn with `guidance`.
    """
    recipe, device, words, coder = studio.recipe, studio.device, studio.words, studio.coder
    rng = chance(learner.name, recipe.seed, learner.samples)
    pool = Pool(recipe, studio.cast, studio.atlas, coder, words, device)
    drop = recipe.caption_drop if teacher is None else 0.0
    lessons = batches(rng, studio.cast, pool, words, learner.stage, drop)
    while not learner.done:
        studio.run.pause()
        latents, weights, padded, bias = next(lessons)
        moments = times.pick(len(latents), device)
        noisy = times.noised(latents, moments)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            wanted = latents
            if teacher is not None:
                with torch.no_grad():
                    wanted = guided(teacher, noisy, moments, padded, bias, words, recipe.guidance)
            found = expected(learner.model, noisy, moments, padded, bias)
        learner.learn(error(found, wanted, moments, coder.weights * weights))
        _between(learner, sheets, guidance)


def _between(learner: Learner, sheets: SampleSheets, guidance: float) -> None:
    run = learner.run
    if run.sheet_due() or learner.done:
        sheets.draw(learner.average, learner.name, guidance)
        run.curves()
    if run.checkpoint_due() or learner.done:
        learner.keep()
    run.leave()


def error(found: Tensor, wanted: Tensor, moments: Tensor, weights: Tensor) -> Tensor:
    """How far two batches are apart: later steps count more, since they decide what is seen in the end."""
    late = (1 / moments)[:, None, None, None]
    return (late / late.mean() * weights * (found.float() - wanted.float()).square()).mean()
