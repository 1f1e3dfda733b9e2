"""A small network that says what a picture shows, trained on composed scenes alone.

It sees square pictures at 16 pixels per token and answers which things are there, of which colour, where, and how many
in all. `check` measures it on scenes that it was not trained on: figures of a model are worth no more than that.
"""

import random
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from training import scenes
from training.atlas import Atlas
from training.autoencoder import Norm, Residual
from training.composer import compose, lay_out
from training.optimizers import Optimizers
from training.recipe import Stage, rate_share
from training.scenes import SLOTS_MAX, Cast, Scene
from training.words import COLOURS

TOKEN_PX = 16
"""The scale that the judge sees pictures at."""
NOISE_MAX = 0.06
"""Drawn pictures are not as clean as composed ones; the judge must not mind."""
OWN = len(COLOURS)
"""The colour class of a thing that has its own colours."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the judge says of a batch of pictures."""

    present: Tensor
    """batch x things: logits."""
    colours: Tensor
    """batch x things x (colours and OWN): logits."""
    centres: Tensor
    """batch x things x 2: x and y from 0 to 1."""
    count: Tensor
    """batch x SLOTS_MAX: logits for one thing, two …"""


class Judge(nn.Module):
    """Pictures (batch x 3 x side x side) to what they show."""

    def __init__(self, things: int, side_tokens: int) -> None:
        super().__init__()
        self.things = things
        self.look = nn.Sequential(
            nn.PixelUnshuffle(4), nn.Conv2d(48, 64, 3, padding=1), Residual(64), nn.PixelUnshuffle(2),
            nn.Conv2d(256, 128, 1), Residual(128), nn.PixelUnshuffle(2), nn.Conv2d(512, 192, 1), Residual(192),
            Residual(192), Norm(192), nn.Conv2d(192, 64, 1), nn.SiLU(), nn.Flatten(),
            nn.Linear(64 * side_tokens**2, 512), nn.SiLU(),
        )  # fmt: skip
        self.say = nn.Linear(512, things * (1 + OWN + 1 + 2) + SLOTS_MAX)

    def forward(self, pictures: Tensor) -> Seen:
        """What the pictures show."""
        said = self.say(self.look(pictures * 2 - 1))
        things = self.things
        present, colours, centres, count = said.split((things, things * (OWN + 1), things * 2, SLOTS_MAX), dim=1)
        return Seen(present, colours.view(-1, things, OWN + 1), centres.view(-1, things, 2).sigmoid(), count)


def truth(batch: list[Scene], things: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """What the scenes show, as the judge should say it: presence, colours, centres, counts less one."""
    present = torch.zeros(len(batch), things)
    colours = torch.full((len(batch), things), OWN)
    centres = torch.zeros(len(batch), things, 2)
    for index, scene in enumerate(batch):
        for thing in {slot.thing for slot in scene.slots}:
            own = [slot for slot in scene.slots if slot.thing == thing]
            present[index, thing] = 1
            colours[index, thing] = own[0].colour if own[0].colour >= 0 else OWN
            across = sum(slot.left + slot.size / 2 for slot in own) / len(own) / scene.grid[0]
            down = sum(slot.top + slot.size / 2 for slot in own) / len(own) / scene.grid[1]
            centres[index, thing] = torch.tensor([across, down])
    counts = torch.tensor([len(scene.slots) - 1 for scene in batch])
    return present, colours, centres, counts


def train(cast: Cast, atlas: Atlas, file: Path, samples: int, device: torch.device) -> Judge:
    """The judge kept in `file`, trained first if it is not there."""
    judge = Judge(len(cast.things), cast.square[0]).to(device)
    if file.exists():
        judge.load_state_dict(torch.load(file, weights_only=True, map_location=device))
        return judge.eval()
    stage = Stage(samples, 32, 1e-3, 2e-3, 0.5)
    optimizer = Optimizers([judge], stage)
    rng = random.Random("judge")
    for done in range(0, samples, stage.batch):
        batch = [scenes.pick(rng, cast, cast.square) for _ in range(stage.batch)]
        pictures = compose(lay_out(batch, device), atlas, cast.square)
        pictures = pictures + torch.rand(1, device=device) * NOISE_MAX * torch.randn_like(pictures)
        loss = _loss(judge(pictures), [part.to(device) for part in truth(batch, judge.things)])
        loss.backward()
        optimizer.step(rate_share(done, stage))
        if done // stage.batch % 50 == 0:
            print(f"judge {done}/{samples} loss {loss.item():.3f}", flush=True)
    torch.save(judge.state_dict(), file)
    return judge.eval()


def _loss(seen: Seen, wanted: list[Tensor]) -> Tensor:
    present, colours, centres, counts = wanted
    there = present > 0
    loss = functional.binary_cross_entropy_with_logits(seen.present, present) * 20
    loss = loss + functional.cross_entropy(seen.colours[there], colours[there])
    loss = loss + 5 * (seen.centres[there] - centres[there]).abs().mean()
    return loss + functional.cross_entropy(seen.count, counts)


@torch.no_grad()
def check(judge: Judge, cast: Cast, atlas: Atlas, device: torch.device, count: int = 512) -> dict[str, float]:
    """How often the judge is right about composed scenes that it never saw."""
    rng = random.Random("held out")
    right = {"thing": 0.0, "colour": 0.0, "count": 0.0, "position": 0.0}
    for _ in range(0, count, 64):
        batch = [scenes.pick(rng, cast, cast.square) for _ in range(64)]
        seen = judge(compose(lay_out(batch, device), atlas, cast.square))
        present, colours, centres, counts = (part.to(device) for part in truth(batch, judge.things))
        there = present > 0
        right["thing"] += (seen.present[there] > 0).float().mean().item()
        right["colour"] += (seen.colours[there].argmax(-1) == colours[there]).float().mean().item()
        right["position"] += ((seen.centres[there] - centres[there]).abs().amax(-1) < 0.15).float().mean().item()
        right["count"] += (seen.count.argmax(-1) == counts).float().mean().item()
    return {name: value / (count / 64) for name, value in right.items()}
