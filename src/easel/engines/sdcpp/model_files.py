"""Finds the three files of the model, and refuses those that are of another model, before the library sees them.

In a folder, files are told by what is in them, not by their names. What nobody names is downloaded (`published`).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

from easel.engines.engine import EngineUnusable
from easel.engines.sdcpp import published
from easel.engines.sdcpp.headers import SUFFIXES, Header, HeaderWrong, read_header

FILES_MAX: Final = 200
TEXT_LAYERS: Final = 36
LATENT_CHANNELS: Final = 16
ROPE_BASE: Final = 1_000_000
"""Of Qwen3-4B of April 2025, with which Z-Image was trained. Later ones (2507) have 5,000,000."""
_PREFIXES: Final = ("model.diffusion_model.", "diffusion_model.", "first_stage_model.", "vae.")
_SCALED: Final = (".scale_weight", ".weight_scale", ".scale_input", "scaled_fp8", ".comfy_quant", ".qweight")
_LAYER: Final = re.compile(r"(?:blk|layers)\.(\d+)\.")


class Part(Enum):
    """A part of the model: what it is called, and the setting that names its file."""

    TRANSFORMER = "transformer"
    TEXT_ENCODER = "text encoder"
    AUTOENCODER = "autoencoder"

    @property
    def setting(self) -> str:
        """The variable of the environment."""
        return f"EASEL_SDCPP_{self.name}"


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """What the operator names: a folder, and files that come before what is in it."""

    folder: Path | None = None
    transformer: Path | None = None
    text_encoder: Path | None = None
    autoencoder: Path | None = None

    @property
    def named(self) -> dict[Part, Path]:
        """The files that are named."""
        files = zip(Part, (self.transformer, self.text_encoder, self.autoencoder), strict=True)
        return {part: file for part, file in files if file is not None}


@dataclass(frozen=True, slots=True)
class Located:
    """The files to draw with. `warnings` say what will draw other pictures than Z-Image-Turbo should."""

    transformer: Path
    text_encoder: Path
    autoencoder: Path
    warnings: tuple[str, ...] = ()


def locate(given: ModelFiles) -> Located:
    """The files, downloaded if necessary and checked. Raises EngineUnusable."""
    return located({part: file or published.fetch(published.FILES[part.name]) for part, file in find(given).items()})


def find(given: ModelFiles) -> dict[Part, Path | None]:
    """Where each part is on this machine. None is for one that has to be downloaded. Raises EngineUnusable."""
    found: dict[Part, Path | None] = dict(given.named)
    if given.folder is not None:
        here = _in_folder(given.folder, [part for part in Part if part not in found])
        found |= here
    for part in Part:
        found.setdefault(part, published.fetched_before(published.FILES[part.name]))
    return {part: found[part] for part in Part}


def located(files: Mapping[Part, Path]) -> Located:
    """The files, checked one by one and with each other. Raises EngineUnusable."""
    headers = {part: _header(file) for part, file in files.items()}
    for part, header in headers.items():
        if _part_of(header) is not part:
            raise EngineUnusable(
                f"{files[part]} is not the {part.value} of Z-Image-Turbo: set {part.setting} to a file that is."
            )
    _require_transformer(files[Part.TRANSFORMER], without_prefixes(headers[Part.TRANSFORMER]))
    _require_autoencoder(files[Part.AUTOENCODER], without_prefixes(headers[Part.AUTOENCODER]))
    caption_side = without_prefixes(headers[Part.TRANSFORMER])["cap_embedder.1.weight"][1]
    warnings = _require_text_encoder(files[Part.TEXT_ENCODER], headers[Part.TEXT_ENCODER], caption_side)
    return Located(files[Part.TRANSFORMER], files[Part.TEXT_ENCODER], files[Part.AUTOENCODER], tuple(warnings))


def _in_folder(folder: Path, wanted: Iterable[Part]) -> dict[Part, Path | None]:
    """The one file of each part in a folder, or in the folders in it."""
    if not folder.is_dir():
        raise EngineUnusable(f"The folder {folder} does not exist: correct EASEL_SDCPP_MODEL.")
    candidates: dict[Part, list[Path]] = {part: [] for part in Part}
    for file in _weight_files(folder):
        try:
            part = _part_of(read_header(file))
        except (HeaderWrong, OSError):
            continue
        if part is not None:
            candidates[part].append(file)
    for part in wanted:
        if not candidates[part]:
            raise EngineUnusable(
                f"{folder} has no {part.value} of Z-Image-Turbo in GGUF or safetensors: copy it there, or set {part.setting}."
            )
        if candidates[part][1:]:
            names = " and ".join(file.name for file in candidates[part][:2])
            raise EngineUnusable(
                f"{folder} has several files for the {part.value}, {names}: name one in {part.setting}."
            )
    return {part: candidates[part][0] for part in wanted}


def _weight_files(folder: Path) -> Iterator[Path]:
    files = sorted(file for depth in ("*", "*/*") for file in folder.glob(depth) if file.suffix in SUFFIXES)
    if len(files) > FILES_MAX:
        raise EngineUnusable(
            f"{folder} has more than {FILES_MAX} weight files: set EASEL_SDCPP_MODEL to a folder of its own."
        )
    yield from files


def _header(file: Path) -> Header:
    try:
        return read_header(file)
    except HeaderWrong as wrong:
        raise EngineUnusable(f"{file} cannot be used, because {wrong}: copy or download it again.") from None
    except OSError as error:
        raise EngineUnusable(
            f"{file} cannot be read ({error.strerror}): correct its name or its permissions."
        ) from None


def _part_of(header: Header) -> Part | None:
    """What a file is, by its tensors."""
    if "token_embd.weight" in header.shapes or "model.embed_tokens.weight" in header.shapes:
        return Part.TEXT_ENCODER
    names = without_prefixes(header)
    if "cap_embedder.1.weight" in names and "cap_pad_token" in names:  # Lumina 2 lacks the second
        return Part.TRANSFORMER
    return Part.AUTOENCODER if "decoder.conv_in.weight" in names else None


def without_prefixes(header: Header) -> dict[str, tuple[int, ...]]:
    """The shapes by names without the prefixes that programs put before them."""
    shapes: dict[str, tuple[int, ...]] = {}
    for name, shape in header.shapes.items():
        prefix = next((prefix for prefix in _PREFIXES if name.startswith(prefix)), "")
        shapes[name.removeprefix(prefix)] = shape
    return shapes


def _require_transformer(file: Path, shapes: Mapping[str, tuple[int, ...]]) -> None:
    if any(sign in name for name in shapes for sign in _SCALED):
        raise EngineUnusable(
            f"{file} has scales beside its weights (scaled fp8, or another format of ComfyUI), which "
            "stable-diffusion.cpp does not know: use GGUF, or bf16."
        )
    projections = ("layers.0.attention.qkv.weight", "layers.0.attention.to_q.weight")
    if len(shapes["cap_embedder.1.weight"]) != 2 or not any(name in shapes for name in projections):
        raise EngineUnusable(f"{file} is no transformer that stable-diffusion.cpp knows: use GGUF, or bf16.")


def _require_autoencoder(file: Path, shapes: Mapping[str, tuple[int, ...]]) -> None:
    shape = shapes["decoder.conv_in.weight"]
    if len(shape) != 4 or shape[1] != LATENT_CHANNELS:
        raise EngineUnusable(f"{file} is the autoencoder of another model: Z-Image-Turbo has the one of FLUX.1.")
    if "encoder.conv_in.weight" not in shapes:
        raise EngineUnusable(f"{file} has no encoder, without which stable-diffusion.cpp does not load it.")


def _require_text_encoder(file: Path, header: Header, caption_side: int) -> list[str]:
    """Raises EngineUnusable. Returns warnings."""
    embedding = header.shapes.get("token_embd.weight") or header.shapes["model.embed_tokens.weight"]
    layers = {int(found[1]) for found in map(_LAYER.search, header.shapes) if found is not None}
    architecture = header.facts.get("general.architecture", "qwen3")
    if architecture != "qwen3" or len(layers) != TEXT_LAYERS or len(embedding) != 2 or embedding[1] != caption_side:
        raise EngineUnusable(
            f"{file} ({architecture}, {len(layers)} layers, {embedding[-1]} wide) is not Qwen3-4B (qwen3, {TEXT_LAYERS} "
            f"layers, {caption_side} wide), the text encoder of Z-Image-Turbo: set EASEL_SDCPP_TEXT_ENCODER to that."
        )
    if header.facts.get("qwen3.rope.freq_base", float(ROPE_BASE)) != ROPE_BASE:
        later = "a later Qwen3-4B (2507) than the one that Z-Image-Turbo was trained with"
        return [f"{file} is {later}, so pictures follow prompts less well: use Qwen3-4B"]
    return []
