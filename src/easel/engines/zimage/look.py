"""Checks the zimage engine's libraries, weights and LoRA without loading anything large."""

import importlib.util
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from easel.engines.engine import EngineUnusable, Observation
from easel.engines.lora_layout import layout, why_not_added
from easel.engines.zimage import published
from easel.engines.zimage.shapes import REAL_SIZE, linear_layers
from easel.engines.zimage.tensor_files import read_entries
from easel.runtime import distribution


def look_at_files(model: str, lora: tuple[Path, float] | None) -> Iterator[Observation]:
    """The weights and the LoRA (a file and its scale). Raises EngineUnusable where PyTorch or diffusers is missing."""
    if importlib.util.find_spec("torch") is None or importlib.util.find_spec("diffusers") is None:
        raise EngineUnusable(f"PyTorch and diffusers are not installed. Run `{distribution.install_extra('gpu')}`.")
    from easel.engines.zimage.weights import find

    size: Mapping[str, Any] = REAL_SIZE
    try:
        checkpoint = find(model)
    except EngineUnusable as error:
        yield Observation(f"zimage: {error}", is_usable=False)
    else:
        if checkpoint is not None:
            size = checkpoint.config("transformer")
        yield Observation(_download(model) if checkpoint is None else f"zimage with the weights in {checkpoint.folder}")
    if lora is not None:
        yield _lora(*lora, size)


def _download(model: str) -> str:
    known = published.MODELS.get(model)
    if known is None:
        return f"zimage with {model} from the hub, at its latest revision; the first use downloads it"
    gigabytes = f"{known.download_bytes / 1e9:.1f} GB"
    return f"zimage with {model} from the hub, revision {known.revision}; the first use downloads {gigabytes}"


def _lora(file: Path, scale: float, size: Mapping[str, Any]) -> Observation:
    if not file.is_file():
        return Observation(f"the LoRA file {file} does not exist (EASEL_LORA)", is_usable=False)
    try:
        changes = layout({name: entry.shape for name, entry in read_entries(file).items()}, linear_layers(size))
    except (EngineUnusable, ValueError) as error:
        return Observation(why_not_added(file, error), is_usable=False)
    layers = sum(len(change.layers) for change in changes)
    return Observation(f"LoRA {file} for {layers} layers, scale {scale:g}")
