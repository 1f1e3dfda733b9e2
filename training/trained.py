"""What a run has trained so far, read from its folder."""

from pathlib import Path

from training.autoencoder import Autoencoder
from training.recipe import Recipe
from training.run import saved
from training.transformer import Transformer


def autoencoder(folder: Path, recipe: Recipe) -> Autoencoder | None:
    """The autoencoder with its decoder if that is trained, else with its linear code alone, or None without a code."""
    decoder, code = saved(folder, "decoder"), saved(folder, "code")
    state = code if decoder is None else decoder["model"]
    if state is None:
        return None
    coder = Autoencoder(recipe.autoencoder_shape)
    coder.load_state_dict(state)
    return coder


def transformer(folder: Path, recipe: Recipe, *stages: str) -> Transformer | None:
    """The averaged transformer of the first of these stages that the run has begun, or None."""
    for name in stages:
        state = saved(folder, name)
        if state is not None:
            model = Transformer(recipe.transformer_shape)
            model.load_state_dict(state["average"])
            return model.eval()
    return None
