"""Runs a worker's engine in its threads, and judges from its failures whether the worker may go on.

After an error that the engine does not explain, the device is probed: an error of a GPU may leave it useless to this
process, and then every later drawing would fail as well. Failures of the service are counted (`circuit_breaker`). A
drawing that was refused, and one that is too large for the device, show nothing about the engine.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import structlog

from easel.domain.task import ErrorCode
from easel.engines.engine import Drawing, DrawingFailed, Engine, OutOfMemory, Pixels, PreviewingEngine
from easel.live.circuit_breaker import FAILURES_MAX, CircuitBreaker
from easel.live.draw_progress import DrawProgress, Stopped

log = structlog.get_logger(__name__)

PROBE_TIMEOUT_S: Final = 30.0
REASON_CHARACTERS_MAX: Final = 200
TRIAL: Final = Drawing("a red apple on a table", 512, 512, 1)
"""What an engine draws to show that it works again."""
_REFUSALS: Final = frozenset({ErrorCode.CONTENT_POLICY_VIOLATION, ErrorCode.INVALID_PARAMETERS})


class DeviceLost(Exception):
    """The device does not answer this process any more. A new process may be able to use it."""


class EngineRunner:
    """The engine of one worker. `on_hung` ends the process: it is called when a trial's step takes longer than
    `step_timeout_s`."""

    def __init__(
        self,
        engine: Engine,
        step_timeout_s: float,
        on_hung: Callable[[], None],
        failures_max: int = FAILURES_MAX,
    ) -> None:
        self.engine = engine
        self._previewing = engine if isinstance(engine, PreviewingEngine) else None  # asking takes 50 us
        self.breaker = CircuitBreaker(failures_max)
        self._step_timeout_s = step_timeout_s
        self._on_hung = on_hung
        self._threads = ThreadPoolExecutor(max_workers=engine.draws_at_once, thread_name_prefix="draw")
        self._drawn_px_max = 0
        self._trial: DrawProgress | None = None

    async def load(self) -> None:
        """Load the engine. Raises EngineUnusable."""
        await asyncio.get_running_loop().run_in_executor(self._threads, self.engine.load)

    async def draw(self, drawing: Drawing, progress: DrawProgress) -> tuple[Pixels, int]:
        """The picture, and how many milliseconds it took. Raises what the engine raises, Stopped, and DeviceLost."""
        try:
            drawn = await self._run(drawing, progress)
        except Exception as error:
            reason = self._failure(error, drawing)
            if reason is not None and self.breaker.failed(reason):
                log.error("engine_paused", engine=self.engine.name, reason=reason, pause_s=self.breaker.pause_s)
            raise
        self.breaker.succeeded()
        self._drawn_px_max = max(self._drawn_px_max, drawing.width_px * drawing.height_px)
        return drawn

    async def try_out(self) -> None:
        """Draw a picture for nobody, to see whether the engine works again. Raises DeviceLost."""
        self._trial = DrawProgress(asyncio.get_running_loop(), lambda: None)
        try:
            await self._while_alive(self._run(TRIAL, self._trial), self._trial)
        except DeviceLost:
            raise
        except Stopped:
            return
        except Exception as error:  # noqa: BLE001 - any failure is the result of the trial
            if not _is_refusal(error):
                self.breaker.trial_failed(_words(error))
                log.error(
                    "engine_trial_failed",
                    engine=self.engine.name,
                    reason=self.breaker.reason,
                    pause_s=self.breaker.pause_s,
                )
                return
        finally:
            self._trial = None
        self.breaker.trial_passed()
        log.info("engine_resumed", engine=self.engine.name)

    def stop_trial(self) -> None:
        """Stop a trial at its next step."""
        if self._trial is not None:
            self._trial.stop(is_ended=True)

    async def _run(self, drawing: Drawing, progress: DrawProgress) -> tuple[Pixels, int]:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._drawn, drawing, progress)
        except (Stopped, OutOfMemory, DrawingFailed):
            raise
        except Exception as error:
            if not await self._device_answers():
                raise DeviceLost(_words(error)) from error
            raise

    def _drawn(self, drawing: Drawing, progress: DrawProgress) -> tuple[Pixels, int]:
        started_s = time.monotonic()
        if self._previewing is not None and progress.previews is not None:
            pixels = self._previewing.draw(drawing, progress.on_step, progress.previews.offer)
        else:
            pixels = self.engine.draw(drawing, progress.on_step)
        return pixels, round((time.monotonic() - started_s) * 1000)

    async def _device_answers(self) -> bool:
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                await asyncio.to_thread(self.engine.probe)
        except Exception as error:  # noqa: BLE001 - whatever a driver raises, the device is of no use
            log.critical("device_lost", engine=self.engine.name, reason=_words(error))
            return False
        return True

    def _failure(self, error: Exception, drawing: Drawing) -> str | None:
        """What this failure says about the engine. None if it says nothing."""
        match error:
            case DeviceLost():
                return None
            case Stopped():
                return None if error.is_ended else "a picture took too long to draw"
            case OutOfMemory():
                # Somebody else may be using the device's memory.
                was_drawn = drawing.width_px * drawing.height_px <= self._drawn_px_max
                return "too little memory for a size that was drawn before" if was_drawn else None
        return None if _is_refusal(error) else _words(error)

    async def _while_alive(self, drawing: Coroutine[Any, Any, object], progress: DrawProgress) -> None:
        """Wait for the drawing, and end the process if it shows no sign of life for too long."""
        drawn = asyncio.ensure_future(drawing)
        while not drawn.done():
            alive = asyncio.create_task(progress.sign_of_life())
            await asyncio.wait({drawn, alive}, timeout=self._step_timeout_s, return_when=asyncio.FIRST_COMPLETED)
            if not drawn.done() and not alive.done():
                log.critical("trial_hung", step_timeout_s=self._step_timeout_s)
                self._on_hung()
            alive.cancel()
        drawn.result()


def _is_refusal(error: Exception) -> bool:
    return isinstance(error, DrawingFailed) and error.code in _REFUSALS


def _words(error: Exception) -> str:
    """The error in one line, for the operator."""
    if isinstance(error, DrawingFailed):
        words = error.message if error.hint is None else f"{error.message} ({error.hint})"
        return words[:REASON_CHARACTERS_MAX]
    first = next(iter(str(error).splitlines()), "")
    return f"{type(error).__name__}: {first}"[:REASON_CHARACTERS_MAX].removesuffix(": ")
