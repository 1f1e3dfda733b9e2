"""The autoencoder: its linear code is fitted at once, its decoder is trained from composed scenes.

The decoder sees whole pictures' latents: half of them as the transformer would give them, which are never quite right,
the others with some noise. It is judged at 32 pixels per token everywhere, and at 64 and 128 in a window of each picture,
where a thing is.
"""

import math
import random
import time

import torch
from torch import Tensor, nn
from torch.nn import functional

from training import scenes
from training.atlas import Atlas
from training.autoencoder import FINE_TOKEN_PX, TOKEN_PX, Autoencoder
from training.composer import compose, lay_out
from training.imagination import Imagination
from training.optimizers import Optimizers
from training.recipe import Recipe, rate_share
from training.run import Run, sheet
from training.scenes import Cast, Scene

EDGE_WEIGHT = 0.5
WINDOW_TOKENS = 2
BORDER_PX = 16
"""A window's outermost pixels are not judged at the finer scales: they lack neighbours that a whole picture has."""
NOISE_MAX = 0.25
"""The most noise, as a share of the latents' spread."""
AT_ONCE = 64


def prepare(run: Run, recipe: Recipe, cast: Cast, atlas: Atlas, device: torch.device) -> Autoencoder:
    """The autoencoder as far as it is: with its linear code, fitted first if need be, and its decoder if trained."""
    coder = Autoencoder(recipe.autoencoder_shape).to(device)
    code = run.load("code")
    if code is None:
        rng = random.Random(f"code {recipe.seed}")
        grid = cast.square
        parts = [[scenes.pick(rng, cast, grid) for _ in range(AT_ONCE)] for _ in range(-(-recipe.fitted // AT_ONCE))]
        coder.fit(torch.cat([compose(lay_out(part, device), atlas, grid) for part in parts]))
        run.save("code", coder.state_dict())
    else:
        coder.load_state_dict(code)
    trained = run.load("decoder")
    if trained is not None:
        coder.load_state_dict(trained["model"])
    return coder


def train(
    run: Run,
    recipe: Recipe,
    cast: Cast,
    atlases: tuple[Atlas, Atlas],
    device: torch.device,
    coder: Autoencoder,
    imagine: Imagination | None,
) -> None:
    """Train the decoder, or go on where the run stopped."""
    stage, decoder = recipe.decoder, coder.decoder
    optimizer = Optimizers([nn.ModuleList([decoder.trunk, decoder.look, decoder.head, decoder.doubler])], stage)
    samples = 0
    saved = run.load("decoder")
    if saved is not None:
        optimizer.load(saved["optimizer"])
        samples = int(saved["samples"])
    rng = random.Random(f"decoder {recipe.seed} {samples}")
    began_s, began = time.monotonic(), samples
    while samples < stage.samples:
        run.pause()
        batch = [scenes.pick(rng, cast, cast.square) for _ in range(stage.batch)]
        wanted = compose(lay_out(batch, device), atlases[0], cast.square)
        windows = pick_windows(rng, batch)
        fine = compose(lay_out(batch, device), atlases[1], (WINDOW_TOKENS, WINDOW_TOKENS), windows)
        latents = noised(coder.encode(wanted))
        if imagine is not None:
            half = len(batch) // 2
            latents[:half] = imagine(rng, batch[:half], coder.encode(wanted[:half]))
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            drawn = decoder(latents)
            twice = decoder.doubler(cut(drawn, windows))
            finest = decoder.doubler(twice)
            clean = decoder.doubler(functional.avg_pool2d(fine, 2))
        loss = distance(drawn.float(), wanted)
        loss = loss + distance(inner(twice), inner(functional.avg_pool2d(fine, 2)))
        loss = loss + distance(inner(finest), inner(fine)) + 0.5 * distance(inner(clean), inner(fine))
        loss.backward()
        nn.utils.clip_grad_norm_(decoder.parameters(), 1.0)
        optimizer.step(rate_share(samples, stage))
        samples += stage.batch
        error = (drawn.detach().float().clamp(0, 1) - wanted).square().mean().item()
        rate = (samples - began) / (time.monotonic() - began_s)
        run.log("decoder", samples, stage.samples, rate, loss=loss.item(), db=-10 * math.log10(error + 1e-9))
        if run.sheet_due() or samples >= stage.samples:
            sheet(torch.cat([wanted[:8], drawn[:8]]), min(8, len(drawn)), run.file("decoder.png"))
            sheet(torch.cat([fine[:8], finest[:8]]), min(8, len(drawn)), run.file("decoder-fine.png"))
        if run.checkpoint_due() or samples >= stage.samples:
            state = {"model": coder.state_dict(), "optimizer": optimizer.state(), "samples": samples}
            run.save("decoder", state)
        run.leave()


def distance(drawn: Tensor, wanted: Tensor) -> Tensor:
    """How far two batches of pictures are apart: in colour, and in the differences of neighbours, where edges are."""
    loss = (drawn - wanted).abs().mean()
    for axis in (2, 3):
        loss = loss + EDGE_WEIGHT * (drawn.diff(dim=axis) - wanted.diff(dim=axis)).abs().mean()
    return loss


def noised(latents: Tensor) -> Tensor:
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
