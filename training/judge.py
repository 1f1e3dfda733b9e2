"""A small network that recognises what a picture shows, trained only on composed scenes with all combinations.

It sees square pictures at 16 pixels per token and says of every token which thing is seen there, in which colour, and
whether a thing begins there; what the whole picture shows is summed up from that.
"""

import hashlib
import random
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from training import scenes
from training.atlas import Atlas
from training.autoencoder import Norm, Residual
from training.cast import Cast
from training.composer import compose, lay_out
from training.files import whole
from training.optimizers import Optimizers
from training.recipe import Stage, rate_share
from training.scenes import Scene
from training.words import COLOURS

TOKEN_PX = 16
"""The scale that the judge sees pictures at."""
NOISE_MAX = 0.06
"""Drawn pictures are not as clean as composed ones; the judge must not mind."""
OWN = len(COLOURS)
"""The colour class of a thing that has its own colours."""
TOKENS_MIN = 2.0
"""How many tokens must show a thing for it to be there; the smallest that is composed has four."""
SEED = 1


@dataclass(frozen=True, slots=True)
class Told:
    """What is seen at each token, as logits: batch x classes x height x width."""

    things: Tensor
    """The things, and at last none."""
    colours: Tensor
    """The colours, and at last OWN."""
    begins: Tensor
    """One class: whether this is a thing's top left token."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What stands at each token, batch x height x width."""

    things: Tensor
    colours: Tensor
    begins: Tensor


@dataclass(frozen=True, slots=True)
class Seen:
    """What each picture of a batch shows."""

    present: Tensor
    """batch x things: whether it is there."""
    colours: Tensor
    """batch x things: its most likely colour, or OWN."""
    centres: Tensor
    """batch x things x 2: x and y from 0 to 1."""
    counts: Tensor
    """batch: how many things there are in all."""


class Judge(nn.Module):
    """Pictures (batch x 3 x height x width) to what is seen at each of their tokens."""

    def __init__(self, things: int) -> None:
        super().__init__()
        self.things = things
        self.look = nn.Sequential(
            nn.PixelUnshuffle(4), nn.Conv2d(48, 64, 3, padding=1), Residual(64), nn.PixelUnshuffle(2),
            nn.Conv2d(256, 128, 1), Residual(128), nn.PixelUnshuffle(2), nn.Conv2d(512, 192, 1), Residual(192),
            Residual(192), Residual(192), Norm(192), nn.Conv2d(192, things + 1 + OWN + 1 + 1, 1),
        )  # fmt: skip

    def forward(self, pictures: Tensor) -> Told:
        """What is seen at each token."""
        return Told(*self.look(pictures * 2 - 1).split((self.things + 1, OWN + 1, 1), dim=1))


def truth(batch: list[Scene], things: int, device: torch.device) -> Truth:
    """What the judge should say of these scenes, which are on one grid."""
    width, height = batch[0].grid
    told = torch.zeros(3, len(batch), height, width, dtype=torch.int64)
    told[0], told[1] = things, OWN
    for index, scene in enumerate(batch):
        for slot in scene.slots:
            rows, columns = slice(slot.top, slot.top + slot.size), slice(slot.left, slot.left + slot.size)
            told[0, index, rows, columns] = slot.thing
            told[1, index, rows, columns] = slot.colour if slot.colour >= 0 else OWN
            told[2, index, rows, columns] = 0
            told[2, index, slot.top, slot.left] = 1
    return Truth(*told.to(device))


def sum_up(things: Tensor, colours: Tensor, begins: Tensor) -> Seen:
    """What pictures show, from each token's probabilities (batch x classes x height x width)."""
    shares = things[:, :-1]
    height, width = shares.shape[2:]
    tokens = shares.sum((2, 3))
    sure = tokens.clamp(min=1e-6)[..., None]
    across = (torch.arange(width, device=shares.device) + 0.5) / width
    down = (torch.arange(height, device=shares.device) + 0.5) / height
    centres = torch.stack([shares.sum(2) @ across, shares.sum(3) @ down], -1) / sure
    coloured = torch.einsum("bthw,bchw->btc", shares, colours)
    return Seen(tokens >= TOKENS_MIN, coloured.argmax(-1), centres, (begins > 0.5).sum((1, 2, 3)))


@torch.no_grad()
def look(judge: Judge, pictures: Tensor) -> Seen:
    """What the pictures show."""
    told = judge(pictures)
    return sum_up(told.things.softmax(1), told.colours.softmax(1), told.begins.sigmoid())


def train(cast: Cast, atlas: Atlas, folder: Path, samples: int, device: torch.device) -> Judge:
    """The judge for that cast, trained on so many scenes, or as `folder` has it."""
    names = ",".join(thing.picture for thing in cast.things)
    made_of = hashlib.sha256(f"{names} {cast.square} {samples}".encode()).hexdigest()
    file = folder / f"judge-{made_of[:16]}.pt"
    torch.manual_seed(SEED)
    judge = Judge(len(cast.things)).to(device)
    if file.exists():
        judge.load_state_dict(torch.load(file, weights_only=True, map_location=device))
        return judge.eval()
    stage = Stage(samples, 32, 1e-3, 2e-3, 0.5)
    optimizer = Optimizers([judge], stage)
    rng = random.Random("judge")
    for done in range(0, samples, stage.batch):
        batch = [scenes.pick_any(rng, cast, cast.square) for _ in range(stage.batch)]
        pictures = compose(lay_out(batch, device), atlas, cast.square)
        pictures = pictures + torch.rand(1, device=device) * NOISE_MAX * torch.randn_like(pictures)
        loss = _loss(judge(pictures), truth(batch, judge.things, device))
        loss.backward()
        optimizer.step(rate_share(done, stage))
        if done // stage.batch % 50 == 0:
            print(f"judge {done}/{samples} loss {loss.item():.3f}", flush=True)
    with whole(file) as new:
        torch.save(judge.state_dict(), new)
    return judge.eval()


def _loss(told: Told, wanted: Truth) -> Tensor:
    there = wanted.things < told.things.shape[1] - 1
    loss = functional.cross_entropy(told.things, wanted.things)
    loss = loss + functional.cross_entropy(told.colours.movedim(1, -1)[there], wanted.colours[there])
    return loss + functional.binary_cross_entropy_with_logits(told.begins[:, 0], wanted.begins.float())
