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
from easel.engines.lora_layout import Lora
from easel.engines.zimage.engine import ZImage
from easel.engines.zimage.look import look_at_files
from easel.engines.zimage.lora import add_lora
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


def shaped(outputs: int, inputs: int) -> Tensors:
    return {f"{LAYER}.lora_A.weight": torch.ones(RANK, inputs), f"{LAYER}.lora_B.weight": torch.ones(outputs, RANK)}


def plain(layer: str) -> tuple[Tensors, dict[str, torch.Tensor]]:
    """In diffusers' format, and what is meant."""
    down, up = factors(layer)
    return in_diffusers_format(layer), {layer: up @ down}


def fused(
    prefix: str, down_name: str, up_name: str, *, is_flat: bool = False
) -> tuple[Tensors, dict[str, torch.Tensor]]:
    """One change of all three projections, and another layer under ComfyUI's name."""
    (down, up), (out_down, out_up) = factors(LAYER, 192), factors("layers.1.attention.to_out.0")
    tensors: Tensors = {}
    for name, of_name in (("layers.1.attention.qkv", (down, up)), ("layers.1.attention.out", (out_down, out_up))):
        stem = prefix + (name.replace(".", "_") if is_flat else name)
        tensors |= dict(zip((f"{stem}.{down_name}.weight", f"{stem}.{up_name}.weight"), of_name, strict=True))
    meant = dict(zip(("to_q", "to_k", "to_v"), (up @ down).chunk(3), strict=True)) | {"to_out.0": out_up @ out_down}
    return tensors, {f"layers.1.attention.{name}": change for name, change in meant.items()}


def kronecker(stem: str, *, is_factorised: bool) -> tuple[Tensors, dict[str, torch.Tensor]]:
    """A LoKr. Alpha counts only where there is a rank."""
    torch.manual_seed(5)
    first, second, down, up = torch.randn(4, 4), torch.randn(16, 16), torch.randn(2, 16), torch.randn(16, 2)
    tensors = {f"{stem}.lokr_w1": first, f"{stem}.alpha": torch.tensor(1.0 if is_factorised else 1e10)}
    if is_factorised:
        tensors |= {f"{stem}.lokr_w2_a": up, f"{stem}.lokr_w2_b": down}
        return tensors, {LAYER: torch.kron(first, up @ down) / 2}
    return tensors | {f"{stem}.lokr_w2": second}, {LAYER: torch.kron(first, second)}


FLAT = LAYER.replace(".", "_")


@pytest.mark.parametrize(
    "made",
    [
        lambda: plain("all_final_layer.2-1.linear"),
        lambda: fused("diffusion_model.", "lora_A", "lora_B"),
        lambda: fused("diffusion_model.", "lora_down", "lora_up"),
        lambda: fused("", "lora.down", "lora.up"),
        lambda: fused("lora_unet_", "lora_down", "lora_up", is_flat=True),
        lambda: kronecker(f"diffusion_model.{LAYER}", is_factorised=False),
        lambda: kronecker(f"lora_unet_{FLAT}", is_factorised=True),
        lambda: kronecker(f"lycoris_{FLAT}", is_factorised=True),
    ],
)
def test_the_layouts_of_other_trainers_are_added_completely(
    tmp_path: Path, made: Callable[[], tuple[Tensors, dict[str, torch.Tensor]]]
) -> None:
    tensors, meant = made()
    file = tmp_path / "style.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, file)
    transformer = runpy.run_path(str(TINY))["transformer"]().requires_grad_(False)
    before = {name: parameter.clone() for name, parameter in transformer.named_parameters()}
    add_lora(transformer, Lora(file, 1.0))
    changed = {
        name: parameter - before[name]
        for name, parameter in transformer.named_parameters()
        if not torch.equal(parameter, before[name])
    }
    assert changed.keys() == {f"{layer}.weight" for layer in meant}
    for layer, change in meant.items():
        assert torch.allclose(changed[f"{layer}.weight"], change, atol=1e-5)


def test_a_lora_that_is_refused_leaves_the_weights_as_they_were(tmp_path: Path) -> None:
    file = tmp_path / "style.safetensors"
    save_file(in_diffusers_format("layers.0.attention.to_q", "layers.77.attention.to_q"), file)
    transformer = runpy.run_path(str(TINY))["transformer"]().requires_grad_(False)
    before = {name: parameter.clone() for name, parameter in transformer.named_parameters()}
    with pytest.raises(EngineUnusable):
        add_lora(transformer, Lora(file, 1.0))
    assert all(torch.equal(parameter, before[name]) for name, parameter in transformer.named_parameters())


def test_the_doctor_looks_into_the_lora(checkpoint: Path, tmp_path: Path) -> None:
    file = tmp_path / "style.safetensors"
    save_file(in_diffusers_format(LAYER), file)
    assert list(look_at_files(str(checkpoint), (file, 0.5)))[1].words == f"LoRA {file} for 1 layers, scale 0.5"
    save_file(shaped(1, 64), file)
    found = list(look_at_files(str(checkpoint), (file, 0.5)))[1]
    assert (found.is_usable, "is 1 x 64" in found.words) == (False, True)
    # Without weights here, it is compared with the published model.
    save_file({f"{LAYER}.lora_A.weight": torch.ones(2, 3840), f"{LAYER}.lora_B.weight": torch.ones(3840, 2)}, file)
    assert [found.is_usable for found in look_at_files("easel-tests/none", (file, 1.0))] == [True, True]


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
        ({"a.weight": torch.ones(2)}, "a.weight is not part of a LoRA"),
        ({}, "it contains no LoRA"),
        ({f"transformer.{LAYER}.lora_A.weight": torch.ones(RANK, 64)}, f"the change of {LAYER} is incomplete"),
        ({f"{LAYER}.lokr_w1": torch.ones(2, 2)}, f"the change of {LAYER} is incomplete"),
        (
            {f"{LAYER}.lokr_w1": torch.ones(4, 4), f"{LAYER}.lokr_w2": torch.ones(8, 16)},
            "is 32 x 64, and its weights are 64 x 64",
        ),
        ({f"{LAYER}.hada_w1_a": torch.ones(64, 4)}, "it is a LoHa"),
        (in_comfys_format() | {"diffusion_model.cap_embedder.1.diff_b": torch.zeros(64)}, "whole differences"),
        (
            in_comfys_format() | {"text_encoder.layers.0.q_proj.lora_A.weight": torch.ones(4, 4)},
            "changes the text encoder",
        ),
        (in_comfys_format() | {f"{LAYER}.lora_down.weight": torch.ones(RANK, 64)}, "are the same"),
        (shaped(1, 64), "is 1 x 64, and its weights are 64 x 64"),
        (shaped(64, 32), "is 64 x 32, and its weights are 64 x 64"),
        ({name: torch.full_like(tensor, float("nan")) for name, tensor in in_comfys_format().items()}, "is not finite"),
        (
            in_diffusers_format(LAYER) | {f"{LAYER}.dora_scale": torch.ones(64)},
            "it is a DoRA",
        ),
        (in_diffusers_format("layers.77.attention.to_q"), "the transformer has no layer layers.77.attention.to_q"),
        (in_diffusers_format("layers.0"), "the transformer has no layer layers.0)"),
        (in_diffusers_format("layers.0.feed_forward.w1"), "and its weights are 170 x 64"),
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
