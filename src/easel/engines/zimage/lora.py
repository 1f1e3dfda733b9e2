"""LoRA: small changes to the transformer's weights, read from a file and added once at load.

Files are read as diffusers reads them for this model (its own format, kohya's, ComfyUI's and others) and added in
float32. Files that cannot be applied as intended are refused: LoKr, DoRA, rank patterns, layers that the model lacks.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import ZImagePipeline
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file

from easel.engines.engine import EngineUnusable

DOWN, UP = ".lora_A.weight", ".lora_B.weight"
UNREADABLE = (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError, SafetensorError)
"""What reading and converting raise for a file that is not a LoRA."""


@dataclass(frozen=True, slots=True)
class Lora:
    """A safetensors file and its scale: 0 adds nothing, 1 adds it as its maker intended."""

    file: Path
    scale: float


def add_lora(transformer: Any, lora: Lora) -> None:
    """Add a LoRA to the stock transformer's weights, in place. Raises EngineUnusable."""
    if not lora.file.is_file():
        raise EngineUnusable(
            f"The LoRA file {lora.file} does not exist: set EASEL_LORA to a .safetensors file, or unset it."
        )
    weights = dict(transformer.named_parameters())
    try:
        for layer, (down, up, strength) in read_changes(lora.file).items():
            weight = weights.get(f"{layer}.weight")
            if weight is None:
                raise ValueError(f"the transformer has no layer {layer}")
            change = up.to(weight.device, torch.float32) @ down.to(weight.device, torch.float32)
            weight.copy_(weight.float() + lora.scale * strength * change)
    except UNREADABLE as error:
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise EngineUnusable(
            f"{lora.file} cannot be added to the model ({reason}): "
            "set EASEL_LORA to a LoRA for Z-Image-Turbo, or unset it."
        ) from error


def read_changes(file: Path) -> dict[str, tuple[torch.Tensor, torch.Tensor, float]]:
    """The change of each layer, by its name: two factors, and the strength of their product. Raises ValueError."""
    tensors = load_file(file)
    foreign = sorted(name for name in tensors if "dora_scale" in name or ".lokr_" in name)
    if foreign:
        raise ValueError(f"{foreign[0]} is not part of a plain LoRA")
    strength = strength_in_header(file)
    state = {
        name.removeprefix("transformer."): factor for name, factor in ZImagePipeline.lora_state_dict(tensors).items()
    }
    layers = sorted(name.removesuffix(DOWN) for name in state if name.endswith(DOWN))
    strange = sorted(set(state) - {layer + part for layer in layers for part in (DOWN, UP)})
    if strange or not layers:
        raise ValueError(f"{strange[0]} is not part of a plain LoRA" if strange else "it contains no LoRA")
    return {layer: (state[layer + DOWN], state[layer + UP], strength) for layer in layers}


def strength_in_header(file: Path) -> float:
    """Alpha divided by rank if diffusers wrote both into the file's header, else 1. Raises ValueError."""
    with safe_open(file, framework="pt") as opened:
        header = opened.metadata() or {}
    adapter = json.loads(header.get("lora_adapter_metadata", "{}"))
    settings = {name.removeprefix("transformer."): value for name, value in adapter.items()}
    odd = [name for name in ("rank_pattern", "alpha_pattern", "use_rslora", "use_dora") if settings.get(name)]
    if odd:
        raise ValueError(f"it was made with {odd[0]}")
    return float(settings.get("lora_alpha", 1)) / float(settings.get("r", 1)) if "r" in settings else 1.0
