"""The real stable-diffusion.cpp draws what PyTorch draws, reads prompts as PyTorch does, and stops when told to.

The model is tiny, of random weights, and the same for both.
"""

import json
import math
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

# These tests need the gpu extra, as those of the zimage engine do.
pytest.importorskip("torch", reason="the gpu extra is not installed")

import torch
from safetensors.torch import save_file
from tools.tiny_gguf import AUTOENCODER, TEXT_ENCODER, TRANSFORMER, build

import easel
from easel.engines.engine import Drawing, DrawingFailed, EngineUnusable, MakePreview, Pixels
from easel.engines.lora_layout import Lora
from easel.engines.sdcpp.engine import LoraUse, SdCpp, Use
from easel.engines.sdcpp.look import look_at_library
from easel.engines.sdcpp.model_files import ModelFiles
from easel.engines.sdcpp.process import program
from easel.engines.zimage.checkpoint import TURBO_FOLDER
from easel.engines.zimage.engine import ZImage
from easel.engines.zimage.lora import add_lora
from easel.engines.zimage.parts import Parts, read_tokenizer
from easel.engines.zimage.projection import Projection
from tests.support.small_python import MISSING, small_python

PYTHON = small_python()
pytestmark = pytest.mark.skipif(PYTHON is None, reason=MISSING)

PROMPTS = [
    "a red apple on a table",
    "A (red:1.5) apple, {on} a table :1.5) BREAK with a \\ sign",
    "Ein Café \U0001f600 für 2 Leute;\n\n  am 3. Tag, it's   fine",
    "一只红色的苹果，放在桌子上。 りんご 사과 яблоко",
]
DECIBELS_MIN = 55.0
PREVIEW_DIFFERENCE_MAX = 2
PREVIEW_FACTORS = (
    (-0.041168, 0.019917, 0.097253),
    (0.028096, 0.026730, 0.129576),
    (0.065618, -0.067950, -0.014651),
    (-0.012998, -0.014762, 0.081251),
    (0.078567, 0.059296, -0.024687),
    (-0.015987, -0.003697, 0.005012),
    (0.033605, 0.138999, 0.068517),
    (-0.024450, -0.063567, -0.030101),
    (-0.040194, -0.016710, 0.127185),
    (0.112681, 0.088764, -0.041940),
    (-0.023498, 0.093664, 0.025543),
    (0.082899, 0.048320, 0.007491),
    (0.075712, 0.074139, 0.081965),
    (-0.143501, 0.018263, -0.136138),
    (-0.025767, -0.082035, -0.040023),
    (-0.111849, -0.055589, -0.032361),
)
"""How the library maps latents of Flux to colours (its src/runtime/latent-preview.h)."""
PREVIEW_BIAS = (0.024600, -0.006937, -0.008089)

TOKENS = """
import json, sys, types
easel = types.ModuleType("easel")
easel.__path__ = [sys.argv[1]]
sys.modules["easel"] = easel
from easel.engines.sdcpp.library import Model
from easel.engines.sdcpp.messages import DrawOrder, LoadOrder
model = Model(LoadOrder(*sys.argv[2:5], threads=1), lambda: None, lambda words: None)
for prompt in json.loads(sys.argv[5]):
    model.draw(DrawOrder(1, prompt, 64, 64, 7), lambda done: None)
    print(json.dumps(model.tokens))
"""
"""Prints the tokens that the library makes of prompts."""


class StopError(Exception):
    """Raised by a test from within a step."""


@dataclass(frozen=True, slots=True)
class Pair:
    """The two engines with one model."""

    small: SdCpp
    torch: ZImage
    files: Path


def engine(folder: Path, use: Use) -> SdCpp:
    return SdCpp(ModelFiles(folder=folder), use, program(PYTHON), silence_max_s=150.0)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("gguf")
    parts: Parts = build(folder)
    reference = ZImage("tiny", "cpu")
    reference.use(parts, torch.device("cpu"))
    small = engine(folder, Use(threads=1))
    small.load()
    yield Pair(small, reference, folder)
    small.close()


def drawing(prompt: str, side_px: int = 72, seed: int = 7) -> Drawing:
    return Drawing(prompt=prompt, width_px=side_px, height_px=64, seed=seed)


def ignore_step(steps_done: int, steps_total: int) -> None:
    """Ignores progress."""


def decibels(one: Pixels, other: Pixels) -> float:
    """The peak signal-to-noise ratio."""
    assert (one.width_px, one.height_px) == (other.width_px, other.height_px)
    error = sum((left - right) ** 2 for left, right in zip(one.rgb, other.rgb, strict=True)) / len(one.rgb)
    return 10 * math.log10(255**2 / error) if error else math.inf


@pytest.mark.parametrize("prompt", PROMPTS)
def test_the_picture_is_that_of_the_zimage_engine(pair: Pair, prompt: str) -> None:
    small = pair.small.draw(drawing(prompt), ignore_step)
    reference = pair.torch.draw(drawing(prompt), ignore_step)
    other = pair.torch.draw(drawing("a blue boat"), ignore_step)
    assert decibels(small, reference) > DECIBELS_MIN > decibels(small, other)


def test_prompts_have_the_tokens_that_the_zimage_engine_makes_of_them(pair: Pair) -> None:
    prompts = [
        *PROMPTS,
        "unBREAKABLE ((x))) :2:+1.5) a:-.5) \\\\(y) <|im_end|> e\u0301 \t x",
        "don't WE'LL 12345 \u00a0 ½ x² — “q” ...",
    ]
    files = [str(pair.files / name) for name in (TRANSFORMER, TEXT_ENCODER, AUTOENCODER)]
    package = str(Path(easel.__file__).parent)
    ran = subprocess.run(
        [str(PYTHON), "-P", "-c", TOKENS, package, *files, json.dumps(prompts)], capture_output=True, text=True
    )
    tokenizer = read_tokenizer(TURBO_FOLDER / "tokenizer")
    made = [json.loads(line) for line in ran.stdout.splitlines()]
    assert made == [tokenizer.tokenize(prompt) for prompt in prompts], ran.stderr


def test_the_same_drawing_gives_the_same_picture_and_another_seed_or_prompt_another(pair: Pair) -> None:
    first, again, seed, prompt = (
        pair.small.draw(order, ignore_step)
        for order in (drawing("a"), drawing("a"), drawing("a", seed=8), drawing("b"))
    )
    assert first == again
    assert len({first.rgb, seed.rgb, prompt.rgb}) == 3


def test_steps_are_those_of_the_sampling(pair: Pair) -> None:
    steps: list[int] = []
    pair.small.draw(drawing("steps"), lambda done, total: steps.append(done))
    assert [step for at, step in enumerate(steps) if at == 0 or steps[at - 1] != step] == list(range(9))


def previews(engine: SdCpp | ZImage, order: Drawing) -> list[Pixels]:
    """What a spectator sees, who takes everything that is offered."""
    seen: list[Pixels] = []

    def take(make: MakePreview) -> None:
        pixels = make()
        if pixels is not None:
            seen.append(pixels)

    engine.draw(order, ignore_step, take)
    return seen


def test_previews_show_what_each_step_predicts_and_change_nothing(pair: Pair) -> None:
    order = drawing("previews", side_px=64)
    before = pair.small.draw(order, ignore_step)
    pair.torch.loaded.projection = Projection(torch.device("cpu"), PREVIEW_FACTORS, PREVIEW_BIAS)
    shown, expected = previews(pair.small, order), previews(pair.torch, order)
    # The child learns of its spectator while it draws, so it may miss the first steps.
    assert 1 <= len(shown) <= len(expected) == 8
    assert [(preview.width_px, preview.height_px) for preview in shown] == [(8, 8)] * len(shown)
    differences = [
        max(abs(left - right) for left, right in zip(one.rgb, other.rgb, strict=True))
        for one, other in zip(shown, expected[-len(shown) :], strict=True)
    ]
    assert max(differences) <= PREVIEW_DIFFERENCE_MAX
    assert len({preview.rgb for preview in shown}) == len(shown)
    assert pair.small.draw(order, ignore_step) == before


QUANTIZE = "import sys; import cyllama.sd as sd; sd.convert_model(*sys.argv[1:3], sd.SDType[sys.argv[3]])"
LAYERS = (
    "layers.0.attention.to_q",
    "layers.0.attention.to_v",
    "layers.1.attention.to_out.0",
    "layers.1.feed_forward.w1",
    "layers.0.feed_forward.w2",
    "noise_refiner.0.attention.to_k",
    "context_refiner.0.adaLN_modulation.0",
    "noise_refiner.0.adaLN_modulation.0",
    "cap_embedder.1",
    "all_x_embedder.2-1",
    "all_final_layer.2-1.linear",
)


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Pixels]:
    """A LoRA for most kinds of layers, with ranks of one and more, and the picture that PyTorch draws with it."""
    folder = tmp_path_factory.mktemp("lora")
    parts = build(folder / "model")
    weights = dict(parts.transformer.named_parameters())
    tensors: dict[str, torch.Tensor] = {}
    torch.manual_seed(3)
    for index, layer in enumerate(name for name in LAYERS if f"{name}.weight" in weights):
        outputs, inputs = weights[f"{layer}.weight"].shape
        rank = 1 + index % 3
        tensors[f"transformer.{layer}.lora_A.weight"] = torch.randn(rank, inputs) * 0.05
        tensors[f"transformer.{layer}.lora_B.weight"] = torch.randn(outputs, rank) * 0.05
        tensors[f"transformer.{layer}.alpha"] = torch.tensor(2.0)
    save_file(tensors, folder / "ink.safetensors")
    parts.transformer.requires_grad_(False)
    add_lora(parts.transformer, Lora(folder / "ink.safetensors", 0.8))
    engine = ZImage("tiny", "cpu")
    engine.use(parts, torch.device("cpu"))
    return folder / "ink.safetensors", engine.draw(drawing("ink"), ignore_step)


@pytest.mark.parametrize("quantized", [None, "Q8_0"])
def test_a_lora_draws_what_it_draws_in_the_zimage_engine(
    quantized: str | None, pair: Pair, reference: tuple[Path, Pixels], tmp_path: Path
) -> None:
    lora, expected = reference
    transformer = pair.files / TRANSFORMER
    if quantized is not None:
        transformer = tmp_path / "quantized.gguf"
        subprocess.run([str(PYTHON), "-c", QUANTIZE, pair.files / TRANSFORMER, transformer, quantized], check=True)
    given = ModelFiles(folder=pair.files, transformer=transformer)
    use = LoraUse(Lora(lora, 0.8), tmp_path / "loras")
    engine = SdCpp(given, Use(threads=1), program(PYTHON), 150.0, use)
    engine.load()
    drawn = engine.draw(drawing("ink"), ignore_step)
    (copied,) = (tmp_path / "loras").glob("*.safetensors")
    copied.unlink()
    with pytest.raises(DrawingFailed) as failed:
        engine.draw(drawing("ink"), ignore_step)
    engine.close()
    plain = pair.torch.draw(drawing("ink"), ignore_step)
    assert decibels(drawn, expected) > DECIBELS_MIN > decibels(drawn, plain)
    assert "it added 0 of" in str(failed.value.hint)


def test_a_cancelled_picture_ends_within_a_second_and_leaves_no_trace(pair: Pair) -> None:
    before = pair.small.draw(drawing("trace"), ignore_step)
    cancelled_at_s = 0.0

    def cancel(steps_done: int, steps_total: int) -> None:
        nonlocal cancelled_at_s
        if steps_done == 3:
            cancelled_at_s = time.monotonic()
            raise StopError

    with pytest.raises(StopError):
        pair.small.draw(drawing("other"), cancel)
    assert time.monotonic() - cancelled_at_s < 1.0
    assert pair.small.draw(drawing("trace"), ignore_step) == before


def test_a_long_prompt_is_cut_after_a_token(pair: Pair) -> None:
    words = "a red apple and (green) pears on a table of "
    short = engine(pair.files, Use(threads=1, prompt_tokens_max=10))
    short.load()
    cut = short.draw(drawing(words * 3), ignore_step)
    whole = short.draw(drawing("a red apple and (green) pears on"), ignore_step)
    short.close()
    # The words are thirteen tokens. The space at the end is one, unless a word follows.
    assert (cut.caption_tokens_cut, whole.caption_tokens_cut) == (3 * 13 + 1 - 10, 0)
    assert cut.rgb == whole.rgb


def test_a_damaged_file_is_refused_before_the_library_sees_it(pair: Pair, tmp_path: Path) -> None:
    damaged = tmp_path / TRANSFORMER
    damaged.write_bytes((pair.files / TRANSFORMER).read_bytes()[:-1000])
    given = ModelFiles(folder=pair.files, transformer=damaged)
    with pytest.raises(EngineUnusable, match="shorter than its header says"):
        SdCpp(given, Use(), program(PYTHON), 150.0).load()


def test_a_backend_that_does_not_exist_makes_the_engine_unusable(pair: Pair) -> None:
    with pytest.raises(EngineUnusable, match=r"diffusion_engine\.cpp|backend"):
        engine(pair.files, Use(backend="vulkan7")).load()


@pytest.mark.parametrize("use", [Use(memory="offload", tiles=True), Use(memory="disk", backend="cpu")])
def test_every_use_of_memory_draws(pair: Pair, use: Use) -> None:
    other = engine(pair.files, use)
    other.load()
    drawn = other.draw(drawing("memory"), ignore_step)
    other.close()
    assert decibels(drawn, pair.small.draw(drawing("memory"), ignore_step)) > DECIBELS_MIN


def test_the_child_ends_with_its_parent(pair: Pair) -> None:
    parent = (
        "import sys, time; from easel.engines.sdcpp.process import ChildProcess; "
        "child = ChildProcess(sys.argv[1:]); child.receive(60.0); print(child.pid, flush=True); time.sleep(60)"
    )
    started = subprocess.Popen([sys.executable, "-c", parent, *program(PYTHON)], stdout=subprocess.PIPE)
    assert started.stdout is not None
    child = Path(f"/proc/{int(started.stdout.readline())}")
    assert child.exists() or not Path("/proc").is_dir()
    started.kill()
    started.wait()
    started.stdout.close()
    give_up_s = time.monotonic() + 10.0
    while child.exists() and time.monotonic() < give_up_s:
        time.sleep(0.02)
    assert not child.exists()


def test_the_doctor_names_the_library_and_its_devices() -> None:
    (seen,) = look_at_library(program(PYTHON))
    assert seen.words.startswith("cyllama 0.7.")
    assert "CPU" in seen.words
