"""The reported figures: each with its target, the values of Easel and the baseline, and their ratio."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from bench.costs import Costs
from bench.findings import Findings
from bench.judging import Judging
from bench.load.plans import CallbacksFound, DelayFound, ReadsFound, SlowFound, Spread, StreamsFound, TasksFound
from bench.sketch import SketchFound

SLOWED_AIM: Final = 1.1
_Value = Callable[[Findings], float | None]
_Part = TypeVar("_Part")


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure with its values. Aims are for a machine of 2 cores."""

    title: str
    unit: str
    aim: float | None
    is_more_better: bool
    easel: float | None
    baseline: float | None
    is_of_the_service: bool = True

    @property
    def ratio(self) -> float | None:
        """How many times better Easel is than the baseline. Below 1, the baseline is better."""
        if not self.easel or not self.baseline or not self.is_of_the_service:
            return None
        return self.easel / self.baseline if self.is_more_better else self.baseline / self.easel

    @property
    def is_met(self) -> bool | None:
        """Whether Easel meets the aim; None where there is no aim or no value."""
        if self.aim is None or self.easel is None:
            return None
        return self.easel >= self.aim if self.is_more_better else self.easel <= self.aim


def compare(
    easel: Findings, baseline: Findings | None, draw_ms: float, judging: Judging, sketch: SketchFound
) -> list[Figure]:
    """All figures in the order of the report. `draw_ms` is the time of the drawing itself."""

    def more(title: str, value: _Value, aim: float | None = None, *, of_the_service: bool = True) -> Figure:
        return Figure(
            title, "/s", aim, True, value(easel), None if baseline is None else value(baseline), of_the_service
        )

    def less(title: str, unit: str, value: _Value, aim: float | None = None) -> Figure:
        return Figure(title, unit, aim, False, value(easel), None if baseline is None else value(baseline))

    return [
        more("Tasks completed, 32 accounts", _of(lambda found: found.tasks_of_many, _rate), 150),
        more("Tasks completed, one account", _of(lambda found: found.tasks_of_one, _rate), 150),
        less("Processor time of a task, all processes", "ms", _of(_costs, lambda costs: costs.all_cpu_ms), 6.5),
        less("Transactions of a task", "", _of(_costs, lambda costs: costs.transactions), 5),
        less("WAL of a task", "KB", _of(_costs, lambda costs: costs.wal_kb), 4),
        more("Flushes to the same disk, one by one", lambda found: found.flushes_per_s, of_the_service=False),
        less("Time added to a task, p50", "ms", _of(_delay, lambda delay: delay.delay.p50_ms - draw_ms), 25),
        less("Time added to a task, p99", "ms", _of(_delay, lambda delay: delay.delay.p99_ms - draw_ms), 80),
        more("Reads of a task, 32 connections", _of(_reads, lambda reads: reads.reads / reads.seconds), 4000),
        less("Time of such a read, p99", "ms", _of(_reads, lambda reads: reads.reading.p99_ms)),
        Figure(
            "Event streams open at once", "", 1000, True, _of(_streams, lambda streams: streams.opened)(easel), None
        ),
        less("Delay of an event meanwhile, p50", "ms", _of(_streams, lambda streams: streams.delay.p50_ms)),
        less("Delay of an event meanwhile, p99", "ms", _of(_streams, lambda streams: streams.delay.p99_ms)),
        more("Callbacks delivered, as their tasks end", _of(lambda found: found.callbacks, _callback_rate)),
        less("Delay of a callback meanwhile, p50", "ms", _of(_callback_delay, lambda delay: delay.p50_ms)),
        less("Delay of a callback meanwhile, p99", "ms", _of(_callback_delay, lambda delay: delay.p99_ms)),
        more("Callbacks delivered, each connection closed", _of(lambda found: found.callbacks_closing, _callback_rate)),
        more("Callbacks delivered, when all wait", _of(lambda found: found.callbacks_held, _callback_rate)),
        less("Time of a read, p99, one connection alone", "ms", _of(_slow, lambda slow: slow.alone.p99_ms)),
        less("Time of a read, p99, beside slow connections", "ms", _of(_slow, lambda slow: slow.beside.p99_ms)),
        less("How many times as long that is", "×", _of(_slow, _slowed), SLOWED_AIM),
        Figure("Judging a prompt of 200 characters", "ms", 1, False, judging.short_ms, None),
        Figure("Judging a prompt of 2,000 characters", "ms", 5, False, judging.long_ms, None),
        Figure(f"Judging 2,000 hostile characters ({judging.hostile})", "ms", 5, False, judging.hostile_ms, None),
        *_of_sketch(sketch),
        less("Start to first accepted order, fresh folder", "s", lambda found: found.start_fresh_s, 3),
        less("Start to first accepted order, existing folder", "s", lambda found: found.start_again_s, 3),
        less("Memory of the web process after the load", "MB", lambda found: found.web_mb, 100),
    ]


def _of_sketch(found: SketchFound) -> list[Figure]:
    drawing = found.drawing
    times = (
        ("from order to encoded picture, 512x512", 100, drawing.side_512_s),
        ("the same, 1024x1024", 200, drawing.side_1024_s),
        ("the same, 1536x1536", 500, drawing.side_1536_s),
        ("loading", 100, drawing.load_s),
    )
    return [
        *(Figure(f"Easel Sketch: {what}", "ms", aim_ms, False, time_s * 1000, None) for what, aim_ms, time_s in times),
        Figure("Easel Sketch: memory of a worker after drawing", "MB", 120, False, found.worker_mb, None),
        Figure("Easel Sketch: the most meanwhile", "MB", None, False, found.worker_most_mb, None),
    ]


def _of(part: Callable[[Findings], _Part | None], value: Callable[[_Part], float]) -> _Value:
    """A value of a part of the findings; None where that was not measured."""

    def of(found: Findings) -> float | None:
        measured = part(found)
        return None if measured is None else value(measured)

    return of


def _rate(tasks: TasksFound) -> float:
    return tasks.completed / tasks.seconds


def _delay(found: Findings) -> DelayFound | None:
    return found.delay


def _costs(found: Findings) -> Costs | None:
    return found.costs


def _reads(found: Findings) -> ReadsFound | None:
    return found.reads


def _streams(found: Findings) -> StreamsFound | None:
    return found.streams


def _callback_rate(callbacks: CallbacksFound) -> float:
    return callbacks.delivered / callbacks.seconds


def _callback_delay(found: Findings) -> Spread | None:
    return found.callback_delay


def _slow(found: Findings) -> SlowFound | None:
    return found.slow


def _slowed(slow: SlowFound) -> float:
    return slow.beside.p99_ms / slow.alone.p99_ms
