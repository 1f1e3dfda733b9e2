"""Finds ComfyUI's split files: the transformer, the text encoder and the autoencoder, each in a file of its own.

They lie in one folder, or in the folders of ComfyUI's `models` or of the `split_files` of its downloads. Other models
may lie beside them, so files are recognised by the tensors that they hold. Only headers are read.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from easel.engines.engine import EngineUnusable
from easel.engines.zimage.foreign_formats import OTHER_PARTS
from easel.engines.zimage.tensor_files import read_entries

FOLDERS = {"transformer": ("diffusion_models", "unet"), "text_encoder": ("text_encoders", "clip"), "vae": ("vae",)}
PUBLISHED = {
    "transformer": "z_image_turbo_bf16.safetensors",
    "text_encoder": "qwen_3_4b.safetensors",
    "vae": "ae.safetensors",
}
"""The names that these files have where ComfyUI's users download them."""

SIGNS = {
    "transformer": ("noise_refiner.0.attention.qkv.weight", "cap_embedder.1.weight"),
    "text_encoder": ("embed_tokens.weight", "layers.0.self_attn.q_norm.weight"),
    "vae": ("decoder.conv_in.weight", "decoder.up.0.block.0.norm1.weight"),
}
"""Endings of names that a file of each part has, and files of other models' parts lack."""

WORDS = {"transformer": "transformer", "text_encoder": "text encoder", "vae": "autoencoder"}
UNDISTILLED = "z_image_bf16.safetensors"
ENDINGS = (".safetensors", ".sft")


def find_split_files(named: Path) -> Mapping[str, Path] | None:
    """The files of the three parts in a folder, or of the parts that belong to the file of a transformer.

    None if there is no transformer of Z-Image in this layout. Raises EngineUnusable if another part is missing, or if
    it is not clear which file is meant.
    """
    transformer = named if named.is_file() else None
    folder = root_of(named) if transformer is not None else named
    found = candidates(folder, "transformer") if transformer is None else [transformer]
    if not found:
        return None
    files = {"transformer": the_one(folder, "transformer", found)}
    if files["transformer"].name == UNDISTILLED:
        raise EngineUnusable(
            f"{files['transformer']} is the undistilled Z-Image, which takes 50 steps: set EASEL_MODEL to files of "
            "Z-Image-Turbo, or unset it to download them."
        )
    for part in ("text_encoder", "vae"):
        files[part] = the_one(folder, part, candidates(folder, part))
    return files


def is_transformer(file: Path) -> bool:
    """Whether a file holds the transformer of Z-Image under ComfyUI's names."""
    return file.suffix in ENDINGS and has_signs(file, "transformer")


def root_of(transformer: Path) -> Path:
    """The folder in which the other parts of a transformer's file are."""
    folder = transformer.parent
    return folder.parent if folder.name in FOLDERS["transformer"] else folder


def candidates(folder: Path, part: str) -> list[Path]:
    """The files below a folder that hold this part of a model, in no order that matters."""
    return [file for file in safetensors_files(folder, part) if has_signs(file, part)]


def safetensors_files(folder: Path, part: str) -> Iterator[Path]:
    """The files in which the part may be."""
    roots = (folder, folder / "split_files")
    places = [root / below for root in roots for below in ("", *FOLDERS[part])]
    for place in places:
        yield from sorted(file for file in place.glob("*") if file.suffix in ENDINGS and file.is_file())


def has_signs(file: Path, part: str) -> bool:
    """Whether a file seems to hold the part. Raises EngineUnusable if it is damaged and has the part's own name."""
    try:
        names = read_entries(file)
    except EngineUnusable:
        if file.name == PUBLISHED[part]:
            raise
        return False
    if part == "transformer" and any(name.startswith(OTHER_PARTS) for name in names):
        return False
    return all(any(name.endswith(sign) for name in names) for sign in SIGNS[part])


def the_one(folder: Path, part: str, found: list[Path]) -> Path:
    """The file that is meant. Raises EngineUnusable if there is none, or if that is not clear."""
    named = [file for file in found if file.name == PUBLISHED[part]]
    if len(named) == 1 or len(found) == 1:
        return named[0] if named else found[0]
    if not found:
        raise EngineUnusable(
            f"{folder} has Z-Image's transformer in ComfyUI's format and no {WORDS[part]}: put {PUBLISHED[part]} beside "
            "it, or unset EASEL_MODEL to download all of them."
        )
    raise EngineUnusable(
        f"{folder} has several files that could be the {WORDS[part]} ({found[0].name}, {found[1].name}): set EASEL_MODEL "
        "to a folder that has one file for each part."
    )
