"""Checks the zimage engine's libraries, weights and LoRA without loading anything large."""

import importlib.util
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from easel.engines.engine import EngineUnusable, Observation
from easel.engines.zimage.identity import REAL_SIZE, linear_layers
from easel.engines.zimage.lora_layout import layout, why_not_added
from easel.engines.zimage.published import TURBO
from easel.engines.zimage.tensor_files import read_entries, read_json
from easel.runtime import distribution


def look_at_files(model: str, lora: tuple[Path, float] | None) -> Iterator[Observation]:
    """The weights and the LoRA (a file and its scale). Raises EngineUnusable where PyTorch or diffusers is missing."""
    if importlib.util.find_spec("torch") is None or importlib.util.find_spec("diffusers") is None:
        raise EngineUnusable(f"PyTorch and diffusers are not installed. Run `{distribution.install_extra('gpu')}`.")
    from easel.engines.zimage.weights import find

    size: Mapping[str, Any] = REAL_SIZE
    try:
        folder = find(model)
    except EngineUnusable as error:
        yield Observation(f"zimage: {error}", is_usable=False)
    else:
        if folder is not None:
            size = read_json(folder / "transformer/config.json")
        yield Observation(_download(model) if folder is None else f"zimage with the weights in {folder}")
    if lora is not None:
        yield _lora(*lora, size)


def _download(model: str) -> str:
    if model != TURBO.model:
        return f"zimage with {model} from the hub, at its latest revision; the first use downloads it"
    return f"zimage with {model} from the hub, revision {TURBO.revision}; the first use downloads 32.8 GB"


def _lora(file: Path, scale: float, size: Mapping[str, Any]) -> Observation:
    if not file.is_file():
        return Observation(f"the LoRA file {file} does not exist (EASEL_LORA)", is_usable=False)
    try:
        changes = layout({name: entry.shape for name, entry in read_entries(file).items()}, linear_layers(size))
    except (EngineUnusable, ValueError) as error:
        return Observation(why_not_added(file, error), is_usable=False)
    layers = sum(len(change.layers) for change in changes)
    return Observation(f"LoRA {file} for {layers} layers, scale {scale:g}")
