"""Which attention kernels the zimage engine uses on which GPU, and what it does when one fails as it warms up.

Nothing here runs on a GPU: kernels are recorded, not used.
"""

import functools
import runpy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

# These tests need the gpu extra and are skipped without it.
pytest.importorskip("torch", reason="the gpu extra is not installed")

import torch
from torch._functorch import config as functorch_config
from torch.nn import Module

from easel.engines.engine import Drawing, DrawingFailed, EngineUnusable
from easel.engines.zimage import painting, warm_up
from easel.engines.zimage.attention import CUDNN, EFFICIENT, FLASH, MATH, Attention, Order, attention, attention_on
from easel.engines.zimage.engine import ZImage
from easel.engines.zimage.forward import run_block, run_caption_block
from easel.engines.zimage.painting import Loaded
from easel.engines.zimage.steps import Steps
from tests.support.paths import ROOT

TINY = ROOT / "tools" / "tiny_checkpoint.py"
LATER = 91502
"""cuDNN 9.15.2."""
PREFERRED: Order = (CUDNN, FLASH, EFFICIENT, MATH)
USUAL: Order = (FLASH, EFFICIENT, MATH)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    folder = tmp_path_factory.mktemp("zimage") / "tiny"
    runpy.run_path(str(TINY))["build"](folder)
    engine = ZImage(str(folder), "cpu")
    engine.load()
    return engine.loaded


@pytest.mark.parametrize(
    ("capability", "cudnn_version", "steps"),
    [
        ((9, 0), LATER, PREFERRED),
        ((10, 0), LATER, PREFERRED),
        ((9, 0), 91501, USUAL),
        ((9, 0), None, USUAL),
        ((8, 0), LATER, USUAL),
        ((8, 9), LATER, USUAL),
        ((10, 3), LATER, USUAL),
        ((12, 0), LATER, USUAL),
        ((12, 1), LATER, USUAL),
        ((7, 5), LATER, USUAL),
    ],
)
def test_cudnn_comes_first_only_where_pytorch_prefers_it(
    capability: tuple[int, int], cudnn_version: int | None, steps: Order
) -> None:
    chosen = attention("auto", capability, cudnn_version)
    assert chosen == Attention(steps, USUAL)
    assert chosen.without_cudnn() == Attention(USUAL, USUAL)


@pytest.mark.parametrize(
    ("choice", "steps"),
    [("flash", USUAL), ("cudnn", PREFERRED), ("efficient", (EFFICIENT, MATH)), ("math", (MATH,))],
)
def test_a_kernel_that_the_operator_names_is_first_on_every_gpu(choice: str, steps: Order) -> None:
    for capability in ((7, 5), (9, 0), (12, 0)):
        assert attention(choice, capability, LATER).steps == steps
    assert CUDNN not in attention(choice, (9, 0), LATER).others


def test_the_order_is_told_in_words() -> None:
    assert attention("cudnn", (9, 0), LATER).words() == "cuDNN, flash, efficient, math"
    assert attention_on("auto", torch.device("cpu")).words() == "flash, efficient, math"


class Recorder:
    """Notes under which order each part of the model runs, and for how many tokens a block runs."""

    def __init__(self) -> None:
        self.order: Order | None = None
        self.seen: dict[str, Order | None] = {}
        self.lengths: list[int] = []

    @contextmanager
    def attending(self, order: Order, device: torch.device) -> Iterator[None]:
        before, self.order = self.order, order
        yield
        self.order = before

    def note(self, name: str, function: Any) -> Any:
        def noted(*arguments: Any, **options: Any) -> Any:
            self.seen[name] = self.order
            if name in {"caption", "steps"}:
                self.lengths.append(len(arguments[1]))
            return function(*arguments, **options)

        return noted


@pytest.fixture
def recorder(loaded: Loaded, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    made = Recorder()
    for module in (painting, warm_up):
        monkeypatch.setattr(module, "attending", made.attending)
    monkeypatch.setattr(loaded, "attention", Attention(PREFERRED, USUAL))
    monkeypatch.setattr(loaded.denoiser, "run", made.note("steps", loaded.denoiser.run))
    monkeypatch.setattr(loaded.denoiser, "run_caption", made.note("caption", loaded.denoiser.run_caption))
    monkeypatch.setattr(loaded.decoder, "canvas", made.note("decoder", loaded.decoder.canvas))
    monkeypatch.setattr(loaded.captions, "_encode", made.note("text encoder", loaded.captions._encode))
    return made


def test_only_the_steps_of_a_picture_use_cudnn(
    loaded: Loaded, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warm_up, "WARM_UP", [Drawing("not drawn by another test", 64, 96, 1)])
    monkeypatch.setattr(warm_up, "COMMON_PICTURE_TOKENS", (64, 256))
    warm_up.draw_warm_up(loaded)
    assert recorder.lengths[0] == 256, "the compiler sees the most common picture first"
    assert recorder.seen == {"steps": PREFERRED, "caption": USUAL, "decoder": USUAL, "text encoder": USUAL}


def test_the_plans_of_common_lengths_are_made_beforehand(loaded: Loaded, recorder: Recorder) -> None:
    warm_up.plan_common_lengths(loaded)
    assert recorder.order is None
    assert recorder.seen == {"steps": PREFERRED}
    for picture in (1024, 4096):
        assert {picture, picture + 32, picture + 64, picture + 256} <= set(recorder.lengths)


class Attempts:
    """What the warm-up tries: whether the block was compiled, and the first kernel. Each fails with an error."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.tried: list[tuple[bool, str]] = []

    def draw(self, loaded: Loaded) -> None:
        is_compiled = loaded.denoiser.run is not run_block
        self.tried.append((is_compiled, loaded.attention.words().split(",")[0]))
        if self.errors:
            raise self.errors.pop(0)


@pytest.fixture
def warm(loaded: Loaded, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Warms the model up with these errors, where cuDNN is preferred, without compiling anything."""
    monkeypatch.setattr(torch, "compile", lambda it, dynamic: it if isinstance(it, Module) else functools.partial(it))

    def act(*errors: Exception, preferred: Order = PREFERRED) -> list[tuple[bool, str]]:
        attempts = Attempts(*errors)
        monkeypatch.setattr(warm_up, "draw_warm_up", attempts.draw)
        loaded.attention = Attention(preferred, USUAL)
        try:
            warm_up.warm_up(loaded)
        finally:
            tried.extend(attempts.tried)
        return attempts.tried

    tried: list[tuple[bool, str]] = []
    act.tried = tried  # type: ignore[attr-defined]
    with functorch_config.patch(enable_autograd_cache=True):
        yield act
    warm_up.prepare(loaded, Attention(USUAL, USUAL), is_compiled=False)


NO_PLAN = RuntimeError("cuDNN Frontend error: [cudnn_frontend] Error: No valid execution plans built.")


def test_a_model_that_warms_up_is_compiled_with_the_preferred_kernel(warm: Any, loaded: Loaded) -> None:
    assert warm() == [(True, "cuDNN")]
    assert loaded.denoiser.run is not loaded.denoiser.run_caption, "their kernels differ"
    assert not functorch_config.enable_autograd_cache, "its key does not contain the kernel"


def test_where_captions_use_the_same_kernel_one_graph_serves_both(warm: Any, loaded: Loaded) -> None:
    assert warm(preferred=USUAL) == [(True, "flash")]
    assert loaded.denoiser.run is loaded.denoiser.run_caption


def test_a_failure_is_tried_again_compiled_without_cudnn(
    warm: Any, loaded: Loaded, caplog: pytest.LogCaptureFixture
) -> None:
    assert warm(NO_PLAN) == [(True, "cuDNN"), (True, "flash")]
    assert not loaded.attention.has_cudnn
    assert "with attention cuDNN, flash, efficient, math (RuntimeError: cuDNN Frontend error" in caplog.text
    assert "trying without cuDNN" in caplog.text


def test_compiling_is_given_up_last(warm: Any, caplog: pytest.LogCaptureFixture) -> None:
    assert warm(NO_PLAN, OSError("no compiler")) == [(True, "cuDNN"), (True, "flash"), (False, "flash")]
    assert "trying without compiling, so drawing will be slower" in caplog.text
    assert warm(OSError("no compiler"), preferred=USUAL) == [(True, "flash"), (False, "flash")]


def test_a_failure_without_compiling_is_raised(warm: Any) -> None:
    last = RuntimeError("broken")
    with pytest.raises(RuntimeError) as raised:
        warm(NO_PLAN, NO_PLAN, last)
    assert raised.value is last


def test_pictures_without_content_are_tried_again_like_other_failures(warm: Any) -> None:
    empty = DrawingFailed("generation_failed_no_content", "nothing", "one colour")  # type: ignore[arg-type]
    assert warm(empty) == [(True, "cuDNN"), (True, "flash")]


def test_a_lack_of_memory_is_not_tried_again(warm: Any) -> None:
    with pytest.raises(torch.OutOfMemoryError):
        warm(torch.OutOfMemoryError("CUDA out of memory."))
    assert warm.tried == [(True, "cuDNN")]


def test_a_device_that_does_not_answer_any_more_is_not_tried_again(warm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def probe(device: torch.device) -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(warm_up, "probe", probe)
    with pytest.raises(EngineUnusable, match=r"cpu stopped answering .*EASEL_ATTENTION"):
        warm(NO_PLAN)
    assert warm.tried == [(True, "cuDNN")]


def test_each_function_of_the_block_is_compiled_once_whatever_is_drawn(loaded: Loaded) -> None:
    graphs: list[Any] = []

    def keep(graph: Any, inputs: Any) -> Any:
        graphs.append(graph)
        return graph.forward

    torch.compiler.reset()
    denoiser = loaded.denoiser
    before = denoiser.run, denoiser.run_caption
    counts: list[int] = []
    try:
        denoiser.run = torch.compile(run_block, dynamic=True, backend=keep)
        denoiser.run_caption = torch.compile(run_caption_block, dynamic=True, backend=keep)
        warm_up.run_block_once(loaded, 96)
        for drawing in (Drawing("a", 96, 64, 1), Drawing("a heron", 128, 176, 1), Drawing("b" * 200, 64, 64, 1)):
            painting.paint(loaded, drawing, Steps(lambda done, total: None, loaded.device, 8))
            counts.append(len(graphs))
    finally:
        denoiser.run, denoiser.run_caption = before
    assert counts == [2, 2, 2]


def test_settings_and_kernels_have_the_same_names(tmp_path: Path) -> None:
    from easel.assembly.configuration import read_settings
    from easel.engines.zimage.attention import ORDERS

    for choice in ("auto", *ORDERS):
        assert read_settings({"EASEL_DATA_DIR": str(tmp_path), "EASEL_ATTENTION": choice}).attention == choice
