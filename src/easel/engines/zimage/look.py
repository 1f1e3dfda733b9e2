"""Checks the zimage engine's libraries, weights and LoRA without loading anything large."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path

from easel.engines.engine import EngineUnusable, Observation
from easel.runtime import distribution

DOWNLOAD = "32.8 GB"


def look_at_files(model: str, lora: tuple[Path, float] | None) -> Iterator[Observation]:
    """The weights and the LoRA (a file and its scale). Raises EngineUnusable where PyTorch or diffusers is missing."""
    if importlib.util.find_spec("torch") is None or importlib.util.find_spec("diffusers") is None:
        raise EngineUnusable(f"PyTorch and diffusers are not installed. Run `{distribution.install_extra('gpu')}`.")
    yield _weights(model)
    if lora is not None:
        file, scale = lora
        words = (
            f"LoRA {file}, scale {scale:g}" if file.is_file() else f"the LoRA file {file} does not exist (EASEL_LORA)"
        )
        yield Observation(words, is_usable=file.is_file())


def _weights(model: str) -> Observation:
    from easel.engines.zimage.weights import find

    try:
        folder = find(model)
    except EngineUnusable as error:
        return Observation(f"zimage: {error}", is_usable=False)
    if folder is None:
        return Observation(f"zimage with {model} from the hub; the first use downloads {DOWNLOAD}")
    return Observation(f"zimage with the weights in {folder}")
