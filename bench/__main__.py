"""`make bench`, or `python -m bench`: measures, prints a table, and stops everything that it started.

It works in temporary folders, below `--folder` if given, and removes them.
"""

import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click
from rich.console import Console

from bench import drawing, figures, judging, machine, sketch
from bench.baseline.stack import CONCURRENCY, WITHOUT_REDIS, Baseline
from bench.contender import Contender, Unstartable, data_folder
from bench.easel_serve import EaselServe
from bench.findings import Findings
from bench.measurements import FULL, QUICK, Measuring, Sizes
from bench.receiver import CallbackReceiver
from bench.report import Report
from bench.starts import NeverAccepted

SLOW_STEP_S: Final = "60"
OPEN_FILES: Final = 4096
"""For every measured process, because many systems allow fewer files than a thousand slow connections need."""
TABLE_COLUMNS: Final = 132


@click.command()
@click.option("--quick", is_flag=True, help="Measure less: two or three minutes instead of nine, and less precisely.")
@click.option("--without-baseline", is_flag=True, help="Measure only Easel.")
@click.option(
    "--folder", type=click.Path(path_type=Path, exists=True), help="Folder in which the data folders are created."
)
@click.option(
    "--markdown",
    type=click.Path(path_type=Path),
    help="Also write the tables to this file, and all results as JSON next to it.",
)
def main(folder: Path | None, markdown: Path | None, *, quick: bool, without_baseline: bool) -> None:
    """Measure Easel, and a plain FastAPI, Celery and Redis service for comparison."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        measure(folder, markdown, QUICK if quick else FULL, without_baseline=without_baseline)
    except (Unstartable, NeverAccepted) as error:
        raise click.ClickException(str(error)) from None


def measure(folder: Path | None, markdown: Path | None, sizes: Sizes, *, without_baseline: bool) -> None:
    """Measure both and report. Raises Unstartable, NeverAccepted."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(OPEN_FILES, hard)), hard))
    described = machine.describe()
    console = Console()
    console = Console(width=max(console.width, TABLE_COLUMNS))
    draw_ms = drawing.draw_ms()
    judged = judging.measure()
    with data_folder(folder) as sketch_folder:
        sketched = sketch.measure(sketch_folder)
    easel = measure_easel(folder, sizes, console)
    has_baseline = not without_baseline and Baseline.is_possible()
    baseline = measure_baseline(folder, sizes, console) if has_baseline else None
    notes = [*easel_notes(easel, draw_ms), *([] if baseline is None else baseline_notes(baseline))]
    if not without_baseline and not has_baseline:
        notes.append(WITHOUT_REDIS)
    report = Report(
        machine=described,
        figures=figures.compare(easel, baseline, draw_ms, judged, sketched),
        findings=[easel] if baseline is None else [easel, baseline],
        notes=notes,
    )
    report.print(console)
    if markdown is not None:
        report.write(markdown)


def measure_easel(parent: Path | None, sizes: Sizes, console: Console) -> Findings:
    """All measurements of Easel, which is stopped afterwards."""
    with data_folder(parent) as folder:
        slow_service = EaselServe(folder, EASEL_BLANK_STEP_S=SLOW_STEP_S)
        receiver = CallbackReceiver(folder)
        with _stopped_afterwards(receiver):
            service = EaselServe(folder, **receiver.settings())
            measuring = Measuring(service, folder, sizes, console.print)
            with _stopped_afterwards(service):
                measuring.everything()
                measuring.costs(service)
                measuring.callbacks(service, receiver)
        with _stopped_afterwards(slow_service):
            measuring.streams(slow_service)
        return measuring.findings


def measure_baseline(parent: Path | None, sizes: Sizes, console: Console) -> Findings:
    """All measurements of the baseline, which is stopped afterwards."""
    with data_folder(parent) as folder:
        service = Baseline(folder)
        measuring = Measuring(service, folder, sizes, console.print)
        with _stopped_afterwards(service):
            measuring.everything()
        return measuring.findings


def easel_notes(found: Findings, draw_ms: float) -> list[str]:
    """Notes on the numbers of Easel."""
    notes = [f"Drawing itself takes {draw_ms:.2f} ms and is taken off the time added to a task."]
    if found.delay is not None:
        notes.append(f"{found.delay.answered} of {found.delay.tasks} completions came as the answer to the POST.")
    for name, tasks in (("32 accounts", found.tasks_of_many), ("one account", found.tasks_of_one)):
        if tasks is not None:
            notes.append(
                f"{name}: {tasks.completed} tasks in {tasks.seconds:.1f} s, all accepted after "
                f"{tasks.accepted_in_s:.1f} s (POST p50 {tasks.accepting.p50_ms:.0f} ms, "
                f"p99 {tasks.accepting.p99_ms:.0f} ms); {tasks.refused} refused, {tasks.missing} not completed."
            )
    if found.streams is not None:
        notes.append(
            f"Event streams: opened in {found.streams.opened_in_s:.1f} s; the cancellations that made the events were "
            f"answered in {found.streams.answering.p50_ms:.0f} ms (p50); {found.streams.lost} events lost; "
            f"{found.streams.pushed_bytes / 1e6:.1f} MB pushed."
        )
    return [
        *notes,
        *([] if found.costs is None else found.costs.lines()),
        *callback_notes(found),
        *slow_connection_notes(found),
        *(f"Easel, {remark}." for remark in found.remarks),
    ]


def callback_notes(found: Findings) -> list[str]:
    """Notes on the numbers of callbacks."""
    return [
        f"Callbacks {how}: {callbacks.delivered} of {callbacks.wanted} in {callbacks.seconds:.2f} s, "
        f"{callbacks.refused} orders refused."
        for how, callbacks in (
            ("as their tasks end", found.callbacks),
            ("over connections that are closed each time", found.callbacks_closing),
            ("that wait", found.callbacks_held),
        )
        if callbacks is not None
    ]


def slow_connection_notes(found: Findings) -> list[str]:
    """Notes on the numbers of slow connections."""
    slow = found.slow
    if slow is None:
        return []
    sentence = (
        f"{found.name}, slow connections: {slow.sockets} wanted, {slow.open_at_least} open at least, {slow.opened:,} "
        f"opened; {slow.reads:,} reads, p50 {slow.alone.p50_ms:.2f} ms alone and {slow.beside.p50_ms:.2f} ms beside them."
    )
    return [sentence]


def baseline_notes(found: Findings) -> list[str]:
    """Notes on the numbers of the baseline."""
    what = (
        f"Baseline: FastAPI on one uvicorn process (uvloop, no access log), Celery prefork with {CONCURRENCY} "
        "processes, Redis with appendonly yes and appendfsync everysec. It knows one key and no accounts, and has no "
        "ledger: an accepted task may be lost."
    )
    notes = [what]
    tasks = found.tasks_of_many
    if tasks is not None:
        notes.append(
            f"Baseline: {tasks.completed} tasks in {tasks.seconds:.1f} s, all accepted after "
            f"{tasks.accepted_in_s:.1f} s; {tasks.refused} refused, {tasks.missing} not completed."
        )
    return [*notes, *slow_connection_notes(found), *(f"Baseline, {remark}." for remark in found.remarks)]


@contextmanager
def _stopped_afterwards(service: Contender | CallbackReceiver) -> Iterator[None]:
    try:
        yield
    finally:
        service.stop()


if __name__ == "__main__":
    main()
