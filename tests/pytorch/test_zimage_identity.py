"""What is not exactly Z-Image-Turbo is refused before it is loaded, with a sentence that says what it is."""

import json
import math
import runpy
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

# These tests need the gpu extra and are skipped without it.
pytest.importorskip("torch", reason="the gpu extra is not installed")

import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file
from transformers import Qwen3Config, Qwen3ForCausalLM

from easel.engines.engine import EngineUnusable
from easel.engines.zimage.checkpoint import in_folder
from easel.engines.zimage.engine import ZImage
from easel.engines.zimage.identity import require_turbo
from easel.engines.zimage.look import look_at_files
from easel.engines.zimage.parts import require_finite
from easel.engines.zimage.shapes import REAL_SIZE, transformer_shapes
from tests.support.paths import ROOT

TINY = ROOT / "tools" / "tiny_checkpoint.py"
State = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("zimage") / "tiny"
    runpy.run_path(str(TINY))["build"](folder)
    return folder


@pytest.fixture
def checkpoint(built: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(built, tmp_path / "checkpoint"))


def refusal(folder: Path) -> str:
    with pytest.raises(EngineUnusable) as raised:
        require_turbo(in_folder(folder))
    sentence = str(raised.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    assert "EASEL_MODEL" in sentence
    return sentence


def edit(file: Path, **changes: Any) -> None:
    config = json.loads(file.read_text())
    file.write_text(json.dumps(config | changes))


def leave_out(file: Path, name: str) -> None:
    config = json.loads(file.read_text())
    del config[name]
    file.write_text(json.dumps(config))


def rewrite(folder: Path, change: Callable[[State], State]) -> None:
    """Replace the transformer's weights by one file."""
    state: State = {}
    for file in sorted((folder / "transformer").glob("*.safetensors")):
        state |= load_file(file)
        file.unlink()
    (folder / "transformer/diffusion_pytorch_model.safetensors.index.json").unlink()
    save_file(change(state), folder / "transformer/diffusion_pytorch_model.safetensors")


def test_the_model_itself_is_accepted(built: Path) -> None:
    require_turbo(in_folder(built))


def test_the_shapes_are_those_of_the_libraries_transformer() -> None:
    transformer = runpy.run_path(str(TINY))["transformer"]()
    shapes = {name: tuple(weights.shape) for name, weights in transformer.state_dict().items()}
    assert transformer_shapes(transformer.config) == shapes


def test_the_shapes_of_the_published_size_have_the_published_number_of_parameters() -> None:
    assert sum(math.prod(shape) for shape in transformer_shapes(REAL_SIZE).values()) == 6_154_908_736


@pytest.mark.parametrize(
    ("part", "quantization", "named"),
    [
        ("transformer", {"quant_method": "sdnq", "weights_dtype": "uint4"}, "transformer is quantized with sdnq"),
        ("transformer", {"quant_method": "bitsandbytes", "load_in_4bit": True}, "quantized with bitsandbytes"),
        ("text_encoder", {"quant_method": "bitsandbytes"}, "text_encoder is quantized with bitsandbytes"),
        ("text_encoder", {"quant_method": "torchao", "quant_type": "int8_weight_only"}, "quantized with torchao"),
        ("vae", {"quant_method": "nunchaku"}, "vae is quantized with nunchaku"),
        ("vae", ["odd"], "vae is quantized with an unknown method"),
    ],
)
def test_quantized_parts_are_refused_and_name_their_method(
    checkpoint: Path, part: str, quantization: object, named: str
) -> None:
    edit(checkpoint / part / "config.json", quantization_config=quantization)
    assert named in refusal(checkpoint)


@pytest.mark.parametrize(
    ("file", "changes", "named"),
    [
        ("scheduler/scheduler_config.json", {"shift": 6.0}, "shift 6.0, and Z-Image-Turbo has 3.0 (the undistilled"),
        ("scheduler/scheduler_config.json", {"use_dynamic_shifting": True}, "use_dynamic_shifting True"),
        ("scheduler/scheduler_config.json", {"use_karras_sigmas": True}, "use_karras_sigmas True"),
        ("scheduler/scheduler_config.json", {"_class_name": "UniPCMultistepScheduler"}, "is a UniPCMultistepScheduler"),
        ("transformer/config.json", {"_class_name": "FluxTransformer2DModel"}, "is a FluxTransformer2DModel"),
        ("transformer/config.json", {"axes_lens": [1536, 64, 64]}, "too few for large pictures"),
        ("transformer/config.json", {"axes_dims": [8, 8, 8]}, "do not add up to a head"),
        ("transformer/config.json", {"n_kv_heads": 1}, "n_kv_heads 1"),
        ("transformer/config.json", {"n_layers": 1}, "holds layers.1.adaLN_modulation.0.bias and 14 others"),
        ("transformer/config.json", {"n_layers": 3}, "lacks layers.2."),
        ("transformer/config.json", {"dim": 128, "axes_dims": [16, 24, 24]}, "in the shape"),
        ("transformer/config.json", {"n_layers": "many"}, "does not describe a transformer"),
        ("transformer/config.json", {"all_patch_size": [2, 4]}, "all_patch_size [2, 4]"),
        ("text_encoder/config.json", {"model_type": "llama"}, "is a llama model"),
        ("text_encoder/config.json", {"num_hidden_layers": 3}, "has 2 layers, and its config.json says 3"),
        ("vae/config.json", {"shift_factor": None}, "shift_factor None"),
        ("vae/config.json", {"scaling_factor": 1.5305}, "scaling_factor 1.5305"),
        ("model_index.json", {"_class_name": "ZImageOmniPipeline"}, "contains ZImageOmniPipeline"),
    ],
)
def test_another_configuration_is_refused(checkpoint: Path, file: str, changes: dict[str, Any], named: str) -> None:
    edit(checkpoint / file, **changes)
    assert named in refusal(checkpoint)


@pytest.mark.parametrize("name", ["scaling_factor", "shift_factor", "latent_channels"])
def test_what_the_libraries_would_take_from_another_model_must_not_be_left_out(checkpoint: Path, name: str) -> None:
    leave_out(checkpoint / "vae/config.json", name)
    assert f"{name} None" in refusal(checkpoint)


def scaled_fp8(state: State) -> State:
    """As ComfyUI's scaled files, but with diffusers' names."""
    made: State = {}
    for name, weights in state.items():
        made[name] = weights
        if weights.ndim == 2 and name.startswith("layers."):
            scale = weights.abs().max() / 448
            made[name] = (weights / scale).to(torch.float8_e4m3fn)
            made[f"{name.removesuffix('weight')}scale_weight"] = scale.reshape(1)
    return made


def scales_of_plain_weights(state: State) -> State:
    return state | {"layers.0.attention.to_q.weight_scale": torch.ones(1)}


def comfy_names(state: State) -> State:
    return {name.replace(".norm_q.", ".q_norm."): weights for name, weights in state.items()}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (scaled_fp8, "holds numbers as F8_E4M3"),
        (scales_of_plain_weights, "holds layers.0.attention.to_q.weight_scale, which"),
        (comfy_names, "q_norm"),
    ],
)
def test_weights_that_the_libraries_would_ignore_or_misread_are_refused(
    checkpoint: Path, change: Callable[[State], State], named: str
) -> None:
    rewrite(checkpoint, change)
    assert named in refusal(checkpoint)


def test_weights_in_half_precision_are_read(checkpoint: Path) -> None:
    rewrite(checkpoint, lambda state: {name: weights.half() for name, weights in state.items()})
    require_turbo(in_folder(checkpoint))


def another_text_encoder(folder: Path) -> None:
    config = Qwen3Config(
        vocab_size=259, hidden_size=48, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, head_dim=16,
    )  # fmt: skip
    shutil.rmtree(folder / "text_encoder")
    Qwen3ForCausalLM(config).save_pretrained(folder / "text_encoder")


def another_autoencoder(folder: Path) -> None:
    shutil.rmtree(folder / "vae")
    AutoencoderKL(
        down_block_types=["DownEncoderBlock2D"] * 3, up_block_types=["UpDecoderBlock2D"] * 3,
        block_out_channels=[8, 16, 16], layers_per_block=1, norm_num_groups=8, latent_channels=16,
        scaling_factor=0.3611, shift_factor=0.1159, use_quant_conv=False, use_post_quant_conv=False,
    ).save_pretrained(folder / "vae")  # fmt: skip


def no_chat_template(folder: Path) -> None:
    (folder / "tokenizer/chat_template.jinja").unlink()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (another_text_encoder, "hidden_size of 48, and the transformer needs 32"),
        (another_autoencoder, "other levels"),
        (no_chat_template, "no chat template"),
    ],
)
def test_parts_of_another_model_are_refused(checkpoint: Path, change: Callable[[Path], None], named: str) -> None:
    change(checkpoint)
    assert named in refusal(checkpoint)


def test_an_error_that_a_missing_library_causes_is_one_sentence(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from easel.engines.zimage import engine

    def read_parts(*_: object) -> None:
        raise ImportError("Loading this requires the sdnq library")

    monkeypatch.setattr(engine, "read_parts", read_parts)
    with pytest.raises(EngineUnusable, match=r"cannot be loaded \(ImportError: Loading this requires the sdnq library"):
        ZImage(str(built), "cpu").load()


def test_weights_that_are_not_finite_are_refused(checkpoint: Path) -> None:
    def spoil(state: State) -> State:
        state["layers.0.feed_forward.w1.weight"][0, 0] = float("nan")
        return state

    rewrite(checkpoint, spoil)
    with pytest.raises(EngineUnusable, match=r"layers\.0\.feed_forward\.w1\.weight of its transformer is not finite"):
        ZImage(str(checkpoint), "cpu").load()
    require_finite(torch.nn.Linear(4, 4).to(torch.bfloat16), "part")


def part_of_a_transformer(tmp_path: Path) -> Path:
    file = tmp_path / "z_image_turbo_bf16.safetensors"
    save_file({"cap_embedder.0.weight": torch.ones(4)}, file)
    return file


def all_in_one(tmp_path: Path) -> Path:
    file = tmp_path / "z_image_turbo_aio.safetensors"
    names = ("model.diffusion_model.cap_embedder.0.weight", "text_encoders.qwen3_4b.transformer.model.norm.weight")
    save_file({name: torch.ones(4) for name in names}, file)
    return file


def another_file(tmp_path: Path) -> Path:
    file = tmp_path / "sdxl.safetensors"
    save_file({"model.diffusion_model.input_blocks.0.0.weight": torch.ones(4)}, file)
    return file


def with_content(name: str) -> Callable[[Path], Path]:
    def make(tmp_path: Path) -> Path:
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"GGUF" + bytes(100))
        return file

    return make


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (part_of_a_transformer, "is an incomplete transformer of Z-Image"),
        (all_in_one, "is Z-Image with all parts in one file"),
        (another_file, "is no Z-Image"),
        (with_content("a.safetensors"), "is damaged"),
        (with_content("a.gguf"), "is a GGUF file"),
        (with_content("a.ckpt"), "is a pickle"),
        (lambda _: Path("models/z_image_turbo_bf16.safetensors"), "The file models/z_image_turbo_bf16.safetensors does not"),
        (lambda tmp_path: all_in_one(tmp_path).parent, "with all parts in one file"),
        (lambda tmp_path: with_content("a.gguf")(tmp_path).parent, "holds GGUF files"),
        (lambda tmp_path: with_content("diffusion_models/a.sft")(tmp_path).parents[1], "holds models in ComfyUI's layout, but no"),
    ],
)  # fmt: skip
def test_files_and_folders_of_other_programs_are_named(
    make: Callable[[Path], Path], named: str, tmp_path: Path
) -> None:
    model = str(make(tmp_path))
    with pytest.raises(EngineUnusable) as raised:
        ZImage(model, "cpu", cache_folder=tmp_path, hub_url="http://127.0.0.1:9").load()
    assert named in str(raised.value)
    assert "EASEL_MODEL" in str(raised.value)
    (found,) = look_at_files(model, None)
    assert (found.words, found.is_usable) == (f"zimage: {raised.value}", False)


def test_the_doctor_looks_into_the_files(checkpoint: Path) -> None:
    (found,) = look_at_files(str(checkpoint), None)
    assert found.is_usable
    edit(checkpoint / "scheduler/scheduler_config.json", shift=6.0)
    (found,) = look_at_files(str(checkpoint), None)
    assert not found.is_usable
    assert "shift 6.0" in found.words
