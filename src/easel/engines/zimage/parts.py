"""Reads the model's five parts from a checkpoint with diffusers and transformers.

Weights come from safetensors files only, and all of them must be present. Beyond that, only the libraries' own checks
apply.
"""

import lzma
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, ZImageTransformer2DModel
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast, Qwen2Tokenizer, Qwen3Model

from easel.engines.zimage.checkpoint import Checkpoint
from easel.engines.zimage.split_weights import load_autoencoder, load_text_encoder, load_transformer

IGNORED = frozenset({"lm_head.weight"})
"""The text encoder is stored as a whole language model, and its output layer is not used."""


@dataclass(frozen=True, slots=True)
class Places:
    """The devices that the parts are read to."""

    transformer: torch.device
    autoencoder: torch.device
    text_encoder: torch.device


@dataclass(frozen=True, slots=True)
class Parts:
    """The stock model. Its parts may be on different devices."""

    transformer: Any
    autoencoder: Any
    text_encoder: Any
    tokenizer: Any
    scheduler: Any


def read_parts(checkpoint: Checkpoint, dtype: torch.dtype, places: Places) -> Parts:
    """Read a whole checkpoint. Raises whatever the libraries raise for invalid files."""
    folder, small = checkpoint.folder, checkpoint.configuration
    if checkpoint.split is None:
        weights = (
            load_part(ZImageTransformer2DModel, folder / "transformer", torch_dtype=dtype).to(places.transformer),
            load_part(AutoencoderKL, folder / "vae", torch_dtype=dtype).to(places.autoencoder),
            load_part(Qwen3Model, folder / "text_encoder", dtype=dtype).to(places.text_encoder),
        )
    else:
        weights = (
            ready(load_transformer(checkpoint, dtype, places.transformer), "transformer"),
            ready(load_autoencoder(checkpoint, dtype, places.autoencoder), "vae"),
            ready(load_text_encoder(checkpoint, dtype, places.text_encoder), "text_encoder"),
        )
    scheduler = FlowMatchEulerDiscreteScheduler.from_pretrained(small / "scheduler", local_files_only=True)
    return Parts(*weights, read_tokenizer(small / "tokenizer"), scheduler)


def read_tokenizer(folder: Path) -> Any:
    """The tokenizer of a folder, which may be compressed."""
    compressed = folder / "tokenizer.json.xz"
    if not compressed.is_file():
        return Qwen2Tokenizer.from_pretrained(folder, local_files_only=True)
    exact = Tokenizer.from_str(lzma.decompress(compressed.read_bytes()).decode())
    template = (folder / "chat_template.jinja").read_text(encoding="utf-8")
    return PreTrainedTokenizerFast(tokenizer_object=exact, chat_template=template)


def load_part(part: Any, folder: Path, **options: Any) -> Any:
    """Read one part from safetensors files. Raises ValueError unless its weights are exactly those in the files, and
    are finite."""
    model, found = part.from_pretrained(
        folder, use_safetensors=True, local_files_only=True, output_loading_info=True, **options
    )
    missing = sorted(found["missing_keys"])
    if missing:
        # The libraries would fill them with random numbers.
        raise ValueError(f"{folder.name} lacks {missing[0]}")
    extra = sorted(set(found["unexpected_keys"]) - IGNORED)
    if extra:
        # The libraries would ignore them, even if they are scales of other weights.
        raise ValueError(f"{folder.name} does not expect {extra[0]}")
    return ready(model, folder.name)


def ready(model: Any, name: str) -> Any:
    """The model for inference. Raises ValueError if a weight is not finite."""
    require_finite(model, name)
    return model.eval().requires_grad_(False)


def require_finite(model: Any, name: str) -> None:
    """Raise ValueError if a weight is infinite or not a number."""
    with torch.no_grad():
        sums = {parameter: weights.sum(dtype=torch.float32) for parameter, weights in model.named_parameters()}
        # One transfer, since each would wait for the device.
        are_finite = torch.stack(list(sums.values())).isfinite().tolist()
    odd = [parameter for parameter, is_finite in zip(sums, are_finite, strict=True) if not is_finite]
    if odd:
        raise ValueError(f"{odd[0]} of its {name} is not finite")
