"""The pool of scenes that the transformer learns from: their latents, with a few captions each, made anew all the time.

Composing and encoding a scene costs as much as a part of a training step, so that each serves several times.
"""

import random
from collections.abc import Iterator

import torch
from torch import Tensor

from training import captions, scenes
from training.atlas import Atlas
from training.autoencoder import Autoencoder
from training.cast import Cast, Grid
from training.composer import compose, lay_out
from training.recipe import Recipe, Stage
from training.scenes import Scene
from training.tokens import Words

BATCHES_AT_ONCE = 4
"""Captions are sorted by length within so many batches, so that little padding is computed."""
WORDINGS = 4
"""How many captions a scene in the pool has."""
THING_WEIGHT = 3.0
"""How much a token counts where a thing is, which is hard to learn; the background counts 1."""
FRESH_MAX = 256
"""How many scenes are composed at once."""


class Shelf:
    """The pool's part for one grid: latents, how much each token counts, and a few worded captions of each scene."""

    def __init__(self, grid: Grid, most: int, channels: int, tokens_max: int, device: torch.device) -> None:
        self.grid, self.most = grid, most
        self.latents = torch.zeros(most, channels, grid[1], grid[0], device=device)
        self.weights = torch.zeros(most, 1, grid[1], grid[0], device=device)
        self.words = torch.zeros(most, WORDINGS, tokens_max, dtype=torch.int64, device=device)
        self.filled = 0
        self.oldest = 0


class Pool:
    """Scenes' latents and captions; each draw makes some anew in place of the oldest, and takes a batch from all."""

    def __init__(
        self, recipe: Recipe, cast: Cast, atlas: Atlas, model: Autoencoder, words: Words, device: torch.device
    ) -> None:
        self._recipe, self._cast, self._atlas, self._model, self._words = recipe, cast, atlas, model, words
        self._device = device
        weight = sum(share for _, share in cast.grids)
        channels, longest = recipe.transformer_shape.latent_channels, recipe.transformer_shape.caption_tokens_max
        self._shelves = {
            grid: Shelf(grid, max(1, recipe.pool * share // weight), channels, longest, device)
            for grid, share in cast.grids
        }

    def draw(self, rng: random.Random, grid: Grid, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """`count` scenes' latents, how much each of their tokens counts, and for each the tokens of one of its captions."""
        shelf = self._shelves[grid]
        fresh = max(1, count // self._recipe.reuse) if shelf.filled >= min(count, shelf.most) else count
        fresh = min(fresh, shelf.most)
        for start in range(0, fresh, FRESH_MAX):
            self._renew(rng, shelf, min(FRESH_MAX, fresh - start))
        chosen = torch.tensor([rng.randrange(shelf.filled) for _ in range(count)], device=self._device)
        wording = torch.tensor([rng.randrange(WORDINGS) for _ in range(count)], device=self._device)
        return shelf.latents[chosen], shelf.weights[chosen], shelf.words[chosen, wording]

    @torch.no_grad()
    def _renew(self, rng: random.Random, shelf: Shelf, count: int) -> None:
        fresh = [scenes.pick(rng, self._cast, shelf.grid) for _ in range(count)]
        pictures = compose(lay_out(fresh, self._device), self._atlas, shelf.grid)
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._device.type == "cuda"):
            encoded = self._model.encode(pictures).float()
        written = [self._words.ids(captions.write(rng, scene)) for scene in fresh for _ in range(WORDINGS)]
        padded = self._words.pad_to(written, shelf.words.shape[2]).view(count, WORDINGS, -1)
        places = [(shelf.oldest + index) % shelf.most for index in range(count)]
        where = torch.tensor(places, device=self._device)
        shelf.latents[where], shelf.words[where] = encoded, padded.to(self._device)
        shelf.weights[where] = torch.stack([_weights(scene) for scene in fresh]).to(self._device)
        shelf.oldest = (places[-1] + 1) % shelf.most
        shelf.filled = min(shelf.most, shelf.filled + count)


def _weights(scene: Scene) -> Tensor:
    """How much the tokens of a scene count, 1 x height x width, one on average."""
    weights = torch.ones(1, scene.grid[1], scene.grid[0])
    for slot in scene.slots:
        weights[:, slot.top : slot.top + slot.size, slot.left : slot.left + slot.size] = THING_WEIGHT
    return weights / weights.mean()


def batches(
    rng: random.Random, cast: Cast, pool: Pool, words: Words, stage: Stage, drop: float
) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Endlessly: latents, how much each token counts, padded caption tokens, and the bias that hides the padding."""
    while True:
        grid = scenes.pick_grid(rng, cast)
        latents, weights, ids = pool.draw(rng, grid, stage.batch * BATCHES_AT_ONCE)
        dropped = torch.rand(len(ids), 1, device=ids.device) < drop
        ids = torch.where(dropped, words.nothing(ids), ids)
        lengths = (ids != words.pad).sum(1)
        parts = list(lengths.argsort().split(stage.batch))
        rng.shuffle(parts)
        for part in parts:
            padded = ids[part, : int(lengths[part].max())]
            yield latents[part], weights[part], padded, words.bias(padded)
