"""What a run has trained so far, read from its folder."""

from pathlib import Path
from typing import Any

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


def teacher(folder: Path, recipe: Recipe) -> tuple[Transformer, int] | None:
    """The averaged transformer of `flow` and how many samples it has seen, or None if there is none yet."""
    flow = saved(folder, "flow")
    return None if flow is None else (_averaged(flow, recipe), flow["samples"])


def transformer(folder: Path, recipe: Recipe) -> Transformer | None:
    """The best transformer: the distilled one if it was made from `flow` as that is now, else that of `flow`, or None."""
    flow, distilled = saved(folder, "flow"), saved(folder, "distil")
    if flow is None:
        return None
    if distilled is not None and distilled["done"] and distilled["teacher_samples"] == flow["samples"]:
        return _averaged(distilled, recipe)
    return _averaged(flow, recipe)


def _averaged(state: dict[str, Any], recipe: Recipe) -> Transformer:
    model = Transformer(recipe.transformer_shape)
    model.load_state_dict(state["average"])
    return model.eval()
