"""Shows on standard error how drawing goes: a line for each picture with its place in line, then its steps.

The line of a picture among several disappears from a terminal when it is done. Without a terminal, only the end of a
single picture is shown.
"""

import contextlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from easel.client.answers import Task
from easel.commands.terminal.visible_text import visible

PROMPT_CHARACTERS_MAX: Final = 24
_WORDS: Final = {"pending": "queued", "processing": "drawing", "completed": "done", "failed": "failed"}


class DrawDisplay:
    """The lines of several pictures. `has_begun` is set once there has been one."""

    has_begun = False

    def __init__(self, progress: Progress, *, is_single: bool) -> None:
        self._progress = progress
        self._is_single = is_single
        self._lines: dict[str, TaskID] = {}

    def show(self, name: str, prompt: str, task: Task) -> None:
        """Show the state of a picture's task. `name` stands for the picture."""
        if not self._is_single and not self._progress.console.is_terminal:
            return
        self.has_begun = True
        with _despite_lost_terminal():
            self._progress.start()
            if name not in self._lines:
                label = "" if self._is_single else f"{shortened(prompt, PROMPT_CHARACTERS_MAX)}  "
                self._lines[name] = self._progress.add_task("", total=100, label=label)
            self._progress.update(self._lines[name], completed=task.progress, description=state_words(task))

    def end(self, name: str) -> None:
        """Remove the line of a picture, unless it is the only one."""
        if name in self._lines and not self._is_single:
            with _despite_lost_terminal():
                self._progress.remove_task(self._lines.pop(name))

    def say(self, text: str) -> None:
        """Print a line on standard output: below the line of a single picture, or else above the others."""
        if self._is_single and self.has_begun:
            with _despite_lost_terminal():
                self._progress.stop()
        if self._progress.console.is_terminal and sys.stdout.isatty():
            self._progress.console.print(text, soft_wrap=True, markup=False, highlight=False)
        else:
            click.echo(text)


@contextmanager
def draw_display(*, is_single: bool) -> Iterator[DrawDisplay]:
    """A display for the block."""
    console = Console(stderr=True)
    progress = Progress(
        TextColumn("{task.fields[label]}{task.description:<14}", markup=False),
        BarColumn(bar_width=40 if is_single else 20),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        console=console,
        redirect_stdout=False,
        disable=not is_single and not console.is_terminal,
    )
    display = DrawDisplay(progress, is_single=is_single)
    try:
        yield display
    finally:
        with _despite_lost_terminal():
            if display.has_begun:
                progress.stop()


def _despite_lost_terminal() -> contextlib.suppress:
    """Ignore errors of a terminal that was closed: its signal ends the command, or `nohup` lets it go on."""
    return contextlib.suppress(OSError)


def state_words(task: Task) -> str:
    """The state of a task in two or three words."""
    if task.place_in_line is not None:
        return f"no. {visible(task.place_in_line)} in line"
    if task.steps_total:
        return f"step {visible(task.steps_done)} of {visible(task.steps_total)}"
    return "cancelled" if task.was_cancelled else _WORDS[task.status]


def shortened(text: str, characters_max: int) -> str:
    """The text on one line, cut between words if it is long."""
    words = visible(" ".join(text.split()))
    if len(words) <= characters_max:
        return words
    return f"{words[: characters_max - 1].rpartition(' ')[0] or words[: characters_max - 1]}…"
