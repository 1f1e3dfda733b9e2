"""LoRA files in the zimage engine: they change the picture, and unusable ones are refused."""

import json
import runpy
from collections.abc import Callable
from pathlib import Path

import pytest

# These tests need the gpu extra and are skipped without it.
pytest.importorskip("torch", reason="the gpu extra is not installed")

import torch
from safetensors.torch import save_file

from easel.engines.engine import Drawing, EngineUnusable, Pixels
from easel.engines.zimage.engine import ZImage
from easel.engines.zimage.lora import Lora, add_lora, read_changes
from tests.support.paths import ROOT

TINY = ROOT / "tools" / "tiny_checkpoint.py"
LAYER = "layers.1.attention.to_q"
RANK = 4
Tensors = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("zimage") / "tiny"
    runpy.run_path(str(TINY))["build"](folder)
    return folder


def factors(layer: str = LAYER, outputs: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(len(layer))
    return torch.randn(RANK, 64), torch.randn(outputs, RANK)


def in_diffusers_format(*layers: str) -> Tensors:
    tensors: Tensors = {}
    for layer in layers:
        down, up = factors(layer)
        tensors |= {f"transformer.{layer}.lora_A.weight": down, f"transformer.{layer}.lora_B.weight": up}
    return tensors


def drawn(checkpoint: Path, lora: Lora | None) -> Pixels:
    engine = ZImage(str(checkpoint), "cpu", lora=lora)
    engine.load()
    return engine.draw(Drawing("a heron", 376, 376, 5), lambda steps_done, steps_total: None)


def test_a_lora_changes_the_picture_unless_its_scale_is_zero(checkpoint: Path, tmp_path: Path) -> None:
    file = tmp_path / "style.safetensors"
    save_file(in_diffusers_format(LAYER, "layers.0.attention.to_out.0", "noise_refiner.0.attention.to_v"), file)
    plain = drawn(checkpoint, None)
    assert drawn(checkpoint, Lora(file, 0.0)) == plain
    assert len({plain.rgb, drawn(checkpoint, Lora(file, 1.0)).rgb, drawn(checkpoint, Lora(file, -0.5)).rgb}) == 3


def in_kohyas_format() -> Tensors:
    down, up = factors()
    name = f"lora_unet_{LAYER.replace('.', '_')}"
    return {f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up, f"{name}.alpha": torch.tensor(2.0)}


def in_comfys_format() -> Tensors:
    down, up = factors()
    return {f"diffusion_model.{LAYER}.lora_A.weight": down, f"diffusion_model.{LAYER}.lora_B.weight": up}


@pytest.mark.parametrize(
    ("made", "header", "strength"),
    [
        (lambda: in_diffusers_format(LAYER), {}, 1.0),
        (lambda: in_diffusers_format(LAYER), {"transformer.r": RANK, "transformer.lora_alpha": 8}, 2.0),
        (in_kohyas_format, {}, 2.0 / RANK),
        (in_comfys_format, {}, 1.0),
    ],
)
def test_the_change_is_the_product_of_its_factors_at_the_intended_strength(
    tmp_path: Path, made: Callable[[], Tensors], header: dict[str, int], strength: float
) -> None:
    file = tmp_path / "style.safetensors"
    save_file(made(), file, metadata={"lora_adapter_metadata": json.dumps(header)} if header else None)
    transformer = runpy.run_path(str(TINY))["transformer"]().requires_grad_(False)
    before = transformer.get_submodule(LAYER).weight.clone()
    add_lora(transformer, Lora(file, 0.5))
    down, up = factors()
    change = transformer.get_submodule(LAYER).weight - before
    assert torch.allclose(change, 0.5 * strength * up @ down, atol=1e-5)


def refusal(lora: Lora) -> str:
    transformer = runpy.run_path(str(TINY))["transformer"]().requires_grad_(False)
    with pytest.raises(EngineUnusable) as raised:
        add_lora(transformer, lora)
    sentence = str(raised.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    assert "EASEL_LORA" in sentence
    return sentence


def test_a_missing_file_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    assert f"The LoRA file {tmp_path / 'no.safetensors'} does not exist" in refusal(
        Lora(tmp_path / "no.safetensors", 1.0)
    )
    with pytest.raises(EngineUnusable, match=r"The LoRA file .* does not exist"):
        drawn(checkpoint, Lora(tmp_path, 1.0))


@pytest.mark.parametrize("content", [b"", b"no safetensors", b"\xff" * 64])
def test_a_file_that_is_not_a_lora_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "style.safetensors"
    file.write_bytes(content)
    assert f"{file} cannot be added to the model" in refusal(Lora(file, 1.0))


@pytest.mark.parametrize(
    ("tensors", "named"),
    [
        ({"a.weight": torch.ones(2)}, "a.weight is not part of a plain LoRA"),
        ({f"transformer.{LAYER}.lora_A.weight": torch.ones(RANK, 64)}, "lora_B.weight"),
        ({f"{LAYER}.lokr_w1": torch.ones(2, 2)}, "lokr_w1 is not part of a plain LoRA"),
        (
            in_diffusers_format(LAYER) | {f"{LAYER}.dora_scale": torch.ones(64)},
            "dora_scale is not part of a plain LoRA",
        ),
        (in_diffusers_format("layers.77.attention.to_q"), "the transformer has no layer layers.77.attention.to_q"),
        (in_diffusers_format("layers.0"), "the transformer has no layer layers.0)"),
        (in_diffusers_format("layers.0.feed_forward.w1"), "cannot be added to the model"),
    ],
)
def test_a_lora_that_cannot_be_applied_as_intended_is_refused(tmp_path: Path, tensors: Tensors, named: str) -> None:
    file = tmp_path / "style.safetensors"
    save_file(tensors, file)
    assert named in refusal(Lora(file, 1.0))


@pytest.mark.parametrize("header", ["{", '{"transformer.r": 4, "transformer.rank_pattern": {"a": 8}}', "[]"])
def test_an_unsupported_header_is_refused(tmp_path: Path, header: str) -> None:
    file = tmp_path / "style.safetensors"
    save_file(in_diffusers_format(LAYER), file, metadata={"lora_adapter_metadata": header})
    assert "cannot be added to the model" in refusal(Lora(file, 1.0))


def test_the_factors_of_several_layers_are_found(tmp_path: Path) -> None:
    file = tmp_path / "style.safetensors"
    save_file(in_diffusers_format(LAYER, "layers.0.attention.to_k"), file)
    assert sorted(read_changes(file)) == ["layers.0.attention.to_k", LAYER]
