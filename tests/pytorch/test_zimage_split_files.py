"""ComfyUI's split files: they draw what diffusers' layout draws, and what cannot be read exactly is refused."""

import hashlib
import json
import lzma
import math
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

# These tests need the gpu extra and are skipped without it.
pytest.importorskip("torch", reason="the gpu extra is not installed")

import torch
from diffusers import AutoencoderKL, ZImageTransformer2DModel
from safetensors.torch import load_file, save_file
from tools import tiny_checkpoint, tiny_split_files

from easel.engines.engine import Drawing, EngineUnusable
from easel.engines.zimage import published
from easel.engines.zimage.checkpoint import TURBO_FOLDER, Checkpoint, in_folder
from easel.engines.zimage.engine import ZImage
from easel.engines.zimage.identity import require_turbo
from easel.engines.zimage.look import look_at_files
from easel.engines.zimage.packing import pack
from easel.engines.zimage.parts import Parts, Places, read_parts, read_tokenizer
from easel.engines.zimage.schedule import schedule
from easel.engines.zimage.shapes import text_encoder_shapes, transformer_shapes
from easel.engines.zimage.split_weights import read_state
from easel.engines.zimage.weights import find

State = dict[str, torch.Tensor]
CPU = torch.device("cpu")
TRANSFORMER = "diffusion_models/z_image_turbo_bf16.safetensors"
TEXT_ENCODER = "text_encoders/qwen_3_4b.safetensors"
AUTOENCODER = "vae/ae.safetensors"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("zimage") / "tiny"
    tiny_checkpoint.build(folder)
    return folder


@pytest.fixture(scope="module")
def split(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("zimage") / "split"
    tiny_split_files.split(tiny, folder)
    return folder


@pytest.fixture
def files(split: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(split, tmp_path / "files"))


def found(model: Path) -> Checkpoint:
    checkpoint = find(str(model))
    assert checkpoint is not None
    return checkpoint


def loaded(model: Path, dtype: torch.dtype = torch.float32) -> Parts:
    return read_parts(found(model), dtype, Places(CPU, CPU, CPU))


def refusal(model: Path) -> str:
    with pytest.raises(EngineUnusable) as raised:
        find(str(model))
    sentence = str(raised.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    (seen,) = look_at_files(str(model), None)
    assert (seen.words, seen.is_usable) == (f"zimage: {sentence}", False)
    return sentence


def rewrite(file: Path, change: Callable[[State], State]) -> None:
    state = change(load_file(file))
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, file)


def first_step(parts: Parts) -> torch.Tensor:
    with torch.no_grad():
        denoiser = pack(parts.transformer, schedule(parts.scheduler).timesteps)
        random = torch.Generator().manual_seed(0)
        scene = denoiser.scene(torch.randn(40, 32, generator=random), 16, 16)
        return denoiser.predict(scene, torch.randn(256, 64, generator=random), denoiser.steps[0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_first_step_is_equal_to_the_last_bit(tiny: Path, split: Path, dtype: torch.dtype) -> None:
    assert torch.equal(first_step(loaded(tiny, dtype)), first_step(loaded(split, dtype)))


def test_the_picture_is_equal_to_the_last_bit(tiny: Path, split: Path) -> None:
    pictures = []
    for model in (tiny, split):
        engine = ZImage(str(model), "cpu")
        engine.load()
        pictures.append(engine.draw(Drawing("a heron", 376, 384, 7), lambda steps_done, steps_total: None))
    assert pictures[0] == pictures[1]


def test_names_mean_what_diffusers_own_reader_says(split: Path) -> None:
    kinds = {"transformer": (ZImageTransformer2DModel, TRANSFORMER), "vae": (AutoencoderKL, AUTOENCODER)}
    for part, (kind, file) in kinds.items():
        theirs = kind.from_single_file(
            str(split / file), config=str(split / part), local_files_only=True, torch_dtype=torch.float32
        ).state_dict()
        ours = read_state(split / file, part, torch.float32, CPU)
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def move_into_one_folder(folder: Path) -> Path:
    for file in (TRANSFORMER, TEXT_ENCODER, AUTOENCODER):
        (folder / file).rename(folder / Path(file).name)
    return folder


def move_below_split_files(folder: Path) -> Path:
    for file in (TRANSFORMER, TEXT_ENCODER, AUTOENCODER):
        (folder / "split_files" / file).parent.mkdir(parents=True)
        (folder / file).rename(folder / "split_files" / file)
    return folder


def name_the_transformer(folder: Path) -> Path:
    shutil.copy(folder / TRANSFORMER, folder / "diffusion_models/a_fine_tune.safetensors")
    return folder / "diffusion_models/a_fine_tune.safetensors"


def rename_the_transformer(folder: Path) -> Path:
    (folder / TRANSFORMER).rename(folder / "diffusion_models/a_fine_tune.safetensors")
    return folder


def add_other_models(folder: Path) -> Path:
    save_file({"double_blocks.0.img_attn.qkv.weight": torch.ones(4)}, folder / "diffusion_models/flux.safetensors")
    save_file({"decoder.conv_in.weight": torch.ones(4)}, folder / "vae/wan_vae.safetensors")
    (folder / "text_encoders/t5.safetensors").write_bytes(b"damaged")
    return folder


@pytest.mark.parametrize(
    "change",
    [move_into_one_folder, move_below_split_files, name_the_transformer, rename_the_transformer, add_other_models],
)
def test_files_are_found_where_people_have_them(files: Path, change: Callable[[Path], Path]) -> None:
    model = change(files)
    if model.is_file():
        for part in ("scheduler", "tokenizer", "transformer", "text_encoder", "vae"):
            shutil.copytree(files / part, model.parent / part, dirs_exist_ok=True)
    (seen,) = look_at_files(str(model), None)
    assert seen.is_usable, seen.words
    checkpoint = found(model)
    assert checkpoint.split is not None
    assert checkpoint.split.keys() == {"transformer", "text_encoder", "vae"}
    assert all(file.is_file() for file in checkpoint.split.values())


def with_prefix(state: State) -> State:
    return {f"model.diffusion_model.{name}": tensor for name, tensor in state.items()}


def with_an_unused_norm(state: State) -> State:
    return state | {"norm_final.weight": torch.ones(64)}


@pytest.mark.parametrize("change", [with_prefix, with_an_unused_norm])
def test_what_other_programs_write_beside_the_weights_is_left_out(
    files: Path, tiny: Path, change: Callable[[State], State]
) -> None:
    rewrite(files / TRANSFORMER, change)
    assert torch.equal(first_step(loaded(files)), first_step(loaded(tiny)))


def float8(state: State, scale_name: str | None, *, by_row: bool = False) -> State:
    """The matrices of the blocks in fp8, with their scales under this name."""
    made = dict(state)
    for name, weights in state.items():
        if weights.ndim != 2 or "layers." not in name:
            continue
        largest = weights.abs().amax(1, keepdim=True) if by_row else weights.abs().amax()
        scale = largest / 448 if scale_name else torch.ones(())
        made[name] = (weights / scale).to(torch.float8_e4m3fn)
        if scale_name:
            made[name.removesuffix("weight") + scale_name] = scale.float().clone()
    return made


def earlier_float8(state: State) -> State:
    scales = {f"{name}scale_input": torch.ones(1) for name in ("layers.0.attention.qkv.", "layers.0.attention.out.")}
    return float8(state, "scale_weight") | scales | {"scaled_fp8": torch.zeros(2).to(torch.float8_e4m3fn)}


def marked_float8(state: State) -> State:
    made = float8(state, "weight_scale")
    for name in [name for name in made if name.endswith(".weight_scale")]:
        words = json.dumps({"format": "float8_e4m3fn"}).encode()
        made[name.removesuffix("weight_scale") + "comfy_quant"] = torch.tensor(list(words), dtype=torch.uint8)
        made[name.removesuffix("weight_scale") + "input_scale"] = torch.ones(())
    return made


@pytest.mark.parametrize(
    "change",
    [
        earlier_float8,
        marked_float8,
        lambda state: float8(state, "weight_scale", by_row=True),
        lambda state: float8(state, None),
    ],
)
def test_weights_in_fp8_are_multiplied_by_their_scales(
    files: Path, tiny: Path, change: Callable[[State], State]
) -> None:
    rewrite(files / TRANSFORMER, change)
    exact = loaded(tiny).transformer.state_dict()
    parts = loaded(files)
    for name, weights in parts.transformer.state_dict().items():
        # Three bits after the first one, and for small numbers the distance of the smallest ones of 448.
        largest = exact[name].abs().max()
        assert (weights - exact[name]).abs().max() <= largest / 16, name
    assert first_step(parts).isfinite().all()


def in_int8(state: State) -> State:
    name = "layers.0.attention.qkv"
    return state | {f"{name}.weight": torch.ones(192, 64, dtype=torch.int8), f"{name}.weight_scale": torch.ones(192, 1)}


def in_four_bits(state: State) -> State:
    name = "layers.0.attention.out"
    scales = {
        f"{name}.weight_scale": torch.ones(64, 4).to(torch.float8_e4m3fn),
        f"{name}.weight_scale_2": torch.ones(()),
    }
    return state | scales | {f"{name}.weight": torch.ones(64, 32, dtype=torch.uint8)}


def in_blocks(state: State) -> State:
    name = "layers.0.attention.out"
    scales = {f"{name}.weight_scale": torch.ones(64, 2, dtype=torch.uint8)}
    return state | scales | {f"{name}.weight": torch.ones(64, 64).to(torch.float8_e4m3fn)}


def without_a_block(state: State) -> State:
    return {name: tensor for name, tensor in state.items() if not name.startswith("layers.1.feed_forward.w2")}


@pytest.mark.parametrize(
    ("file", "change", "named"),
    [
        (TRANSFORMER, in_int8, "holds numbers as I8, so it is quantized in a way that this engine does not read"),
        (TRANSFORMER, in_four_bits, "holds numbers as U8, so it is quantized"),
        (TRANSFORMER, in_blocks, "holds numbers as U8, so it is quantized"),
        (TRANSFORMER, without_a_block, "lacks layers.1.feed_forward.w2.weight"),
        (TRANSFORMER, lambda state: state | {"odd": torch.ones(1)}, "holds odd, which Z-Image-Turbo does not have"),
        (TEXT_ENCODER, lambda state: state | {"model.norm.weight": torch.ones(7)}, "norm.weight in the shape [7]"),
        (
            AUTOENCODER,
            lambda state: state | {"decoder.conv_in.weight": torch.ones(16, 32, 3, 3)},
            "another autoencoder",
        ),
    ],
)
def test_other_weights_are_refused_by_name(
    files: Path, file: str, change: Callable[[State], State], named: str
) -> None:
    rewrite(files / file, change)
    assert f"{files / file} " in refusal(files)
    assert named in refusal(files)


def remove_the_text_encoder(folder: Path) -> None:
    (folder / TEXT_ENCODER).unlink()


def rename_to_undistilled(folder: Path) -> None:
    (folder / TRANSFORMER).rename(folder / "diffusion_models/z_image_bf16.safetensors")


def add_another_transformer(folder: Path) -> None:
    shutil.copy(folder / TRANSFORMER, folder / "diffusion_models/b.safetensors")
    (folder / TRANSFORMER).rename(folder / "diffusion_models/a.safetensors")


def damage_the_autoencoder(folder: Path) -> None:
    (folder / AUTOENCODER).write_bytes(b"damaged")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (remove_the_text_encoder, "and no text encoder: put qwen_3_4b.safetensors beside it"),
        (rename_to_undistilled, "is the undistilled Z-Image, which takes 50 steps"),
        (add_another_transformer, "several files that could be the transformer (a.safetensors, b.safetensors)"),
        (damage_the_autoencoder, "ae.safetensors is not a safetensors file"),
    ],
)
def test_a_folder_that_is_not_clear_or_complete_is_refused(
    files: Path, change: Callable[[Path], None], named: str
) -> None:
    change(files)
    assert named in refusal(files)


def test_a_damaged_file_that_looks_whole_is_refused_when_it_is_loaded(files: Path) -> None:
    rewrite(files / AUTOENCODER, lambda state: state | {"decoder.conv_out.bias": torch.ones(5)})
    with pytest.raises(EngineUnusable, match="cannot be loaded"):
        ZImage(str(files), "cpu").load()
    rewrite(files / AUTOENCODER, lambda state: state | {"decoder.conv_out.bias": torch.full((3,), math.nan)})
    with pytest.raises(EngineUnusable, match=r"decoder\.conv_out\.bias of its vae is not finite"):
        ZImage(str(files), "cpu").load()


def write_sparse(file: Path, shapes: Mapping[str, tuple[int, ...]], number_format: str, bytes_each: int) -> None:
    """A file with these tensors, whose data are holes."""
    header, end = {}, 0
    for name in sorted(shapes):
        begin, end = end, end + bytes_each * math.prod(shapes[name])
        header[name] = {"dtype": number_format, "shape": shapes[name], "data_offsets": [begin, end]}
    words = json.dumps(header, separators=(",", ":")).encode()
    words += b" " * (-len(words) % 8)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as opened:
        opened.write(len(words).to_bytes(8, "little") + words)
        opened.truncate(8 + len(words) + end)


def test_files_of_the_published_names_shapes_and_sizes_are_accepted(tmp_path: Path) -> None:
    of_turbo = in_folder(TURBO_FOLDER)
    with torch.device("meta"):
        state = {name: torch.empty(shape) for name, shape in transformer_shapes(of_turbo.config("transformer")).items()}
        transformer = tiny_split_files.comfy_transformer(state)
        autoencoder = tiny_split_files.comfy_autoencoder(AutoencoderKL(**plain(of_turbo.config("vae"))).state_dict())
    text_encoder = text_encoder_shapes(of_turbo.config("text_encoder"))
    write_sparse(tmp_path / TRANSFORMER, shapes_of(transformer), "BF16", 2)
    write_sparse(tmp_path / TEXT_ENCODER, {f"model.{name}": shape for name, shape in text_encoder.items()}, "BF16", 2)
    write_sparse(tmp_path / AUTOENCODER, shapes_of(autoencoder), "F32", 4)
    # Those that the hub states. The autoencoder's header has another order.
    assert (tmp_path / TRANSFORMER).stat().st_size == 12_309_866_400
    assert (tmp_path / TEXT_ENCODER).stat().st_size == 8_044_982_048
    assert abs((tmp_path / AUTOENCODER).stat().st_size - 335_304_388) < 1000
    checkpoint = found(tmp_path)
    assert checkpoint.configuration == TURBO_FOLDER
    require_turbo(checkpoint)
    assert checkpoint.count_parameters("transformer") == 6_154_908_736
    (seen,) = look_at_files(str(tmp_path), None)
    assert seen.is_usable


def plain(config: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in config.items() if not name.startswith("_")}


def shapes_of(state: State) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def test_the_tokenizer_that_comes_with_easel_is_the_published_one() -> None:
    packed = (TURBO_FOLDER / "tokenizer/tokenizer.json.xz").read_bytes()
    digest = published.TURBO.digests["tokenizer/tokenizer.json"]
    assert hashlib.sha256(lzma.decompress(packed)).hexdigest() == digest
    tokenizer = read_tokenizer(TURBO_FOLDER / "tokenizer")
    turn = tokenizer.apply_chat_template(
        [{"role": "user", "content": " a heron\n"}], tokenize=False, add_generation_prompt=True, enable_thinking=True
    )
    assert turn == "<|im_start|>user\n a heron\n<|im_end|>\n<|im_start|>assistant\n"
    tokens = tokenizer(turn).input_ids
    assert (tokens[:3], tokens[-5:]) == ([151644, 872, 198], [151645, 198, 151644, 77091, 198])
