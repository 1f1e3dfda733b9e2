"""A checkpoint: its files, what they hold, and how many parameters. Nothing is loaded.

There are two layouts. In diffusers' layout, a folder has a folder for each part, with its configuration and its
weights. In ComfyUI's, each part is one file, with other names of tensors (`split_layout`) and without a configuration.
It is read with the configurations and the tokenizer in `turbo`, unless its folder has its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from easel.engines.engine import EngineUnusable
from easel.engines.zimage import split_layout
from easel.engines.zimage.tensor_files import TensorEntry, read_entries, read_json

PARTS = {"text_encoder": "model", "transformer": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model"}
"""The parts that have weights, and the prefix of their file names in diffusers' layout."""

SMALL_FILES = ["model_index.json", "scheduler/scheduler_config.json", "tokenizer/tokenizer_config.json"]
TURBO_FOLDER = Path(__file__).parent / "turbo"
"""The configurations and the tokenizer of Z-Image-Turbo, which come with Easel."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """`configuration` is the folder of the configurations and the tokenizer. `split` names the file of each part in
    ComfyUI's layout, and is None in diffusers'."""

    folder: Path
    configuration: Path
    split: Mapping[str, Path] | None = None

    def place(self, part: str) -> Path:
        """The file or folder of a part."""
        return self.folder / part if self.split is None else self.split[part]

    def config(self, part: str) -> dict[str, Any]:
        """The configuration of a part that has weights. Raises EngineUnusable for a damaged file."""
        return read_json(self.configuration / part / "config.json")

    def scheduler_config(self) -> dict[str, Any]:
        """The scheduler's configuration. Raises EngineUnusable for a damaged file."""
        return read_json(self.configuration / "scheduler/scheduler_config.json")

    def tensors(self, part: str) -> dict[str, TensorEntry]:
        """All tensors of a part, by their names in diffusers' layout. Raises EngineUnusable for a damaged file."""
        if self.split is not None:
            return split_layout.entries(part, read_entries(self.split[part]))
        found: dict[str, TensorEntry] = {}
        for name in weight_files(self.folder, part):
            found |= read_entries(self.folder / part / name)
        return found

    def count_parameters(self, *parts: str) -> int:
        """The number of parameters of these parts, or of all."""
        return sum(entry.parameters for part in parts or PARTS for entry in self.tensors(part).values())


def in_folder(folder: Path) -> Checkpoint:
    """The checkpoint of a folder in diffusers' layout."""
    return Checkpoint(folder, folder)


def of_split_files(folder: Path, files: Mapping[str, Path]) -> Checkpoint:
    """The checkpoint of a folder with a file for each part."""
    has_its_own = (folder / "transformer/config.json").is_file()
    return Checkpoint(folder, folder if has_its_own else TURBO_FOLDER, files)


def missing_files(folder: Path) -> list[str]:
    """The files, relative to the folder, that diffusers' layout needs and that are missing."""
    names = [*SMALL_FILES, *(f"{part}/config.json" for part in PARTS)]
    if not (folder / "tokenizer/vocab.json").is_file() or not (folder / "tokenizer/merges.txt").is_file():
        names.append("tokenizer/tokenizer.json")
    for part in PARTS:
        names += [f"{part}/{name}" for name in weight_files(folder, part)]
    return [name for name in names if not (folder / name).is_file()]


def weight_files(folder: Path, part: str) -> list[str]:
    """The names of a part's weight files, present or not: those in its index, or else the single file."""
    whole = f"{PARTS[part]}.safetensors"
    index = folder / part / f"{whole}.index.json"
    if not index.is_file():
        return [whole]
    listed = read_json(index).get("weight_map")
    names = sorted(set(listed.values())) if isinstance(listed, dict) else []
    if not names or any(Path(name).name != name for name in names):
        raise EngineUnusable(f"{index} is damaged: copy or download it again.")
    return names
