"""Writes a checkpoint in diffusers' layout once more in ComfyUI's: one file for each part, under ComfyUI's names.

Configurations and tokenizer are copied beside the files, since the tiny checkpoint has other sizes than the real one.
"""

import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

State = dict[str, torch.Tensor]
Change = Callable[[State], State]

FILES = {
    "transformer": "diffusion_models/z_image_turbo_bf16.safetensors",
    "text_encoder": "text_encoders/qwen_3_4b.safetensors",
    "vae": "vae/ae.safetensors",
}
CONFIGURATION = ("scheduler", "tokenizer")
TRANSFORMER = (
    ("all_final_layer.2-1.", "final_layer."),
    ("all_x_embedder.2-1.", "x_embedder."),
    (".attention.norm_q.", ".attention.q_norm."),
    (".attention.norm_k.", ".attention.k_norm."),
    (".attention.to_out.0.", ".attention.out."),
)
AUTOENCODER = (
    (r"mid_block\.resnets\.0\.", "mid.block_1."),
    (r"mid_block\.resnets\.1\.", "mid.block_2."),
    (r"mid_block\.attentions\.0\.group_norm\.", "mid.attn_1.norm."),
    (r"mid_block\.attentions\.0\.to_out\.0\.", "mid.attn_1.proj_out."),
    (r"mid_block\.attentions\.0\.to_([qkv])\.", r"mid.attn_1.\1."),
    (r"down_blocks\.(\d)\.resnets\.", r"down.\1.block."),
    (r"down_blocks\.(\d)\.downsamplers\.0\.", r"down.\1.downsample."),
    (r"conv_shortcut\.", "nin_shortcut."),
    (r"conv_norm_out\.", "norm_out."),
)
LEVELS = 4


def split(source: Path, folder: Path, changes: Mapping[str, Change] | None = None) -> None:
    """Write `folder` with the weights of `source`. `changes` are made to the state of a part under ComfyUI's names."""
    renamed: dict[str, Change] = {"transformer": comfy_transformer, "text_encoder": dict, "vae": comfy_autoencoder}
    for part, file in FILES.items():
        state = renamed[part](read(source / part))
        state = (changes or {}).get(part, dict)(state)
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        save_file({name: tensor.contiguous() for name, tensor in state.items()}, folder / file)
        (folder / part).mkdir(exist_ok=True)
        shutil.copy(source / part / "config.json", folder / part / "config.json")
    for name in CONFIGURATION:
        shutil.copytree(source / name, folder / name)


def read(folder: Path) -> State:
    """The weights of a part."""
    state: State = {}
    for file in sorted(folder.glob("*.safetensors")):
        state |= load_file(file)
    return state


def comfy_transformer(state: State) -> State:
    """The transformer's weights, with queries, keys and values in one matrix."""
    renamed = dict(comfy_names(state))
    for name in [name for name in renamed if ".to_q." in name]:
        parts = [renamed.pop(name.replace(".to_q.", f".to_{part}.")) for part in "qkv"]
        renamed[name.replace(".to_q.", ".qkv.")] = torch.cat(parts)
    return renamed


def comfy_names(state: State) -> Iterator[tuple[str, torch.Tensor]]:
    """The transformer's weights under ComfyUI's names."""
    for name, tensor in state.items():
        renamed = name
        for ours, theirs in TRANSFORMER:
            renamed = renamed.replace(ours, theirs)
        yield renamed, tensor


def comfy_autoencoder(state: State) -> State:
    """The autoencoder's weights under the names of its first publication."""
    made: State = {}
    for name, tensor in state.items():
        renamed = name
        for pattern, theirs in AUTOENCODER:
            renamed = re.sub(pattern, theirs, renamed)
        renamed = re.sub(r"up_blocks\.(\d)\.resnets\.", lambda up: f"up.{LEVELS - 1 - int(up[1])}.block.", renamed)
        renamed = re.sub(
            r"up_blocks\.(\d)\.upsamplers\.0\.", lambda up: f"up.{LEVELS - 1 - int(up[1])}.upsample.", renamed
        )
        is_pixel = ".mid.attn_1." in renamed and tensor.ndim == 2
        made[renamed] = tensor[:, :, None, None] if is_pixel else tensor
    return made
