"""The zimage engine's forward passes: against diffusers' transformer, and at the real size without weights."""

import copy
import math
import runpy
from collections.abc import Iterator
from typing import Any

import pytest

# These tests need the gpu extra and are skipped without it.
pytest.importorskip("torch", reason="the gpu extra is not installed")

import torch
from diffusers import FlowMatchEulerDiscreteScheduler, ZImageTransformer2DModel
from torch.nn.functional import scaled_dot_product_attention
from torch.utils.flop_counter import FlopCounterMode

from easel.engines.zimage import slices
from easel.engines.zimage.decoder import Decoder
from easel.engines.zimage.forward import Denoiser, from_patches, run_block, to_patches
from easel.engines.zimage.packing import pack
from easel.engines.zimage.schedule import schedule
from easel.engines.zimage.slices import SCORES_BYTES_MAX, SlicedAttention, attend
from tests.support.paths import ROOT

TINY = ROOT / "tools" / "tiny_checkpoint.py"
REAL = {"n_layers": 30, "n_refiner_layers": 2, "axes_lens": [1536, 512, 512]}
"""Where the real model's configuration differs from the class's defaults, or might."""

SCHEDULER = FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000, shift=3.0)


@pytest.fixture(autouse=True)
def _without_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


def shaken() -> Any:
    """The tiny transformer with uneven norms, as after training. Untrained ones are all 1."""
    torch.manual_seed(1)
    model = runpy.run_path(str(TINY))["transformer"]().requires_grad_(False)
    for name, parameter in model.named_parameters():
        if "norm" in name and parameter.ndim == 1:
            parameter.uniform_(0.3, 1.7)
    return model


@pytest.fixture(scope="module")
def stock() -> Any:
    return shaken()


@pytest.fixture(scope="module")
def denoiser() -> Denoiser:
    return pack(shaken(), schedule(SCHEDULER).timesteps)


def test_the_schedule_is_eight_shifted_sigmas() -> None:
    made = schedule(SCHEDULER)
    sigmas = [3 * even / (1 + 2 * even) for even in (1 - step / 8 for step in range(8))]
    assert made.timesteps == pytest.approx([1000 * sigma for sigma in sigmas])
    falls = [before - after for before, after in zip(sigmas, [*sigmas[1:], 0], strict=True)]
    assert made.sigma_falls == pytest.approx(falls)


@pytest.mark.parametrize("odd", ["use_dynamic_shifting", "stochastic_sampling", "invert_sigmas"])
def test_an_unsupported_schedule_is_refused(odd: str) -> None:
    with pytest.raises(ValueError, match=odd):
        schedule(FlowMatchEulerDiscreteScheduler(**{odd: True}))


@pytest.mark.parametrize("odd", [{"all_patch_size": (2, 4), "all_f_patch_size": (1, 1)}, {"siglip_feat_dim": 8}])
def test_an_unsupported_transformer_is_refused(odd: dict[str, Any]) -> None:
    small = {"dim": 64, "n_layers": 1, "n_heads": 2, "n_kv_heads": 2, "cap_feat_dim": 32, "axes_dims": [8, 12, 12]}
    model = ZImageTransformer2DModel(**small, **odd)
    with pytest.raises(ValueError, match=f"its transformer has {next(iter(odd))} "):
        pack(model, schedule(SCHEDULER).timesteps)


@pytest.mark.parametrize(
    ("rows", "columns", "caption_tokens"),
    [(24, 24, 20), (25, 25, 32), (1, 1, 1), (23, 96, 33), (96, 24, 300), (45, 80, 64), (64, 64, 31), (30, 31, 1504)],
)
def test_every_step_equals_the_stock_transformers(
    stock: Any, denoiser: Denoiser, rows: int, columns: int, caption_tokens: int
) -> None:
    torch.manual_seed(rows + columns + caption_tokens)
    latents = torch.randn(16, 2 * rows, 2 * columns)
    embedding = torch.randn(caption_tokens, 32)
    scene = denoiser.scene(embedding, rows, columns)
    for timestep, step in list(zip(schedule(SCHEDULER).timesteps, denoiser.steps, strict=True))[:: 1 + rows // 8]:
        told = (1000 - torch.tensor([timestep])) / 1000
        expected = stock([latents.unsqueeze(1)], told, [embedding], return_dict=False)[0][0].squeeze(1)
        answer = from_patches(denoiser.predict(scene, to_patches(latents), step), rows, columns)
        assert expected.std() > 0.05
        assert (answer - expected).abs().max() < 1e-5 * expected.abs().max()


def test_in_bf16_it_is_closer_to_float32_than_the_stock_transformer() -> None:
    torch.manual_seed(2)
    latents, embedding = torch.randn(16, 48, 48), torch.randn(50, 32)
    timesteps = schedule(SCHEDULER).timesteps
    stock = shaken().bfloat16()
    exact, ours = pack(copy.deepcopy(stock).float(), timesteps), pack(copy.deepcopy(stock), timesteps)
    for step in (0, 3, 7):
        told = (1000 - torch.tensor([timesteps[step]])) / 1000
        theirs = stock([latents.bfloat16().unsqueeze(1)], told, [embedding.bfloat16()], return_dict=False)[0][0]
        answers = [
            from_patches(
                model.predict(model.scene(embedding, 24, 24), to_patches(latents), model.steps[step]), 24, 24
            ).float()
            for model in (exact, ours)
        ]
        assert 0 < (answers[1] - answers[0]).norm() < (theirs.squeeze(1).float() - answers[0]).norm()


def test_packing_takes_the_stock_model_apart() -> None:
    model = shaken()
    pack(model, schedule(SCHEDULER).timesteps)
    assert [len(blocks) for blocks in (model.layers, model.noise_refiner, model.context_refiner)] == [0, 0, 0]


def test_at_the_real_size_a_step_reads_nothing_back_and_computes_no_more_than_necessary() -> None:
    # On the meta device tensors have shapes and no contents, so that reading one back fails.
    with torch.device("meta"):
        stock = ZImageTransformer2DModel(**REAL).to(torch.bfloat16).requires_grad_(False)
        embedding = torch.empty(60, 2560)
        patches = torch.empty(64 * 64, 64)
    parameters = sum(parameter.numel() for parameter in stock.parameters())
    assert parameters == 6_154_908_736
    real = pack(stock, schedule(SCHEDULER).timesteps)
    with FlopCounterMode(display=False) as counter:
        scene = real.scene(embedding, 64, 64)
        patches = patches + schedule(SCHEDULER).sigma_falls[0] * real.predict(scene, patches, real.steps[0]).float()
    assert patches.shape == (4096, 64)
    assert counter.get_total_flops() / 1e12 == pytest.approx(55.6, rel=0.01)


def test_the_block_is_compiled_once_for_all_sizes_and_captions(denoiser: Denoiser) -> None:
    graphs: list[Any] = []

    def keep(graph: Any, inputs: Any) -> Any:
        graphs.append(graph)
        return graph.forward

    compiled = pack(shaken(), schedule(SCHEDULER).timesteps)
    compiled.run = compiled.run_caption = torch.compile(run_block, dynamic=True, backend=keep)
    seen = []
    for rows, columns, caption_tokens in ((24, 24, 20), (25, 25, 40), (24, 40, 100), (96, 24, 20), (40, 40, 300)):
        latents, embedding = torch.randn(16, 2 * rows, 2 * columns), torch.randn(caption_tokens, 32)
        answers = [
            model.predict(model.scene(embedding, rows, columns), to_patches(latents), model.steps[0])
            for model in (compiled, denoiser)
        ]
        assert (answers[0] - answers[1]).abs().max() < 1e-5
        seen.append(len(graphs))
    assert set(seen) == {1}


@pytest.mark.parametrize("queries_at_once", [1, 7, 50, 96, 1000])
def test_attention_in_slices_of_any_size_gives_the_same_numbers(
    queries_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    queries, keys, values = torch.randn(3, 1, 2, 96, 32).unbind()
    whole = scaled_dot_product_attention(queries, keys, values)
    monkeypatch.setitem(SCORES_BYTES_MAX, "cpu", queries_at_once * 2 * 96 * 4)
    parts: list[int] = []

    def noted(part: torch.Tensor, *others: torch.Tensor) -> torch.Tensor:
        parts.append(part.shape[2])
        return scaled_dot_product_attention(part, *others)

    monkeypatch.setattr(slices, "scaled_dot_product_attention", noted)
    assert torch.allclose(attend(queries, keys, values), whole, atol=1e-6)
    assert max(parts) <= queries_at_once
    assert sum(parts) == 96


def test_metals_largest_tensor_is_never_exceeded_and_usual_pictures_are_not_sliced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[tuple[int, ...]] = []

    def noted(part: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        calls.append((part.shape[1], part.shape[2], keys.shape[2]))
        return torch.empty_like(part)

    monkeypatch.setattr(slices, "scaled_dot_product_attention", noted)
    monkeypatch.setitem(SCORES_BYTES_MAX, "meta", SCORES_BYTES_MAX["mps"])
    for side_px, heads, tokens in ((1536, 30, 96 * 96 + 1504), (1536, 1, 192 * 192), (1024, 30, 64 * 64 + 512)):
        calls.clear()
        attend(*(torch.empty(1, heads, tokens, 128, device="meta") for _ in range(3)))
        assert all(4 * heads * queries * keys < 2**32 for heads, queries, keys in calls)
        assert (len(calls) == 1) == (side_px == 1024)


def test_the_autoencoders_attention_in_slices_gives_the_same_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(3)
    autoencoder = runpy.run_path(str(TINY))["autoencoder"]()
    latents = torch.randn(16, 24, 20)
    whole = Decoder(autoencoder).canvas(latents)
    monkeypatch.setitem(SCORES_BYTES_MAX, "cpu", 100_000)
    sliced = Decoder(autoencoder).canvas(latents)
    assert isinstance(autoencoder.decoder.mid_block.attentions[0].processor, SlicedAttention)
    assert torch.allclose(sliced, whole, atol=1e-5)


def test_patches_and_latents_convert_into_each_other() -> None:
    latents = torch.randn(16, 6, 10)
    patches = to_patches(latents)
    assert patches.shape == (3 * 5, 64)
    assert torch.equal(from_patches(patches, 3, 5), latents)
    assert math.isclose(float(patches[0, 16]), float(latents[0, 0, 1]))
