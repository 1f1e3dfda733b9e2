"""What an engine's failures tell: its device is lost, it fails at everything, or only one drawing was at fault."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from easel.domain.task import ErrorCode
from easel.engines.blank.engine import Blank
from easel.engines.engine import Drawing, DrawingFailed, OnStep, OutOfMemory, Pixels
from easel.live import engine_runner
from easel.live.circuit_breaker import FAILURES_MAX
from easel.live.draw_progress import DrawProgress, Stopped
from easel.live.engine_runner import TRIAL, DeviceLost, EngineRunner
from tests.support.patience import eventually

SMALL = Drawing("a heron", 64, 64, 1)
LARGE = Drawing("a heron", 128, 128, 1)


class Moody(Blank):
    """Raises what its prompt or its mood says. `probed` counts the probes."""

    def __init__(self) -> None:
        super().__init__()
        self.error: Exception | None = None
        self.lost_because: Exception | None = None
        self.probed = 0
        self.drawn: list[Drawing] = []

    def draw(self, drawing: Drawing, on_step: OnStep) -> Pixels:
        self.drawn.append(drawing)
        if self.error is not None:
            raise self.error
        return super().draw(drawing, on_step)

    def probe(self) -> None:
        self.probed += 1
        if self.lost_because is not None:
            raise self.lost_because


class Bench:
    """A runner with its engine."""

    def __init__(self) -> None:
        self.engine = Moody()
        self.hung = 0
        self.runner = EngineRunner(self.engine, step_timeout_s=0.05, on_hung=self.end)

    def reason(self) -> str | None:
        """Why the engine is paused."""
        return self.runner.breaker.reason

    def end(self) -> None:
        self.hung += 1

    async def draw(self, drawing: Drawing = SMALL) -> None:
        await self.runner.draw(drawing, DrawProgress(asyncio.get_running_loop(), lambda: None))

    async def fail(self, error: Exception, drawing: Drawing = SMALL, times: int = FAILURES_MAX) -> str | None:
        """Why the engine is paused after it has failed so often."""
        self.engine.error = error
        for _ in range(times):
            with pytest.raises(type(error)):
                await self.draw(drawing)
        self.engine.error = None
        return self.reason()


def on_bench(act: Callable[[Bench], Coroutine[Any, Any, None]]) -> None:
    async def play() -> None:
        await act(Bench())

    asyncio.run(play())


def test_an_unexplained_error_probes_the_device_and_a_device_that_answers_is_kept() -> None:
    async def act(bench: Bench) -> None:
        await bench.fail(RuntimeError("a bug"), times=1)
        assert bench.engine.probed == 1
        await bench.draw()

    on_bench(act)


def test_a_device_that_does_not_answer_after_an_error_is_lost() -> None:
    async def act(bench: Bench) -> None:
        bench.engine.error = bench.engine.lost_because = RuntimeError("CUDA error: an illegal memory access")
        with pytest.raises(DeviceLost, match="illegal memory access"):
            await bench.draw()
        assert bench.reason() is None

    on_bench(act)


def test_a_device_whose_probe_hangs_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    async def act(bench: Bench) -> None:
        monkeypatch.setattr(engine_runner, "PROBE_TIMEOUT_S", 0.05)
        monkeypatch.setattr(bench.engine, "probe", lambda: time.sleep(0.5))
        bench.engine.error = RuntimeError("a bug")
        with pytest.raises(DeviceLost):
            await bench.draw()

    on_bench(act)


@pytest.mark.parametrize(
    "error",
    [OutOfMemory(), Stopped(is_ended=True), DrawingFailed(ErrorCode.SERVICE_UNAVAILABLE, "no")],
    ids=["memory", "stopped", "explained"],
)
def test_an_explained_failure_does_not_probe_the_device(error: Exception) -> None:
    async def act(bench: Bench) -> None:
        bench.engine.lost_because = RuntimeError("never asked")
        await bench.fail(error, times=1)
        assert bench.engine.probed == 0

    on_bench(act)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RuntimeError("no film\nin the camera"), "RuntimeError: no film"),
        (KeyError(), "KeyError"),
        (DrawingFailed(ErrorCode.SERVICE_ERROR, "It failed", "look there"), "It failed (look there)"),
        (DrawingFailed(ErrorCode.GENERATION_FAILED_NO_CONTENT, "Nothing in it"), "Nothing in it"),
        (Stopped(is_ended=False), "a picture took too long to draw"),
    ],
)
def test_failures_of_the_service_pause_the_engine_and_the_reason_is_one_line(error: Exception, reason: str) -> None:
    on_bench(lambda bench: _pauses(bench, error, reason))


@pytest.mark.parametrize(
    "error",
    [
        DrawingFailed(ErrorCode.CONTENT_POLICY_VIOLATION, "no"),
        DrawingFailed(ErrorCode.INVALID_PARAMETERS, "no"),
        Stopped(is_ended=True),
        OutOfMemory(),
    ],
)
def test_refusals_cancellations_and_pictures_that_are_too_large_do_not_pause_it(error: Exception) -> None:
    on_bench(lambda bench: _pauses(bench, error, None))


async def _pauses(bench: Bench, error: Exception, reason: str | None) -> None:
    assert await bench.fail(error) == reason


def test_too_little_memory_for_a_size_that_was_drawn_before_pauses_it() -> None:
    async def act(bench: Bench) -> None:
        await bench.draw(SMALL)
        assert await bench.fail(OutOfMemory(), LARGE) is None
        assert "too little memory" in str(await bench.fail(OutOfMemory(), SMALL))

    on_bench(act)


def test_a_trial_decides_whether_a_paused_engine_is_used_again() -> None:
    async def act(bench: Bench) -> None:
        assert await bench.fail(RuntimeError("broken")) is not None
        bench.engine.error = RuntimeError("still broken")
        await bench.runner.try_out()
        assert bench.reason() == "RuntimeError: still broken"
        bench.engine.error = None
        await bench.runner.try_out()
        assert bench.reason() is None
        assert bench.engine.drawn[-2:] == [TRIAL, TRIAL]

    on_bench(act)


def test_a_trial_that_is_refused_shows_that_the_engine_works_and_one_without_memory_does_not() -> None:
    async def act(bench: Bench) -> None:
        await bench.fail(RuntimeError("broken"))
        bench.engine.error = OutOfMemory()
        await bench.runner.try_out()
        assert bench.reason() is not None
        bench.engine.error = DrawingFailed(ErrorCode.CONTENT_POLICY_VIOLATION, "no apples")
        await bench.runner.try_out()
        assert bench.reason() is None

    on_bench(act)


def test_a_trial_that_hangs_ends_the_process_and_one_that_is_stopped_decides_nothing() -> None:
    async def act(bench: Bench) -> None:
        await bench.fail(RuntimeError("broken"))
        bench.engine._step_s = 0.5
        trial = asyncio.create_task(bench.runner.try_out())
        await asyncio.to_thread(eventually, lambda: bench.hung)
        bench.runner.stop_trial()
        await trial
        assert bench.hung >= 1
        assert bench.reason() is not None

    on_bench(act)


def test_a_trial_that_loses_the_device_says_so() -> None:
    async def act(bench: Bench) -> None:
        bench.engine.error = bench.engine.lost_because = RuntimeError("gone")
        with pytest.raises(DeviceLost):
            await bench.runner.try_out()

    on_bench(act)
