"""The autoencoder's decoder, trained from composed scenes.

The decoder sees whole pictures' latents: half of them as the transformer would give them, which are never quite right,
the others with some noise. It is judged at 32 pixels per token everywhere, and at 64 and 128 in a window of each picture,
where a thing is.
"""

import math
import random
import time
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from training import scenes
from training.autoencoder import FINE_TOKEN_PX, TOKEN_PX, Decoder
from training.composer import compose, lay_out
from training.imagination import Imagination
from training.optimizers import Optimizers
from training.recipe import rate_share
from training.run import Run, chance
from training.scenes import Scene
from training.sheets import sheet
from training.studio import Studio

EDGE_WEIGHT = 0.5
WINDOW_TOKENS = 2
BORDER_PX = 16
"""A window's outermost pixels are not judged at the finer scales: they lack neighbours that a whole picture has."""
NOISE_MAX = 0.25
"""The most noise, as a share of the latents' spread."""


def train(studio: Studio, imagine: Imagination | None) -> None:
    """Train the decoder, or go on where the run stopped."""
    run, stage, decoder = studio.run, studio.recipe.decoder, studio.coder.decoder
    optimizer = Optimizers([nn.ModuleList([decoder.trunk, decoder.look, decoder.head, decoder.doubler])], stage)
    samples = 0
    state = run.load("decoder")
    if state is not None:
        optimizer.load(state["optimizer"])
        samples = int(state["samples"])
    rng = chance("decoder", studio.recipe.seed, samples)
    began_s, began = time.monotonic(), samples
    while samples < stage.samples:
        run.pause()
        lesson = make_lesson(rng, studio, imagine)
        with torch.autocast(studio.device.type, torch.bfloat16, enabled=studio.device.type == "cuda"):
            answer = give_answer(decoder, lesson)
        loss = error(answer, lesson)
        loss.backward()
        nn.utils.clip_grad_norm_(decoder.parameters(), 1.0)
        optimizer.step(rate_share(samples, stage))
        samples += stage.batch
        rate = (samples - began) / (time.monotonic() - began_s)
        run.log("decoder", samples, stage.samples, rate, loss=loss.item(), db=decibels(answer.drawn, lesson.wanted))
        if run.sheet_due() or samples >= stage.samples:
            draw_sheets(run, lesson, answer)
        if run.checkpoint_due() or samples >= stage.samples:
            state = {"model": studio.coder.state_dict(), "optimizer": optimizer.state(), "samples": samples}
            run.save("decoder", state)
        run.leave()


@dataclass(frozen=True, slots=True)
class Lesson:
    """A batch to learn from: latents, the pictures that they should become, and a finer window of each."""

    latents: Tensor
    wanted: Tensor
    """At 32 pixels per token."""
    windows: Tensor
    """Left and top of each window, in tokens."""
    fine: Tensor
    """The windows at 128 pixels per token."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the decoder made of a lesson: the pictures, and the windows at 64 and 128 pixels per token."""

    drawn: Tensor
    twice: Tensor
    finest: Tensor
    clean: Tensor
    """At 128, doubled from what it should have been at 64."""


def make_lesson(rng: random.Random, studio: Studio, imagine: Imagination | None) -> Lesson:
    """Scenes to draw, the first half of them as the transformer imagines them if there is one."""
    square = studio.cast.square
    batch = [scenes.pick(rng, studio.cast, square) for _ in range(studio.recipe.decoder.batch)]
    layout = lay_out(batch, studio.device)
    wanted = compose(layout, studio.atlas, square)
    windows = pick_windows(rng, batch).to(studio.device)
    encoded = studio.coder.encode(wanted)
    latents = jittered(encoded)
    if imagine is not None:
        half = len(batch) // 2
        latents[:half] = imagine(rng, batch[:half], encoded[:half])
    return Lesson(latents, wanted, windows, compose(layout, studio.finer, (WINDOW_TOKENS, WINDOW_TOKENS), windows))


def give_answer(decoder: Decoder, lesson: Lesson) -> Answer:
    """What the decoder makes of the lesson's latents now."""
    drawn = decoder(lesson.latents)
    twice = decoder.doubler(cut(drawn, lesson.windows))
    clean = decoder.doubler(functional.avg_pool2d(lesson.fine, 2))
    return Answer(drawn, twice, decoder.doubler(twice), clean)


def error(answer: Answer, lesson: Lesson) -> Tensor:
    """How far an answer is off, at all scales."""
    fine = inner(lesson.fine)
    loss = distance(answer.drawn.float(), lesson.wanted)
    loss = loss + distance(inner(answer.twice), inner(functional.avg_pool2d(lesson.fine, 2)))
    return loss + distance(inner(answer.finest), fine) + 0.5 * distance(inner(answer.clean), fine)


def decibels(drawn: Tensor, wanted: Tensor) -> float:
    """The peak signal-to-noise ratio of two batches of pictures from 0 to 1."""
    error = (drawn.detach().float().clamp(0, 1) - wanted).square().mean().item()
    return -10 * math.log10(error + 1e-9)


def draw_sheets(run: Run, lesson: Lesson, answer: Answer) -> None:
    """What was wanted, and below it what was drawn."""
    columns = min(8, len(lesson.wanted))
    sheet(torch.cat([lesson.wanted[:8], answer.drawn[:8]]), columns, run.file("decoder.png"))
    sheet(torch.cat([lesson.fine[:8], answer.finest[:8]]), columns, run.file("decoder-fine.png"))


def distance(drawn: Tensor, wanted: Tensor) -> Tensor:
    """How far two batches of pictures are apart: in colour, and in the differences of neighbours, where edges are."""
    loss = (drawn - wanted).abs().mean()
    for axis in (2, 3):
        loss = loss + EDGE_WEIGHT * (drawn.diff(dim=axis) - wanted.diff(dim=axis)).abs().mean()
    return loss


def jittered(latents: Tensor) -> Tensor:
    """Latents that are off by a random amount, another one in every picture."""
    amount = torch.rand(len(latents), 1, 1, 1, device=latents.device) * NOISE_MAX
    return latents + amount * latents.std((0, 2, 3), keepdim=True) * torch.randn_like(latents)


def pick_windows(rng: random.Random, batch: list[Scene]) -> Tensor:
    """A window in each scene, as (left, top) in tokens, around a place in some thing."""
    corners = []
    for scene in batch:
        slot = rng.choice(scene.slots)
        corner = slot.left + rng.randrange(slot.size), slot.top + rng.randrange(slot.size)
        corners.append([min(at, side - WINDOW_TOKENS) for at, side in zip(corner, scene.grid, strict=True)])
    return torch.tensor(corners)


def cut(pictures: Tensor, windows: Tensor) -> Tensor:
    """The windows of batch x channels x height x width at 32 pixels per token."""
    side = WINDOW_TOKENS * TOKEN_PX
    corners = (windows * TOKEN_PX).tolist()
    return torch.stack(
        [
            picture[:, top : top + side, left : left + side]
            for picture, (left, top) in zip(pictures, corners, strict=True)
        ]
    )


def inner(pictures: Tensor) -> Tensor:
    """Windows without their outermost pixels."""
    border = BORDER_PX * pictures.shape[2] // (WINDOW_TOKENS * FINE_TOKEN_PX)
    return pictures[..., border:-border, border:-border].float()
