"""The sdcpp engine outlives every child: one that aborts, hangs, lies or is killed costs one picture at most.

The child is a stand-in that speaks the protocol in a process of its own.
"""

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from easel.domain.task import ErrorCode
from easel.engines.engine import Drawing, DrawingFailed, EngineUnusable, MakePreview, OutOfMemory, Pixels
from easel.engines.sdcpp.engine import SdCpp, Use
from easel.engines.sdcpp.model_files import ModelFiles
from easel.engines.sdcpp.process import ChildDied, ChildProcess
from tests.support import sdcpp_stand_in
from tests.support.gguf_files import write_model

SILENCE_MAX_S = 1.0
TIMES_MAX = 4


class StopError(Exception):
    """Raised by a test from within a step."""


def made(folder: Path, manner: str = "good", silence_max_s: float = 30.0, backend: str | None = None) -> SdCpp:
    command = (sys.executable, sdcpp_stand_in.__file__, manner)
    return SdCpp(ModelFiles(folder=write_model(folder)), Use(backend=backend), command, silence_max_s)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[SdCpp]:
    started = made(tmp_path)
    started.load()
    yield started
    started.close()


def drawing(prompt: str = "a heron", width_px: int = 50, height_px: int = 33) -> Drawing:
    return Drawing(prompt=prompt, width_px=width_px, height_px=height_px, seed=7)


def ignore_step(steps_done: int, steps_total: int) -> None:
    """Ignores progress."""


def why_not_drawn(engine: SdCpp, prompt: str) -> DrawingFailed:
    with pytest.raises(DrawingFailed) as failed:
        engine.draw(drawing(prompt), ignore_step)
    return failed.value


def why_not_loaded(engine: SdCpp) -> str:
    with pytest.raises(EngineUnusable) as refused:
        engine.load()
    assert engine.child_pid is None
    return str(refused.value)


def test_the_picture_is_cut_from_the_middle_of_a_canvas_of_multiples_of_16(engine: SdCpp) -> None:
    pixels = engine.draw(drawing(), ignore_step)
    assert (pixels.width_px, pixels.height_px, pixels.caption_tokens_cut) == (50, 33, len("a heron"))
    first = ((48 - 33) // 2 * 64 + (64 - 50) // 2) * 3
    assert list(pixels.rgb[:3]) == [index * 7 % 251 for index in range(first, first + 3)]


def test_steps_rise_from_one_to_eight(engine: SdCpp) -> None:
    steps: list[int] = []
    engine.draw(drawing(), lambda done, total: steps.append(done))
    assert sorted(steps) == steps
    assert [step for step in range(1, 9) if step in steps] == list(range(1, 9))


class Spectator:
    """Looks at every preview that is offered."""

    def __init__(self) -> None:
        self.seen: list[Pixels] = []

    def __call__(self, make: MakePreview) -> None:
        pixels = make()
        if pixels is not None:
            self.seen.append(pixels)


def test_a_spectator_sees_each_step_of_the_canvas_once(engine: SdCpp) -> None:
    spectator = Spectator()
    engine.draw(drawing("is watched"), ignore_step, spectator)
    assert [preview.rgb[0] for preview in spectator.seen] == list(range(1, 9))
    assert {(preview.width_px, preview.height_px) for preview in spectator.seen} == {(8, 6)}


def test_a_preview_is_offered_before_its_step_is_reported(engine: SdCpp) -> None:
    told: list[int] = []
    spectator = Spectator()
    engine.draw(drawing("is watched"), lambda done, _total: told.append(done - len(spectator.seen)), spectator)
    assert max(told) == 0


def test_the_child_makes_no_preview_unless_somebody_takes_one(engine: SdCpp, tmp_path: Path) -> None:
    offered = 0

    def ignore(_make: MakePreview) -> None:
        nonlocal offered
        offered += 1

    engine.draw(drawing(), ignore_step, ignore)
    assert offered >= 8
    assert not (tmp_path / "watched").exists()


def test_a_preview_of_another_shape_is_never_believed(engine: SdCpp) -> None:
    with pytest.raises(DrawingFailed) as failed:
        engine.draw(drawing("is watched and lies"), ignore_step, Spectator())
    assert "it sent a preview of another size than the canvas has" in str(failed.value.hint)
    assert engine.draw(drawing(), ignore_step).width_px == 50


def test_a_child_that_aborts_is_replaced_and_the_picture_is_tried_again(engine: SdCpp) -> None:
    before = engine.child_pid
    assert engine.draw(drawing("aborts once"), ignore_step).width_px == 50
    assert engine.child_pid not in {None, before}


def test_a_child_that_always_aborts_fails_this_picture_only(engine: SdCpp) -> None:
    failed = why_not_drawn(engine, "aborts")
    assert (failed.code, failed.message) == (ErrorCode.SERVICE_ERROR, "The picture could not be drawn")
    assert failed.hint == "stable-diffusion.cpp: signal 6 ended it; it said: ggml_abort: backtrace"
    assert engine.draw(drawing(), ignore_step).width_px == 50


@pytest.mark.parametrize(
    ("prompt", "hint"),
    [
        ("babbles", "it sent a frame of the unknown kind 255"),
        ("boasts", "it sent a frame PICTURE of 4294967295 bytes, and 12582928 are allowed"),
        ("hints", "it sent a frame PREVIEW of 4294967295 bytes, and 196624 are allowed"),
        ("lies", "it sent a Step with a wrong done"),
        ("enlarges", "it drew a picture of another size than ordered"),
    ],
)
def test_what_is_no_frame_is_never_believed(engine: SdCpp, prompt: str, hint: str) -> None:
    assert hint in str(why_not_drawn(engine, prompt).hint)
    assert engine.draw(drawing(), ignore_step).width_px == 50


def test_a_child_that_hangs_is_ended(tmp_path: Path) -> None:
    engine = made(tmp_path, silence_max_s=SILENCE_MAX_S)
    engine.load()
    assert "no sign of life for 1 seconds" in str(why_not_drawn(engine, "hangs").hint)
    assert engine.child_pid is None
    assert engine.draw(drawing(), ignore_step).width_px == 50
    engine.close()


def test_a_child_that_the_system_kills_had_too_little_memory(engine: SdCpp) -> None:
    with pytest.raises(OutOfMemory, match="signal 9"):
        engine.draw(drawing("is killed"), ignore_step)
    assert engine.draw(drawing(), ignore_step).width_px == 50


def test_what_the_child_says_of_a_failure_is_told(engine: SdCpp) -> None:
    child = engine.child_pid
    with pytest.raises(OutOfMemory, match="50x33 pixels: as told"):
        engine.draw(drawing("memory"), ignore_step)
    assert why_not_drawn(engine, "empty").code is ErrorCode.GENERATION_FAILED_NO_CONTENT
    assert why_not_drawn(engine, "failed").hint == "stable-diffusion.cpp: as told"
    assert engine.child_pid == child


def test_a_picture_of_one_colour_has_no_content(engine: SdCpp) -> None:
    failed = why_not_drawn(engine, "uniform")
    assert (failed.code, failed.hint) == (ErrorCode.GENERATION_FAILED_NO_CONTENT, "the model drew one colour")


@pytest.mark.parametrize(("prompt", "is_kept"), [("obeys", True), ("ignores", False)])
def test_a_cancelled_picture_ends_within_a_second(engine: SdCpp, prompt: str, is_kept: bool) -> None:
    # A busy machine is no fault, unless it is one again and again.
    assert any(ended_after_s(engine, prompt, is_kept=is_kept) < 1.0 for _ in range(TIMES_MAX))


def ended_after_s(engine: SdCpp, prompt: str, *, is_kept: bool) -> float:
    """How long a picture goes on that is cancelled after two steps. Its child may survive that."""
    child = engine.child_pid
    cancelled_at_s = 0.0

    def cancel(steps_done: int, steps_total: int) -> None:
        nonlocal cancelled_at_s
        if steps_done == 2:
            cancelled_at_s = time.monotonic()
            raise StopError

    with pytest.raises(StopError):
        engine.draw(drawing(prompt), cancel)
    ended_at_s = time.monotonic()
    assert (engine.child_pid == child) is is_kept
    assert engine.draw(drawing(), ignore_step).width_px == 50
    return ended_at_s - cancelled_at_s


def test_a_draw_can_be_cancelled_before_its_first_step(engine: SdCpp) -> None:
    asked = 0

    def cancel(steps_done: int, steps_total: int) -> None:
        nonlocal asked
        asked += 1
        if asked == 3:
            raise StopError

    began_s = time.monotonic()
    with pytest.raises(StopError):
        engine.draw(drawing("hangs"), cancel)
    assert time.monotonic() - began_s < 30


@pytest.mark.parametrize(
    ("backend", "words"),
    [
        ("aborts", "(signal 6 ended it; it said: GGML_ASSERT(n_embd == 2560) failed)"),
        ("refuses", "(model metadata validation failed)"),
        ("full", "There is too little memory for the model"),
        ("hangs", "(it showed no sign of life for 1 seconds)"),
    ],
)
def test_a_child_that_cannot_load_makes_the_engine_unusable(tmp_path: Path, backend: str, words: str) -> None:
    assert words in why_not_loaded(made(tmp_path, backend=backend, silence_max_s=SILENCE_MAX_S))


def test_last_words_are_short(tmp_path: Path) -> None:
    said = why_not_loaded(made(tmp_path, backend="chatters"))
    assert "it ended with status 3; it said: " in said
    assert "the last words" in said
    assert len(said) < 2_500


@pytest.mark.parametrize(
    ("manner", "words"),
    [
        ("missing", "No module named 'cyllama'"),
        ("gone", "it ended with status 0"),
        ("twice", "cyllama and cyllama-vulkan are installed, and overwrite each other's files"),
        ("new", "and cyllama 0.9.1 is installed"),
    ],
)
def test_a_library_that_will_not_do_makes_the_engine_unusable(tmp_path: Path, manner: str, words: str) -> None:
    assert words in why_not_loaded(made(tmp_path, manner))


def test_a_python_that_does_not_exist_is_named(tmp_path: Path) -> None:
    engine = SdCpp(ModelFiles(folder=write_model(tmp_path)), Use(), ("/nowhere/python",), SILENCE_MAX_S)
    assert "/nowhere/python cannot be started (No such file or directory)" in why_not_loaded(engine)


def test_a_replacement_that_cannot_load_fails_the_picture(tmp_path: Path) -> None:
    engine = made(tmp_path, backend="aborts-later")
    engine.load()
    assert "signal 6 ended it" in str(why_not_drawn(engine, "aborts").hint)
    assert engine.child_pid is None


def test_a_draw_can_be_cancelled_while_its_child_loads(tmp_path: Path) -> None:
    engine = made(tmp_path, backend="hangs-later")
    engine.load()
    engine.close()
    asked = 0

    def cancel(steps_done: int, steps_total: int) -> None:
        nonlocal asked
        asked += 1
        if asked == 3:
            raise StopError

    with pytest.raises(StopError):
        engine.draw(drawing(), cancel)
    assert engine.child_pid is None


def test_a_child_that_is_killed_between_two_draws_is_replaced(engine: SdCpp) -> None:
    child = engine.child_pid
    assert child is not None
    os.kill(child, signal.SIGKILL)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    assert engine.draw(drawing(), ignore_step).width_px == 50
    assert engine.child_pid != child


def test_a_probe_ends_a_child_that_is_gone(engine: SdCpp) -> None:
    engine.probe()
    child = engine.child_pid
    assert child is not None
    os.kill(child, signal.SIGKILL)
    engine.probe()
    assert engine.child_pid is None
    engine.probe()
    assert engine.draw(drawing(), ignore_step).width_px == 50


@pytest.mark.parametrize(
    "name", ["EASEL_SECRET", "PGPASSWORD", "AWS_SECRET_ACCESS_KEY", "OTEL_EXPORTER_OTLP_HEADERS", "HF_TOKEN"]
)
def test_a_child_knows_no_settings_and_no_credentials(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "not-for-children")
    child = ChildProcess((sys.executable, "-c", f"import os, sys; sys.exit('{name}' in os.environ)"))
    with pytest.raises(ChildDied, match="status 0"):
        child.receive(10.0)
