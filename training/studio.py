"""What the stages of a training run work with, made once when it begins."""

from dataclasses import dataclass
from pathlib import Path

import torch

from training import atlas, scenes, tokens, trained
from training.atlas import Atlas
from training.autoencoder import FINE_TOKEN_PX, TOKEN_PX, Autoencoder
from training.cast import Cast, cast_of
from training.composer import compose, lay_out
from training.recipe import Recipe
from training.run import Run, chance
from training.tokens import Words

COMPOSED_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Studio:
    """A run's folder, its numbers, its scenes' cast, its device, its autoencoder and its tokenizer."""

    run: Run
    recipe: Recipe
    cast: Cast
    atlas: Atlas
    """At 32 pixels per token."""
    finer: Atlas
    """At 128 pixels per token."""
    device: torch.device
    coder: Autoencoder
    words: Words


def furnish(run: Run, recipe: Recipe, icons: Path, device: torch.device) -> Studio:
    """The studio of a run: what the run's folder lacks is made and kept there."""
    cast = cast_of(recipe, icons)
    plain, finer = (
        atlas.make(icons, cast.things, token_px, run.folder.parent / "atlases").to(device)
        for token_px in (TOKEN_PX, FINE_TOKEN_PX)
    )
    shape = recipe.transformer_shape
    tokenizer = tokens.make(run.file("tokenizer.json"), cast, shape.words, recipe.seed, recipe.captions)
    words = Words(tokenizer, shape.caption_tokens_max)
    return Studio(run, recipe, cast, plain, finer, device, _coder(run, recipe, cast, plain, device), words)


def _coder(run: Run, recipe: Recipe, cast: Cast, plain: Atlas, device: torch.device) -> Autoencoder:
    """The autoencoder as far as it is trained; at first its linear code is fitted to scenes."""
    coder = trained.autoencoder(run.folder, recipe)
    if coder is None:
        coder = Autoencoder(recipe.autoencoder_shape).to(device)
        rng = chance("code", recipe.seed, 0)
        pictures = []
        for _ in range(-(-recipe.fitted // COMPOSED_AT_ONCE)):
            batch = [scenes.pick(rng, cast, cast.square) for _ in range(COMPOSED_AT_ONCE)]
            pictures.append(compose(lay_out(batch, device), plain, cast.square))
        coder.fit(torch.cat(pictures))
        run.save("code", coder.state_dict())
    return coder.to(device)
