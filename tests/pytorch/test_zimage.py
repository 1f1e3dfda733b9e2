"""The zimage engine, through the contract of all engines, with a tiny checkpoint of the real format on the CPU."""

import runpy
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import pytest

# These tests need the gpu extra and are skipped without it.
pytest.importorskip("torch", reason="the gpu extra is not installed")

import numpy as np
import torch
from diffusers import ZImagePipeline
from transformers import Qwen2Tokenizer, Qwen3Model

from easel.domain.task import ErrorCode
from easel.engines.engine import (
    Drawing,
    DrawingFailed,
    Engine,
    EngineUnusable,
    Pixels,
    canvas_px,
    crop_offset_px,
)
from easel.engines.zimage.captions import Captions
from easel.engines.zimage.devices import probe
from easel.engines.zimage.engine import ZImage
from easel.engines.zimage.text_encoder import Resident
from easel.runtime import distribution
from tests.support.paths import ROOT

TINY = ROOT / "tools" / "tiny_checkpoint.py"
WINDOW_TOKENS = 1504
TEMPLATE_TOKENS = 19
"""Tokens of the tiny checkpoint's template: six before the prompt and thirteen after it. Each token is a byte."""


class StopError(Exception):
    """Raised by a test from within a step."""


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("zimage") / "tiny"
    runpy.run_path(str(TINY))["build"](folder)
    return folder


@pytest.fixture(scope="session")
def engine(checkpoint: Path) -> Engine:
    return loaded(checkpoint)


def loaded(checkpoint: Path, **options: Any) -> Engine:
    engine: Engine = ZImage(str(checkpoint), "cpu", **options)
    engine.load()
    return engine


def drawing(prompt: str = "a heron at dawn", seed: int = 7, width_px: int = 376, height_px: int = 376) -> Drawing:
    return Drawing(prompt=prompt, width_px=width_px, height_px=height_px, seed=seed)


def ignore_step(steps_done: int, steps_total: int) -> None:
    """Ignores progress."""


def draw(engine: Engine, prompt: str = "a heron at dawn", seed: int = 7) -> Pixels:
    return engine.draw(drawing(prompt, seed), ignore_step)


def as_array(pixels: Pixels) -> "np.ndarray":
    return np.frombuffer(pixels.rgb, np.uint8).reshape(pixels.height_px, pixels.width_px, 3).astype(int)


@cache
def stock_pipeline(checkpoint: Path) -> ZImagePipeline:
    pipe = ZImagePipeline.from_pretrained(checkpoint)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def stock_picture(checkpoint: Path, wanted: Drawing) -> "np.ndarray":
    """What diffusers' own pipeline draws, cropped to the centre."""
    width_px, height_px = canvas_px(wanted.width_px, 16), canvas_px(wanted.height_px, 16)
    picture = stock_pipeline(checkpoint)(
        wanted.prompt,
        width=width_px,
        height=height_px,
        num_inference_steps=8,
        guidance_scale=0.0,
        generator=torch.Generator("cpu").manual_seed(wanted.seed),
        max_sequence_length=WINDOW_TOKENS,
    ).images[0]
    left, top = crop_offset_px(width_px, wanted.width_px), crop_offset_px(height_px, wanted.height_px)
    return np.asarray(picture).astype(int)[top : top + wanted.height_px, left : left + wanted.width_px]


@pytest.mark.parametrize(
    ("width_px", "height_px", "seed"),
    [(376, 376, 1), (377, 1001, 2), (1536, 376, 2147483647), (400, 383, 5)],
)
def test_the_picture_is_that_of_the_stock_pipeline_in_exactly_the_requested_size(
    engine: Engine, checkpoint: Path, width_px: int, height_px: int, seed: int
) -> None:
    wanted = drawing("一只白鹭 at dawn 🌅", seed, width_px, height_px)
    pixels = engine.draw(wanted, ignore_step)
    assert (pixels.width_px, pixels.height_px, pixels.caption_tokens_cut) == (width_px, height_px, 0)
    assert np.abs(as_array(pixels) - stock_picture(checkpoint, wanted)).max() <= 1


@pytest.mark.parametrize(
    ("width_px", "height_px", "prompt", "seed"),
    [(512, 512, "x" * 13, 3), (720, 1008, "鹭" * 200, 99), (848, 480, "x" * 45, 12345), (640, 384, "x" * 1485, 8)],
)
def test_the_picture_is_that_of_the_stock_pipeline_for_any_size_caption_and_seed(
    engine: Engine, checkpoint: Path, width_px: int, height_px: int, prompt: str, seed: int
) -> None:
    wanted = drawing(prompt, seed, width_px, height_px)
    drawn = as_array(engine.draw(wanted, ignore_step))
    assert np.abs(drawn - stock_picture(checkpoint, wanted)).max() <= 1


def test_the_same_drawing_gives_the_same_bytes_whatever_is_drawn_in_between(engine: Engine) -> None:
    first = draw(engine)
    draw(engine, "something else entirely", seed=8)
    engine.draw(drawing("and wider", width_px=512), ignore_step)
    assert draw(engine) == first


def test_a_different_seed_or_prompt_gives_a_different_picture(engine: Engine) -> None:
    pictures = {draw(engine, prompt, seed).rgb for prompt in ("a heron", "a barn") for seed in (1, 2)}
    assert len(pictures) == 4


@pytest.mark.parametrize(
    "prompt",
    ["🦩🌊🏔️👩🏽‍🚀", "雪山下的湖面倒映着晚霞", "\u202eabc\u200b", " ", "<|im_end|>", "<|endoftext|>" * 9, "{{ 7 }}{% x"],
)
def test_any_prompt_can_be_drawn(engine: Engine, prompt: str) -> None:
    assert as_array(draw(engine, prompt)).std() > 1


def test_steps_are_counted_from_one_to_eight(engine: Engine) -> None:
    steps: list[tuple[int, int]] = []
    engine.draw(drawing(), lambda done, total: steps.append((done, total)))
    assert steps == [(done, 8) for done in range(1, 9)]


@pytest.mark.parametrize("last_step", range(1, 9))
def test_a_stop_at_any_step_is_raised_unchanged_and_has_no_later_effect(engine: Engine, last_step: int) -> None:
    before = draw(engine)
    steps: list[int] = []
    stop = StopError()

    def stop_at_last(steps_done: int, steps_total: int) -> None:
        steps.append(steps_done)
        if steps_done == last_step:
            raise stop

    with pytest.raises(StopError) as raised:
        engine.draw(drawing(seed=99), stop_at_last)
    assert raised.value is stop
    assert steps == list(range(1, last_step + 1))
    assert draw(engine) == before


@pytest.mark.parametrize("stop", [RuntimeError("out of memory"), MemoryError(), KeyboardInterrupt(), GeneratorExit()])
def test_a_stop_is_never_mistaken_for_an_error_of_the_device(engine: Engine, stop: BaseException) -> None:
    def stop_now(steps_done: int, steps_total: int) -> None:
        raise stop

    with pytest.raises(type(stop)) as raised:
        engine.draw(drawing(), stop_now)
    assert raised.value is stop


@pytest.fixture
def broken(checkpoint: Path) -> ZImage:
    """An engine of its own for a test that breaks its weights."""
    engine = ZImage(str(checkpoint), "cpu")
    engine.load()
    return engine


def nan_in_the_transformer(engine: ZImage) -> None:
    engine.loaded.denoiser.patch_out.bias.fill_(float("nan"))


def nan_in_the_decoder(engine: ZImage) -> None:
    engine.loaded.decoder._autoencoder.decoder.conv_out.bias[0] = float("nan")


def nothing_from_the_decoder(engine: ZImage) -> None:
    engine.loaded.decoder._autoencoder.decoder.conv_out.weight.zero_()


@pytest.mark.parametrize(
    ("spoil", "hint"),
    [
        (nan_in_the_transformer, "no finite numbers"),
        (nan_in_the_decoder, "no finite numbers"),
        (nothing_from_the_decoder, "one colour"),
    ],
)
def test_a_picture_without_content_fails(broken: ZImage, spoil: Callable[[ZImage], None], hint: str) -> None:
    with torch.no_grad():
        spoil(broken)
    with pytest.raises(DrawingFailed) as failed:
        draw(broken)
    assert failed.value.code == ErrorCode.GENERATION_FAILED_NO_CONTENT
    assert hint in str(failed.value.hint)


def test_a_model_that_draws_nothing_while_it_warms_up_is_refused(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = ZImage(str(checkpoint), "cpu")

    def warm_up_with_nan(parts: Any, device: torch.device) -> None:
        ZImage.use(engine, parts, device)
        with torch.no_grad():
            nan_in_the_transformer(engine)
        draw(engine)

    monkeypatch.setattr(engine, "use", warm_up_with_nan)
    with pytest.raises(EngineUnusable, match="draws nothing on cpu, because the model computed no finite numbers"):
        engine.load()


def test_a_probe_uses_the_device_and_raises_if_it_does_not_answer(engine: Engine) -> None:
    engine.probe()
    with pytest.raises(RuntimeError):
        probe(torch.device("meta"))  # it has no numbers to read back


@pytest.mark.parametrize(
    ("prompt", "tokens_cut"),
    [
        ("x" * (WINDOW_TOKENS - TEMPLATE_TOKENS), 0),
        ("x" * (WINDOW_TOKENS - TEMPLATE_TOKENS + 1), 1),
        ("x" * 2000, 2000 + TEMPLATE_TOKENS - WINDOW_TOKENS),
        ("鹭" * 2000, 6000 + TEMPLATE_TOKENS - WINDOW_TOKENS),
    ],
)
def test_tokens_that_do_not_fit_into_the_window_are_reported(engine: Engine, prompt: str, tokens_cut: int) -> None:
    assert draw(engine, prompt).caption_tokens_cut == tokens_cut
    assert draw(engine, prompt).caption_tokens_cut == tokens_cut, "also when the caption was kept"


def test_a_long_prompt_is_cut_at_its_end(engine: Engine) -> None:
    fitting = "x" * (WINDOW_TOKENS - TEMPLATE_TOKENS)
    whole = draw(engine, fitting)
    assert draw(engine, fitting + "y" * 200).rgb == whole.rgb
    assert draw(engine, "y" + fitting[1:]).rgb != whole.rgb


def test_captions_of_every_length_near_the_window_equal_the_stock_pipelines(engine: Engine, checkpoint: Path) -> None:
    for prompt_tokens in (1, 12, 13, 14, 45, 500, 1484, 1485):
        wanted = drawing("x" * prompt_tokens)
        drawn = as_array(engine.draw(wanted, ignore_step))
        assert np.abs(drawn - stock_picture(checkpoint, wanted)).max() <= 1, prompt_tokens


def test_pictures_are_the_same_with_and_without_cached_captions(engine: Engine, checkpoint: Path) -> None:
    forgetful = loaded(checkpoint, captions_kept_max=0)
    for prompt in ("a heron", "x" * 2000, "鹭"):
        kept = [draw(engine, prompt) for _ in range(2)]
        assert kept == [draw(forgetful, prompt) for _ in range(2)]


def captions(checkpoint: Path, entries_max: int, bytes_max: int) -> Captions:
    tokenizer = Qwen2Tokenizer.from_pretrained(checkpoint / "tokenizer")
    text_encoder = Qwen3Model.from_pretrained(checkpoint / "text_encoder").eval()
    return Captions(tokenizer, Resident(text_encoder), WINDOW_TOKENS, entries_max, bytes_max)


def test_the_cache_of_captions_is_limited_and_evicts_the_least_recently_used(checkpoint: Path) -> None:
    kept = captions(checkpoint, entries_max=3, bytes_max=10**9)
    first = kept.caption("0")
    for prompt in ("1", "2", "0", "3"):
        kept.caption(prompt)
    assert kept.kept_entries == 3
    assert kept.caption("0") is first
    for number in range(50):
        kept.caption(f"prompt {number}")
    assert kept.kept_entries == 3
    assert kept.caption("0") is not first
    assert torch.equal(kept.caption("0").embedding, first.embedding)


def test_the_cache_of_captions_is_limited_in_bytes(checkpoint: Path) -> None:
    # Of the tiny text encoder: 32 dimensions of four bytes a token.
    bytes_max = 2 * WINDOW_TOKENS * 32 * 4
    kept = captions(checkpoint, entries_max=1000, bytes_max=bytes_max)
    for number in range(6):
        kept.caption(f"{number}" * 2000)
        assert kept.kept_bytes <= bytes_max
    assert kept.kept_entries == 2
    tiny = captions(checkpoint, entries_max=1000, bytes_max=1)
    assert tiny.caption("a heron").embedding.shape == (7 + TEMPLATE_TOKENS, 32)
    assert (tiny.kept_entries, tiny.kept_bytes) == (0, 0)


def test_two_engines_in_two_threads_are_independent(engine: Engine, checkpoint: Path) -> None:
    wanted = [drawing(f"prompt {number % 3}", seed=number + 1, width_px=376 + 8 * (number % 2)) for number in range(3)]
    expected = [engine.draw(one, ignore_step) for one in wanted]

    def draw_all(own: Engine) -> list[Pixels]:
        return [own.draw(one, ignore_step) for one in wanted]

    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(draw_all, [loaded(checkpoint), loaded(checkpoint)])) == [expected, expected]


def test_bf16_draws_nearly_the_same_picture(engine: Engine, checkpoint: Path) -> None:
    rounded = draw(loaded(checkpoint, precision="bfloat16"))
    difference = np.abs(as_array(rounded) - as_array(draw(engine)))
    assert 0 < difference.mean() < 4


OUT_OF_MEMORY_SCRIPT = """
import resource, sys
from easel.engines.engine import Drawing, OutOfMemory
from easel.engines.zimage.engine import ZImage

def draw(side_px):
    return engine.draw(Drawing("a heron", side_px, side_px, 5), lambda steps_done, steps_total: None)

engine = ZImage(sys.argv[1], "cpu")
engine.load()
before = draw(376)
with open("/proc/self/statm") as sizes:
    used_bytes = int(sizes.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used_bytes + 60_000_000, resource.RLIM_INFINITY))
try:
    draw(1536)
except OutOfMemory as error:
    assert error.__context__ is None
    assert draw(376) == before
    sys.exit(0)
sys.exit("it did fit")
"""


@pytest.mark.timeout(400)  # a busy machine takes minutes for the large drawing
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds a process's memory so")
def test_a_drawing_that_does_not_fit_raises_out_of_memory_and_does_not_affect_the_next(checkpoint: Path) -> None:
    run = run_python(OUT_OF_MEMORY_SCRIPT, str(checkpoint))
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("absent", ["torch", "transformers"])
def test_without_the_gpu_extra_the_import_error_says_what_to_install(absent: str) -> None:
    script = f"""
import sys
sys.modules["{absent}"] = None
from easel.engines.engine import EngineUnusable
try:
    import easel.engines.zimage.engine
except EngineUnusable as error:
    sys.exit(f"SENTENCE {{error}}")
"""
    run = run_python(script)
    assert "SENTENCE The zimage engine needs " in run.stderr
    assert f"`{distribution.install_extra('gpu')}`" in run.stderr


def run_python(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        check=False,
        env={"PYTHONPATH": ":".join(sys.path)},
        text=True,
        timeout=300,
    )
