"""Loads ComfyUI's split files into the stock model's parts.

Weights in fp8 are multiplied by their scales and rounded once to the precision that the engine draws in, so they take
as much memory as others. Activations are never in fp8.
"""

from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, ZImageTransformer2DModel
from safetensors import safe_open
from transformers import Qwen3Config, Qwen3Model

from easel.engines.zimage.checkpoint import Checkpoint
from easel.engines.zimage.split_layout import Source, sources
from easel.engines.zimage.tensor_files import read_entries


def load_transformer(checkpoint: Checkpoint, dtype: torch.dtype, device: torch.device) -> Any:
    """The transformer. Raises whatever the libraries raise for invalid files."""
    return filled(ZImageTransformer2DModel, checkpoint, "transformer", dtype, device)


def load_autoencoder(checkpoint: Checkpoint, dtype: torch.dtype, device: torch.device) -> Any:
    """The autoencoder. Raises whatever the libraries raise for invalid files."""
    return filled(AutoencoderKL, checkpoint, "vae", dtype, device)


def load_text_encoder(checkpoint: Checkpoint, dtype: torch.dtype, device: torch.device) -> Any:
    """The text encoder. Raises whatever the libraries raise for invalid files."""
    assert checkpoint.split is not None
    config = Qwen3Config.from_pretrained(checkpoint.configuration / "text_encoder", local_files_only=True)
    state = read_state(checkpoint.split["text_encoder"], "text_encoder", dtype, device)
    # Not `filled`: the library computes the rotations when it loads, and they are in no file.
    model, found = Qwen3Model.from_pretrained(
        None, config=config, state_dict=state, dtype=dtype, device_map={"": device}, output_loading_info=True
    )
    odd = sorted({*found["missing_keys"], *found["unexpected_keys"]})
    if odd:
        raise ValueError(f"text_encoder has not the expected weights: {odd[0]}")
    return model


def filled(kind: Any, checkpoint: Checkpoint, part: str, dtype: torch.dtype, device: torch.device) -> Any:
    """A part made of its configuration, with the tensors of its file as its weights, which are not copied."""
    assert checkpoint.split is not None
    config = kind.load_config(checkpoint.configuration / part, local_files_only=True)
    with torch.device("meta"):
        model = kind.from_config(config)
    model.load_state_dict(read_state(checkpoint.split[part], part, dtype, device), strict=True, assign=True)
    return model


def read_state(file: Path, part: str, dtype: torch.dtype, device: torch.device) -> dict[str, torch.Tensor]:
    """The tensors of a file, by their names in diffusers' layout."""
    state: dict[str, torch.Tensor] = {}
    with safe_open(file, framework="pt", device=str(device)) as opened:
        for source in sources(part, read_entries(file)):
            whole = read_tensor(opened, source).to(dtype)
            for name, tensor in zip(source.targets, whole.chunk(len(source.targets)), strict=True):
                state[name] = tensor.reshape(source.shape)
    return state


def read_tensor(opened: Any, source: Source) -> torch.Tensor:
    """A tensor, times its scale if it has one."""
    whole: torch.Tensor = opened.get_tensor(source.name)
    if source.scale is None:
        return whole
    scale = opened.get_tensor(source.scale).float()
    return whole.float() * (scale.reshape(-1, 1) if scale.numel() > 1 else scale.reshape(()))
