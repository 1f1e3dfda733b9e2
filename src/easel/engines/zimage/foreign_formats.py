"""Recognises models in formats that this engine does not read, to say what they are and what to do."""

from pathlib import Path

from easel.engines.engine import EngineUnusable
from easel.engines.zimage.tensor_files import read_entries

FILES = (".safetensors", ".sft", ".gguf", ".ckpt", ".pt", ".pth", ".bin")
"""Endings of single files. A name that ends so is no name on a hub."""

COMFY_FOLDERS = ("diffusion_models", "split_files", "unet", "checkpoints")
OTHER_PARTS = ("text_encoders.", "vae.", "first_stage_model.", "cond_stage_model.")
"""How names begin in files that hold more than a transformer."""

FOLDER = "set EASEL_MODEL to a folder in diffusers' or ComfyUI's layout, or unset it to download one"
FILE = "set EASEL_ENGINE=sdcpp and EASEL_SDCPP_TRANSFORMER to this file"
GGUF_FOLDER = "set EASEL_ENGINE=sdcpp and EASEL_SDCPP_MODEL to this folder"


def foreign_file(file: Path) -> str:
    """What a single file is, and what to do."""
    if not file.is_file():
        return f"The file {file} does not exist: {FOLDER}."
    if file.suffix == ".gguf":
        return f"{file} is a GGUF file, which the zimage engine does not read: {FILE}, or {FOLDER}."
    if file.suffix not in {".safetensors", ".sft"}:
        return f"{file} is a pickle, which could execute code and is not read: {FOLDER}."
    return f"{file} is {what_is_in(file)}, which the zimage engine does not read: {FOLDER}."


def what_is_in(file: Path) -> str:
    """What a single safetensors file holds."""
    try:
        names = read_entries(file).keys()
    except EngineUnusable:
        return "damaged"
    if not any("cap_embedder." in name for name in names):
        return "no Z-Image"
    has_all = any(name.startswith(OTHER_PARTS) for name in names)
    return "Z-Image with all parts in one file" if has_all else "an incomplete transformer of Z-Image"


def foreign_folder(folder: Path) -> str | None:
    """What a folder is that lacks files of diffusers' format, and what to do. None if it only seems incomplete."""
    if (folder / "model_index.json").is_file():
        return None
    if next(folder.glob("*.gguf"), None) is not None:
        return f"{folder} holds GGUF files, which the zimage engine does not read: {GGUF_FOLDER}, or {FOLDER}."
    if any((folder / name).is_dir() for name in COMFY_FOLDERS):
        return f"{folder} holds models in ComfyUI's layout, but no transformer of Z-Image that the zimage engine reads: {FOLDER}."
    single = next((file for file in sorted(folder.glob("*.safetensors"))), None)
    return None if single is None else foreign_file(single)
