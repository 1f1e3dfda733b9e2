"""What `easel doctor` says about the sdcpp engine: its library, the devices that it finds, and the model's files."""

from collections.abc import Iterator
from pathlib import Path

from easel.engines.engine import EngineUnusable, Observation
from easel.engines.lora_layout import Lora
from easel.engines.sdcpp import published
from easel.engines.sdcpp.engine import greeted
from easel.engines.sdcpp.lora import changes_of
from easel.engines.sdcpp.model_files import ModelFiles, find, located
from easel.engines.sdcpp.wheels import require_library


def look_at_files(given: ModelFiles, lora: Lora | None = None) -> Iterator[Observation]:
    """The model's files and the LoRA, by their headers."""
    try:
        found = find(given)
        here = {part: file for part, file in found.items() if file is not None}
        if len(here) < len(found):
            missing = [published.FILES[part.name] for part in found if part not in here]
            names = ", ".join(f"{file.name} ({file.size_bytes / 1e9:.1f} GB)" for file in missing)
            yield Observation(f"sdcpp with files from the hub; the first use downloads {names}")
            return
        files = located(here)
    except EngineUnusable as error:
        yield Observation(f"sdcpp: {error}", is_usable=False)
        return
    yield Observation(f"sdcpp with {files.transformer}, {files.text_encoder} and {files.autoencoder}")
    for warning in files.warnings:
        yield Observation(f"sdcpp: {warning}", is_usable=False)
    if lora is not None:
        yield _look_at_lora(lora, files.transformer)


def _look_at_lora(lora: Lora, transformer: Path) -> Observation:
    try:
        layers = sum(len(change.layers) for change in changes_of(lora, transformer))
    except EngineUnusable as error:
        return Observation(str(error), is_usable=False)
    return Observation(f"LoRA {lora.file} for {layers} layers, scale {lora.scale:g}")


def look_at_library(command: tuple[str, ...]) -> Iterator[Observation]:
    """The library in the Python that `command` starts, and its devices. Raises EngineUnusable."""
    child, hello = greeted(command)
    child.end()
    require_library(hello)
    wheel = hello.wheels[0] if hello.wheels else "cyllama"
    devices = ", ".join(f"{name} ({words.strip()})" for name, words in hello.devices)
    yield Observation(f"{wheel} {hello.version}, which finds {devices or 'no device'}", subject="device")
