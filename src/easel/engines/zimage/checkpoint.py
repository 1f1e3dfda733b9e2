"""A checkpoint folder in diffusers' format: its files, and how many parameters they hold. Nothing is loaded."""

from pathlib import Path

from easel.engines.engine import EngineUnusable
from easel.engines.zimage.tensor_files import TensorEntry, read_entries, read_json

PARTS = {"text_encoder": "model", "transformer": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model"}
"""The parts that have weights, and the prefix of their file names."""

SMALL_FILES = ["model_index.json", "scheduler/scheduler_config.json", "tokenizer/tokenizer_config.json"]


def missing_files(folder: Path) -> list[str]:
    """The files, relative to the folder, that a Z-Image pipeline needs and that are missing."""
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


def tensors(folder: Path, part: str) -> dict[str, TensorEntry]:
    """All tensors of a part by name. Raises EngineUnusable for a damaged file."""
    found: dict[str, TensorEntry] = {}
    for name in weight_files(folder, part):
        found |= read_entries(folder / part / name)
    return found


def count_parameters(folder: Path) -> int:
    """The number of parameters of all parts."""
    return sum(count_in_part(folder, part) for part in PARTS)


def count_in_part(folder: Path, part: str) -> int:
    """The number of parameters of one part."""
    return sum(entry.parameters for entry in tensors(folder, part).values())
