"""What the tensors of ComfyUI's split files mean, in the names of diffusers and transformers. Nothing is loaded.

ComfyUI keeps the names of the models' first publications, and has queries, keys and values in one matrix. fp8 files may
have a scale beside each matrix, one number or one for each row. Other quantizations (nvfp4, mxfp8, int8) keep their own
names here, so that they are noticed and refused.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from easel.engines.zimage.tensor_files import TensorEntry

Entries = Mapping[str, TensorEntry]

PREFIXES = {
    "transformer": ("model.diffusion_model.", "diffusion_model."),
    "text_encoder": ("model.",),
    "vae": ("first_stage_model.",),
}
FUSED = ".attention.qkv."
PROJECTIONS = (".attention.to_q.", ".attention.to_k.", ".attention.to_v.")
TRANSFORMER = (
    (re.compile(r"^final_layer\."), "all_final_layer.2-1."),
    (re.compile(r"^x_embedder\."), "all_x_embedder.2-1."),
    (re.compile(r"\.attention\.out\."), ".attention.to_out.0."),
    (re.compile(r"\.attention\.q_norm\."), ".attention.norm_q."),
    (re.compile(r"\.attention\.k_norm\."), ".attention.norm_k."),
)
LEVELS = 4
"""Of the autoencoder. Its decoder's levels are counted from the other end."""

AUTOENCODER: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"\.mid\.block_([12])\."), lambda found: f".mid_block.resnets.{int(found[1]) - 1}."),
    (re.compile(r"\.mid\.attn_1\.norm\."), ".mid_block.attentions.0.group_norm."),
    (re.compile(r"\.mid\.attn_1\.([qkv])\."), r".mid_block.attentions.0.to_\1."),
    (re.compile(r"\.mid\.attn_1\.proj_out\."), ".mid_block.attentions.0.to_out.0."),
    (re.compile(r"\.down\.(\d)\.block\."), r".down_blocks.\1.resnets."),
    (re.compile(r"\.down\.(\d)\.downsample\."), r".down_blocks.\1.downsamplers.0."),
    (re.compile(r"\.up\.(\d)\.block\."), lambda found: f".up_blocks.{LEVELS - 1 - int(found[1])}.resnets."),
    (re.compile(r"\.up\.(\d)\.upsample\."), lambda found: f".up_blocks.{LEVELS - 1 - int(found[1])}.upsamplers.0."),
    (re.compile(r"\.nin_shortcut\."), ".conv_shortcut."),
    (re.compile(r"\.norm_out\."), ".conv_norm_out."),
)
NAMES = {"transformer": TRANSFORMER, "text_encoder": (), "vae": AUTOENCODER}

IGNORED = frozenset({"norm_final.weight", "lm_head.weight", "scaled_fp8"})
"""A norm that the transformer does not use, the language model's output layer, and the mark of fp8 files with
scales."""

FLOAT8 = frozenset({"F8_E4M3", "F8_E5M2"})
SCALE_FORMATS = frozenset({"F32", "BF16", "F16"})
SCALES = (".weight_scale", ".scale_weight")
BESIDE_SCALES = (".input_scale", ".scale_input", ".comfy_quant")
"""What else is beside a matrix in fp8: a scale of its input, for arithmetic in fp8, and the name of the format."""


@dataclass(frozen=True, slots=True)
class Source:
    """A tensor of the file: the tensors that it holds, one below the other, their shape, and the name of its scale."""

    name: str
    targets: tuple[str, ...]
    shape: tuple[int, ...]
    number_format: str
    scale: str | None = None


def entries(part: str, found: Entries) -> dict[str, TensorEntry]:
    """The tensors of a part by their names in diffusers' layout, and under their own names those without any."""
    return {
        target: TensorEntry(source.shape, source.number_format)
        for source in sources(part, found)
        for target in source.targets
    }


def sources(part: str, found: Entries) -> Iterator[Source]:
    """Every tensor of a file that is part of the model, or that nobody expects."""
    beside = {name for layer, entry in float8_layers(found) for name in beside_layer(layer, entry, found)}
    for name, entry in found.items():
        plain = without_prefix(part, name)
        if name in beside or plain in IGNORED:
            continue
        targets = targets_of(part, plain)
        yield Source(
            name, targets, shape_of(entry.shape, targets), entry.number_format, scale_of(name, entry, found)
        )  # fmt: skip


def float8_layers(found: Entries) -> Iterator[tuple[str, TensorEntry]]:
    """The layers whose weights are in fp8, with these weights."""
    for name, entry in found.items():
        if entry.number_format in FLOAT8 and name.endswith(".weight"):
            yield name.removesuffix(".weight"), entry


def beside_layer(layer: str, entry: TensorEntry, found: Entries) -> Iterator[str]:
    """The names of what belongs to a layer in fp8: its scale, if it is one that this engine can use, and the rest."""
    scale = scale_of(f"{layer}.weight", entry, found)
    if scale is not None:
        yield scale
    yield from (layer + ending for ending in BESIDE_SCALES)


def scale_of(name: str, entry: TensorEntry, found: Entries) -> str | None:
    """The name of the scale of fp8 weights: one number, or one for each row."""
    if entry.number_format not in FLOAT8:
        return None
    for ending in SCALES:
        scale = found.get(name.removesuffix(".weight") + ending)
        if scale is not None and scale.number_format in SCALE_FORMATS and scale.parameters in {1, entry.shape[0]}:
            return name.removesuffix(".weight") + ending
    return None


def without_prefix(part: str, name: str) -> str:
    """The name without what a program put before all names of a part."""
    prefix = next((prefix for prefix in PREFIXES[part] if name.startswith(prefix)), "")
    return name.removeprefix(prefix)


def targets_of(part: str, name: str) -> tuple[str, ...]:
    """The names, in diffusers' layout, of what a tensor holds."""
    for pattern, target in NAMES[part]:
        name = pattern.sub(target, name)
    if part == "transformer" and FUSED in name:
        return tuple(name.replace(FUSED, projection) for projection in PROJECTIONS)
    return (name,)


def shape_of(shape: tuple[int, ...], targets: tuple[str, ...]) -> tuple[int, ...]:
    """The shape of each of the tensors that one of this shape holds. The autoencoder's attention is stored as
    convolutions of one pixel."""
    if len(targets) > 1:
        return (shape[0] // len(targets), *shape[1:])
    is_pixel = len(shape) == 4 and shape[2:] == (1, 1) and ".attentions." in targets[0]
    return shape[:2] if is_pixel else shape
