"""The three files of the model are told by their content, and those of other models are refused by name."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from easel.engines.engine import EngineUnusable
from easel.engines.sdcpp.model_files import Located, ModelFiles, locate
from tests.support.gguf_files import (
    AUTOENCODER,
    TEXT_ENCODER,
    TRANSFORMER,
    Shapes,
    write_gguf,
    write_model,
    write_safetensors,
)

QWEN3: Mapping[str, str | float] = {"general.architecture": "qwen3"}


def found(folder: Path) -> Located:
    return locate(ModelFiles(folder=folder))


def why_refused(given: ModelFiles) -> str:
    with pytest.raises(EngineUnusable) as refused:
        locate(given)
    return str(refused.value)


def test_files_of_a_folder_are_told_by_their_content(tmp_path: Path) -> None:
    located = found(write_model(tmp_path))
    names = [file.name for file in (located.transformer, located.text_encoder, located.autoencoder)]
    assert (names, located.warnings) == (["turbo.gguf", "words.gguf", "ae.safetensors"], ())


def test_a_folder_in_comfyuis_layout_will_do(tmp_path: Path) -> None:
    for name, shapes in (("diffusion_models", TRANSFORMER), ("vae", AUTOENCODER)):
        (tmp_path / name).mkdir()
        prefixed = {f"model.diffusion_model.{key}": shape for key, shape in shapes.items()}
        write_safetensors(tmp_path / name / "x.safetensors", shapes if name == "vae" else prefixed)
    (tmp_path / "text_encoders").mkdir()
    layers: Shapes = {f"model.layers.{layer}.input_layernorm.weight": (64,) for layer in range(36)}
    words = write_safetensors(tmp_path / "text_encoders/q.safetensors", {"model.embed_tokens.weight": (8, 64)} | layers)
    assert found(tmp_path).text_encoder == words


def test_a_file_that_is_named_comes_before_the_folder(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "a")
    other = write_gguf(tmp_path / "b.gguf", TRANSFORMER)
    assert locate(ModelFiles(folder=folder, transformer=other)).transformer == other


def test_a_folder_without_one_of_them_or_with_two_is_refused(tmp_path: Path) -> None:
    folder = write_model(tmp_path)
    (folder / "copy.gguf").write_bytes((folder / "turbo.gguf").read_bytes())
    assert "several files for the transformer, copy.gguf and turbo.gguf: name one in EASEL_SDCPP_TRANSFORMER" in (
        why_refused(ModelFiles(folder=folder))
    )
    (folder / "ae.safetensors").unlink()
    (folder / "copy.gguf").unlink()
    assert "has no autoencoder of Z-Image-Turbo in GGUF or safetensors" in why_refused(ModelFiles(folder=folder))
    assert "does not exist: correct EASEL_SDCPP_MODEL." in why_refused(ModelFiles(folder=tmp_path / "nowhere"))


def without(shapes: Shapes, name: str) -> Shapes:
    return {key: shape for key, shape in shapes.items() if key != name}


@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        ({"double_blocks.0.img_attn.qkv.weight": (96, 32)}, "is not the transformer of Z-Image-Turbo"),
        (without(TRANSFORMER, "cap_pad_token"), "is not the transformer of Z-Image-Turbo"),
        (TRANSFORMER | {"layers.0.attention.qkv.scale_weight": ()}, "has scales beside its weights"),
        (without(TRANSFORMER, "layers.0.attention.qkv.weight"), "is no transformer that stable-diffusion.cpp knows"),
    ],
)
def test_other_transformers_are_refused(tmp_path: Path, shapes: Shapes, words: str) -> None:
    file = write_safetensors(tmp_path / "x.safetensors", shapes)
    given = ModelFiles(folder=write_model(tmp_path / "model"), transformer=file)
    assert words in why_refused(given)


@pytest.mark.parametrize(
    ("shapes", "facts", "words"),
    [
        (TEXT_ENCODER, {"general.architecture": "qwen3vl"}, "(qwen3vl, 36 layers, 64 wide) is not Qwen3-4B"),
        (without(TEXT_ENCODER, "blk.35.attn_norm.weight"), QWEN3, "(qwen3, 35 layers, 64 wide) is not Qwen3-4B"),
        (TEXT_ENCODER | {"token_embd.weight": (8, 96)}, QWEN3, "96 wide) is not Qwen3-4B (qwen3, 36 layers, 64 wide)"),
    ],
)
def test_other_text_encoders_are_refused(
    tmp_path: Path, shapes: Shapes, facts: Mapping[str, str | float], words: str
) -> None:
    file = write_gguf(tmp_path / "x.gguf", shapes, facts)
    assert words in why_refused(ModelFiles(folder=write_model(tmp_path / "model"), text_encoder=file))


def test_a_later_qwen_draws_with_a_warning(tmp_path: Path) -> None:
    file = write_gguf(tmp_path / "x.gguf", TEXT_ENCODER, {**QWEN3, "qwen3.rope.freq_base": 5e6})
    located = locate(ModelFiles(folder=write_model(tmp_path / "model"), text_encoder=file))
    assert ["a later Qwen3-4B (2507)" in warning for warning in located.warnings] == [True]


@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        (AUTOENCODER | {"decoder.conv_in.weight": (4, 4, 3, 3)}, "is the autoencoder of another model"),
        (without(AUTOENCODER, "encoder.conv_in.weight"), "has no encoder"),
        (TRANSFORMER, "is not the autoencoder of Z-Image-Turbo: set EASEL_SDCPP_AUTOENCODER"),
    ],
)
def test_other_autoencoders_are_refused(tmp_path: Path, shapes: Shapes, words: str) -> None:
    file = write_safetensors(tmp_path / "x.safetensors", shapes)
    assert words in why_refused(ModelFiles(folder=write_model(tmp_path / "model"), autoencoder=file))


def test_a_damaged_or_missing_file_is_named(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model")
    damaged = tmp_path / "x.gguf"
    damaged.write_bytes(b"GGUF")
    assert "x.gguf cannot be used, because its header is too long, or cut off" in why_refused(
        ModelFiles(folder=folder, transformer=damaged)
    )
    assert "(No such file or directory)" in why_refused(ModelFiles(folder=folder, transformer=tmp_path / "y.gguf"))
