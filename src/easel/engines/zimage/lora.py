"""LoRA: small changes to the transformer's weights, read from a file and added once at load.

Files are understood by `lora_layout`, and added in float32. Files that cannot be added completely and as intended are
refused: other kinds than LoRA and LoKr, rank patterns, layers that the model lacks, and numbers that are not finite.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file

from easel.engines.engine import EngineUnusable
from easel.engines.lora_layout import Change, Lora, layout, strength_in_header, why_not_added

UNREADABLE = (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError, SafetensorError)
"""What reading raises for a file that is not a LoRA."""


def add_lora(transformer: Any, lora: Lora) -> None:
    """Add a LoRA to the stock transformer's weights, in place. Raises EngineUnusable."""
    if not lora.file.is_file():
        raise EngineUnusable(
            f"The LoRA file {lora.file} does not exist: set EASEL_LORA to a .safetensors file, or unset it."
        )
    weights = {
        name.removesuffix(".weight"): parameter
        for name, parameter in transformer.named_parameters()
        if name.endswith(".weight") and parameter.ndim == 2
    }
    try:
        add_all(weights, lora)
    except UNREADABLE as error:
        raise EngineUnusable(why_not_added(lora.file, error)) from error


def add_all(weights: Mapping[str, torch.Tensor], lora: Lora) -> None:
    """Add every change of the file, or none. Raises ValueError, and what reading raises."""
    tensors = load_file(lora.file)
    changes = layout(
        {name: tuple(tensor.shape) for name, tensor in tensors.items()},
        {name: tuple(weight.shape) for name, weight in weights.items()},
    )
    odd = sorted(name for name, tensor in tensors.items() if not tensor.isfinite().all())
    if odd:
        raise ValueError(f"{odd[0]} is not finite")
    strength = lora.scale * strength_of(lora.file)
    for change in changes:
        of_layer = {kind: tensors[name] for kind, name in change.tensors.items()}
        whole = difference(change, of_layer, weights[change.layers[0]].device)
        for layer, part in zip(change.layers, whole.chunk(len(change.layers)), strict=True):
            weight = weights[layer]
            weight.copy_(weight.float() + strength * part)


def difference(change: Change, of_layer: Mapping[str, torch.Tensor], device: torch.device) -> torch.Tensor:
    """What is added to the weights of the change's layers, one below the other."""
    factors = {kind: tensor.to(device, torch.float32) for kind, tensor in of_layer.items()}
    if not change.is_kronecker:
        return alpha_over(factors, len(factors["down"])) * (factors["up"] @ factors["down"])
    rank = next((len(factors[name]) for name in ("w2_b", "w1_b") if name in factors), None)
    # Of two whole factors there is no rank, and alpha is whatever the trainer left there.
    strength = 1.0 if rank is None else alpha_over(factors, rank)
    return strength * torch.kron(kronecker_factor(factors, "w1"), kronecker_factor(factors, "w2"))


def alpha_over(factors: Mapping[str, torch.Tensor], rank: int) -> float:
    """Alpha divided by rank if the layer has an alpha, else 1."""
    return float(factors["alpha"]) / rank if "alpha" in factors else 1.0


def kronecker_factor(factors: Mapping[str, torch.Tensor], name: str) -> torch.Tensor:
    """A factor of a Kronecker product, which may be a product itself."""
    return factors[name] if name in factors else factors[f"{name}_a"] @ factors[f"{name}_b"]


def strength_of(file: Path) -> float:
    """What the file's header says of the strength. Raises what reading raises."""
    with safe_open(file, framework="pt") as opened:
        return strength_in_header((opened.metadata() or {}).get("lora_adapter_metadata", "{}"))
