"""The models that `bench.gpu` draws with: the real one's shape, or the tests' tiny one, with random weights.

Speed does not depend on what the weights are, so none are fetched: they are made where they are needed. The pictures
are noise, and the tokenizer knows bytes only.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, ZImageTransformer2DModel
from tools import tiny_checkpoint
from torch.utils.flop_counter import FlopCounterMode
from transformers import Qwen3Config, Qwen3Model

from easel.engines.zimage.packing import pack
from easel.engines.zimage.painting import MULTIPLE_PX
from easel.engines.zimage.parts import Parts
from easel.engines.zimage.schedule import STEPS, schedule

SEED: Final = 20251126
TINY_VOCABULARY: Final = 259


@dataclass(frozen=True, slots=True)
class Shape:
    """How to make each part that has weights, on PyTorch's default device and in its default precision."""

    transformer: Callable[[], Any]
    text_encoder: Callable[[], Any]
    autoencoder: Callable[[], Any]


def real_transformer() -> Any:
    """The Turbo model's: 6.15 billion parameters."""
    return ZImageTransformer2DModel(
        dim=3840,
        n_layers=30,
        n_refiner_layers=2,
        n_heads=30,
        n_kv_heads=30,
        cap_feat_dim=2560,
        axes_dims=[32, 48, 48],
        axes_lens=[1536, 512, 512],
    )


def real_text_encoder() -> Any:
    """Qwen3-4B's."""
    return Qwen3Model(
        Qwen3Config(
            vocab_size=151_936,
            hidden_size=2560,
            intermediate_size=9728,
            num_hidden_layers=36,
            num_attention_heads=32,
            num_key_value_heads=8,
            head_dim=128,
        )
    )


def real_autoencoder() -> Any:
    """FLUX.1's."""
    return AutoencoderKL(
        down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4,
        block_out_channels=[128, 256, 512, 512],
        layers_per_block=2,
        latent_channels=16,
        scaling_factor=0.3611,
        shift_factor=0.1159,
        use_quant_conv=False,
        use_post_quant_conv=False,
    )


def tiny_text_encoder() -> Any:
    """The tiny checkpoint's, without its output layer."""
    return tiny_checkpoint.text_encoder(TINY_VOCABULARY).model


REAL: Final = Shape(real_transformer, real_text_encoder, real_autoencoder)
TINY: Final = Shape(tiny_checkpoint.transformer, tiny_text_encoder, tiny_checkpoint.autoencoder)


def build(shape: Shape, device: torch.device) -> Parts:
    """The whole model in bf16, made on the device."""
    torch.manual_seed(SEED)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device(device):
            made = [part().eval().requires_grad_(False) for part in (shape.transformer, shape.text_encoder)]
            autoencoder = shape.autoencoder().eval().requires_grad_(False)
    finally:
        torch.set_default_dtype(before)
    return Parts(made[0], autoencoder, made[1], tiny_checkpoint.tokenizer(), scheduler())


def scheduler() -> Any:
    """The Turbo model's."""
    return FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000, shift=3.0)


def flop(shape: Shape, width_px: int, height_px: int, caption_tokens: int) -> int:
    """The arithmetic of one picture: an unpadded caption, eight steps, the decoder. Counted on shapes alone."""
    rows, columns = height_px // MULTIPLE_PX, width_px // MULTIPLE_PX
    with torch.no_grad(), torch.device("meta"):
        transformer, text_encoder, autoencoder = shape.transformer(), shape.text_encoder(), shape.autoencoder()
        denoiser = pack(transformer, schedule(scheduler_on_cpu()).timesteps)
        embedding = torch.empty(caption_tokens, transformer.config.cap_feat_dim)
        with FlopCounterMode(display=False) as of_steps:
            denoiser.predict(
                denoiser.scene(embedding, rows, columns), torch.empty(rows * columns, 64), denoiser.steps[0]
            )
        with FlopCounterMode(display=False) as of_decoder:
            autoencoder.decode(torch.empty(1, 16, 2 * rows, 2 * columns))
        # Two for each weight that multiplies; attention among so few tokens is nothing beside them.
        weights = sum(parameter.numel() for parameter in text_encoder.layers.parameters())
    total: int = STEPS * of_steps.get_total_flops() + of_decoder.get_total_flops() + 2 * weights * caption_tokens
    return total


def scheduler_on_cpu() -> Any:
    """The same where another device is the default."""
    with torch.device("cpu"):
        return scheduler()
