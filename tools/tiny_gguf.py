"""Builds a Z-Image of random weights in the files that stable-diffusion.cpp reads, and in those that PyTorch draws
with.

Both are the same model, so the `sdcpp` and the `zimage` engines must draw the same picture with it.
stable-diffusion.cpp fixes some of the sizes: 36 layers, 32 heads and 151,936 tokens of the text encoder, and 128
numbers a head. The other sizes are the smallest that it accepts. The pictures show nothing.

    python -m tools.tiny_gguf FOLDER

This writes 250 MB, in a few seconds.
"""

import struct
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, ZImageTransformer2DModel
from safetensors.torch import save_file
from transformers import Qwen3Config, Qwen3ForCausalLM

from easel.engines.zimage.checkpoint import TURBO_FOLDER
from easel.engines.zimage.parts import Parts, read_tokenizer

SEED: Final = 20261130
DIM: Final = 384
"""stable-diffusion.cpp rounds the width of the feed-forward layers up to a multiple of 256, which changes nothing
here."""
CAPTION_DIM: Final = 64
CHANNELS: Final = (32, 64, 128, 128)
REAL_CHANNELS: Final = (128, 256, 512, 512)
TIME_SIDES: Final = {"t_embedder.mlp.0.weight": 0, "t_embedder.mlp.0.bias": 0, "t_embedder.mlp.2.weight": 1}
"""The time's embedding is 1024 wide in diffusers, and never wider than the model in stable-diffusion.cpp. What is
beyond that is zero. Each with the side that is cut."""
TOKENS: Final = 151_936
ALIGNMENT_BYTES: Final = 32
TRANSFORMER: Final = "z_image_turbo-tiny.gguf"
TEXT_ENCODER: Final = "Qwen3-tiny.gguf"
AUTOENCODER: Final = "ae.safetensors"

_F32: Final = 0
_STRING: Final = 8

_TEXT_NAMES: Final = (
    ("model.embed_tokens.", "token_embd."),
    ("model.norm.", "output_norm."),
    ("model.layers.", "blk."),
    ("input_layernorm.", "attn_norm."),
    ("post_attention_layernorm.", "ffn_norm."),
    ("self_attn.q_proj.", "attn_q."),
    ("self_attn.k_proj.", "attn_k."),
    ("self_attn.v_proj.", "attn_v."),
    ("self_attn.o_proj.", "attn_output."),
    ("self_attn.q_norm.", "attn_q_norm."),
    ("self_attn.k_norm.", "attn_k_norm."),
    ("mlp.gate_proj.", "ffn_gate."),
    ("mlp.up_proj.", "ffn_up."),
    ("mlp.down_proj.", "ffn_down."),
)
"""Names of a Qwen3 in transformers and in llama.cpp."""
_TRANSFORMER_NAMES: Final = (
    ("all_x_embedder.2-1.", "x_embedder."),
    ("all_final_layer.2-1.", "final_layer."),
    ("attention.norm_q.", "attention.q_norm."),
    ("attention.norm_k.", "attention.k_norm."),
    ("attention.to_out.0.", "attention.out."),
)
"""Names of Z-Image's transformer in diffusers and in its first publication."""


def build(folder: Path) -> Parts:
    """Write the three files into a folder, and return the same model for the zimage engine. The same versions of the
    libraries write the same bytes."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        language_model, transformer, autoencoder = _text_encoder(), _transformer(), _autoencoder()
    folder.mkdir(parents=True, exist_ok=True)
    write_gguf(folder / TEXT_ENCODER, "qwen3", _renamed(language_model.state_dict(), _TEXT_NAMES, skip="lm_head."))
    write_gguf(folder / TRANSFORMER, "lumina2", with_joined_projections(transformer.state_dict()))
    save_file(with_wide_encoder(autoencoder.state_dict()), folder / AUTOENCODER)
    return Parts(
        transformer=transformer,
        autoencoder=autoencoder,
        text_encoder=language_model.model,
        tokenizer=read_tokenizer(TURBO_FOLDER / "tokenizer"),
        scheduler=FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000, shift=3.0, use_dynamic_shifting=False),
    )


def write_gguf(file: Path, architecture: str, tensors: Mapping[str, torch.Tensor]) -> None:
    """Write a GGUF file, version 3, with float32 tensors."""
    header = struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), 1)
    header += _text("general.architecture") + struct.pack("<I", _STRING) + _text(architecture)
    offset = 0
    for name, tensor in tensors.items():
        sides = tuple(reversed(tensor.shape))
        header += _text(name) + struct.pack(f"<I{len(sides)}QIQ", len(sides), *sides, _F32, offset)
        offset += _aligned(tensor.numel() * 4)
    with file.open("wb") as opened:
        opened.write(header.ljust(_aligned(len(header)), b"\0"))
        for tensor in tensors.values():
            data = tensor.detach().to(torch.float32).contiguous().numpy().tobytes()
            opened.write(data.ljust(_aligned(len(data)), b"\0"))


def with_joined_projections(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A transformer's weights by the names of its first publication, in which queries, keys and values are one."""
    joined: dict[str, torch.Tensor] = {}
    for name, tensor in _renamed(weights, _TRANSFORMER_NAMES).items():
        if ".to_q." in name:
            parts = [weights[name.replace(".to_q.", part)] for part in (".to_q.", ".to_k.", ".to_v.")]
            joined[name.replace(".to_q.", ".qkv.")] = torch.cat(parts)
        elif name in TIME_SIDES:
            joined[name] = tensor.narrow(TIME_SIDES[name], 0, DIM).contiguous()
        elif ".to_k." not in name and ".to_v." not in name:
            joined[name] = tensor
    return joined


def with_wide_encoder(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """An autoencoder's weights with an encoder of the real one's width, which stable-diffusion.cpp demands and does not
    use. It holds zeros."""
    wanted = _autoencoder(REAL_CHANNELS, "meta").encoder.state_dict()
    zeros = {f"encoder.{name}": torch.zeros(tensor.shape, dtype=torch.float16) for name, tensor in wanted.items()}
    return {name: tensor for name, tensor in weights.items() if name.startswith("decoder.")} | zeros


def _renamed(
    weights: Mapping[str, torch.Tensor], names: tuple[tuple[str, str], ...], skip: str = "\0"
) -> dict[str, torch.Tensor]:
    renamed: dict[str, torch.Tensor] = {}
    for old, tensor in weights.items():
        name = old
        for theirs, ours in names:
            name = name.replace(theirs, ours)
        if not name.startswith(skip):
            renamed[name] = tensor
    return renamed


def _text(text: str) -> bytes:
    encoded = text.encode()
    return struct.pack("<Q", len(encoded)) + encoded


def _aligned(size_bytes: int) -> int:
    return -(-size_bytes // ALIGNMENT_BYTES) * ALIGNMENT_BYTES


def _transformer() -> ZImageTransformer2DModel:
    model = ZImageTransformer2DModel(
        dim=DIM,
        n_layers=2,
        n_refiner_layers=1,
        n_heads=3,
        n_kv_heads=3,
        cap_feat_dim=CAPTION_DIM,
        axes_dims=[32, 48, 48],
        axes_lens=[1536, 512, 512],
    )
    with torch.no_grad():
        model.x_pad_token.normal_(std=0.02)
        model.cap_pad_token.normal_(std=0.02)
        for name, side in TIME_SIDES.items():
            tensor = model.get_parameter(name)
            tensor.narrow(side, DIM, tensor.shape[side] - DIM).zero_()
    return model.eval()


def _text_encoder() -> Qwen3ForCausalLM:
    config = Qwen3Config(
        vocab_size=TOKENS,
        hidden_size=CAPTION_DIM,
        intermediate_size=64,
        num_hidden_layers=36,
        num_attention_heads=32,
        num_key_value_heads=8,
        head_dim=128,
        rope_parameters={"rope_theta": 1_000_000.0, "rope_type": "default"},
        tie_word_embeddings=True,
    )
    return Qwen3ForCausalLM(config).eval()


def _autoencoder(channels: tuple[int, ...] = CHANNELS, device: str = "cpu") -> AutoencoderKL:
    with torch.device(device):
        return AutoencoderKL(
            down_block_types=["DownEncoderBlock2D"] * 4,
            up_block_types=["UpDecoderBlock2D"] * 4,
            block_out_channels=list(channels),
            layers_per_block=2,
            norm_num_groups=32,
            latent_channels=16,
            scaling_factor=0.3611,
            shift_factor=0.1159,
            use_quant_conv=False,
            use_post_quant_conv=False,
        ).eval()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m tools.tiny_gguf FOLDER")
    build(Path(sys.argv[1]))
