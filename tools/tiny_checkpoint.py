"""Builds a Z-Image checkpoint of random weights, small enough for tests.

It has the same parts, classes and files as the real checkpoint, so the code that loads and runs the real one is
exercised within a second and a few hundred kilobytes. Its pictures show nothing. Its bytes are the same only with the
same versions of PyTorch, diffusers and transformers.

    python -m tools.tiny_checkpoint FOLDER
    python -m tools.tiny_checkpoint FOLDER comfyui
"""

import shutil
import sys
import tempfile
from pathlib import Path

import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, ZImagePipeline, ZImageTransformer2DModel
from tokenizers.pre_tokenizers import ByteLevel
from transformers import Qwen2Tokenizer, Qwen3Config, Qwen3ForCausalLM
from transformers.utils import logging as transformers_logging

from tools import tiny_split_files

SEED = 20251126
CAPTION_DIM = 32
SHARD_BYTES_MAX = 1_200_000
"""Small enough to split the transformer into several files with an index, as in the real checkpoint."""

SPECIAL_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
CHAT_TEMPLATE = (
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}"
    "{%- if enable_thinking is defined and not enable_thinking %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}"
    "{%- endif %}"
)


LAYOUTS = ("diffusers", "comfyui")


def build(folder: Path, layout: str = "diffusers") -> None:
    """Write the checkpoint to `folder`, completely or not at all. An existing checkpoint is replaced. `layout` is one
    of LAYOUTS."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as scratch:
        made = Path(scratch) / "made"
        save(made)
        if layout == "comfyui":
            made = Path(scratch) / "split"
            tiny_split_files.split(Path(scratch) / "made", made)
        if folder.exists():
            folder.rename(Path(scratch) / "replaced")
        made.rename(folder)


def save(folder: Path) -> None:
    """Create every part from one seed, without changing the caller's random state, and save the pipeline."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        language_model = text_encoder(len(SPECIAL_TOKENS) + len(ByteLevel.alphabet()))
        pipe = ZImagePipeline(
            scheduler=FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000, shift=3.0, use_dynamic_shifting=False),
            vae=autoencoder(),
            text_encoder=language_model.model,
            tokenizer=tokenizer(),
            transformer=transformer(),
        )
    transformers_logging.disable_progress_bar()
    pipe.save_pretrained(folder, safe_serialization=True, max_shard_size=SHARD_BYTES_MAX)
    # The real text encoder is stored as a complete language model, with its output layer and name prefixes.
    shutil.rmtree(folder / "text_encoder")
    language_model.save_pretrained(folder / "text_encoder")


def transformer() -> ZImageTransformer2DModel:
    """The denoiser. `axes_lens` is that of the real one, so that the same sizes and captions can be drawn."""
    model = ZImageTransformer2DModel(
        dim=64,
        n_layers=2,
        n_refiner_layers=1,
        n_heads=2,
        n_kv_heads=2,
        cap_feat_dim=CAPTION_DIM,
        axes_dims=[8, 12, 12],
        axes_lens=[1536, 512, 512],
    )
    with torch.no_grad():
        # The class leaves these uninitialised, because it expects a trained checkpoint.
        model.x_pad_token.normal_(std=0.02)
        model.cap_pad_token.normal_(std=0.02)
    return model.eval()


def text_encoder(vocabulary: int) -> Qwen3ForCausalLM:
    """A Qwen3 with two layers. Captions come from the last but one, which is then the first."""
    config = Qwen3Config(
        vocab_size=vocabulary,
        hidden_size=CAPTION_DIM,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        tie_word_embeddings=True,
    )
    return Qwen3ForCausalLM(config).eval()


def autoencoder() -> AutoencoderKL:
    """An autoencoder shaped like that of FLUX.1 (1/8 of the size, 16 latent channels) with few inner channels."""
    return AutoencoderKL(
        down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4,
        block_out_channels=[8, 8, 16, 16],
        layers_per_block=1,
        norm_num_groups=8,
        latent_channels=16,
        scaling_factor=0.3611,
        shift_factor=0.1159,
        use_quant_conv=False,
        use_post_quant_conv=False,
    ).eval()


def tokenizer() -> Qwen2Tokenizer:
    """Bytes as tokens, without merges, so that any text is a caption and captions easily become too long."""
    alphabet = sorted(ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate(SPECIAL_TOKENS + alphabet)}
    made = Qwen2Tokenizer(
        vocab=vocabulary,
        merges=[],
        eos_token=SPECIAL_TOKENS[2],
        additional_special_tokens=SPECIAL_TOKENS,
    )
    made.chat_template = CHAT_TEMPLATE
    return made


if __name__ == "__main__":
    if len(sys.argv) not in {2, 3} or sys.argv[2:] not in ([], *([layout] for layout in LAYOUTS)):
        sys.exit(f"usage: python -m tools.tiny_checkpoint FOLDER [{'|'.join(LAYOUTS)}]")
    build(Path(sys.argv[1]), *sys.argv[2:])
