"""`easel generate`: draws pictures through the API and writes them to files.

If the command is interrupted or its time is up, it cancels the tasks, so that nothing is charged. A second interruption
ends it immediately, and the tasks continue.
"""

import contextlib
import sys
from pathlib import Path
from typing import Final

import click
import msgspec

from easel.client.failures import ClientError
from easel.client.orders import OrderFields
from easel.commands.terminal.client_session import sentence, service, service_options
from easel.commands.terminal.draw_display import DrawDisplay, draw_display
from easel.commands.terminal.drawing import Job, draw_all
from easel.commands.terminal.option_types import Seconds
from easel.commands.terminal.options import json_option
from easel.commands.terminal.picture_names import SUFFIX_BY_FORMAT, Destination, PictureFolder, check, destination
from easel.commands.terminal.prompts import PICTURES_MAX, read_prompts
from easel.commands.terminal.visible_text import visible
from easel.domain.order import MODELS, SEED_MAX
from easel.runtime import standard_streams

COUNT_MAX: Final = 100
OPENED_MAX: Final = 16


@click.command()
@click.argument("prompts", metavar="PROMPT…", nargs=-1)
@click.option(
    "--prompts", "prompt_file", metavar="FILE", help="Draw each line of this file, too. - reads standard input."
)
@click.option("-n", "--count", type=click.IntRange(1, COUNT_MAX), default=1, show_default=True,
              help="Pictures to draw of each prompt. With --seed, each has the next seed.")  # fmt: skip
@click.option("-o", "--output", metavar="FILE",
              help="File or folder to write to, or - for standard output. The extension sets the format: .webp, .png or "
                   ".jpg.  [default: a name made from the prompt, with a number if it exists]")  # fmt: skip
@click.option("--format", "format_", type=click.Choice(list(SUFFIX_BY_FORMAT)), help="Format of the pictures.")
@click.option("--force", is_flag=True, help="Replace files that exist.")
@click.option("--size", help="Aspect ratio, such as 1:1 or 16:9, or WIDTHxHEIGHT with 376 to 1536 pixels per side.")
@click.option("--seed", type=int, help="From 1 to 2147483647. The same seed draws the same picture.")
@click.option("--model", default=MODELS[0], show_default=True, help="Model to draw with.")
@service_options
@click.option("--timeout", "timeout_s", type=Seconds(1, 86_400), default=3600, show_default=True,
              help="Seconds to wait for a picture, from 1 to 86400. Then its task is cancelled.")  # fmt: skip
@click.option("--open", "opens", is_flag=True, help="Open the pictures with the system's viewer.")
@json_option
def generate(
    prompts: tuple[str, ...],
    prompt_file: str | None,
    count: int,
    output: str | None,
    format_: str | None,
    force: bool,
    size: str | None,
    seed: int | None,
    model: str,
    url: str | None,
    api_key: str | None,
    timeout_s: float,
    opens: bool,
    *,
    as_json: bool,
) -> None:
    """Draw a picture of each PROMPT and write it to a file.

    Put each prompt in quotes. Ctrl-C cancels what is not drawn yet, and nothing is charged for it.
    """
    to = destination(output, format_)
    texts = read_prompts(prompts, prompt_file)
    check_counts(to, len(texts) * count, opens=opens)
    if not to.is_stdout:
        check(to, texts[0], force=force)
    fields = OrderFields(model=model, output_format=to.format, size=size, seed=seed)
    jobs = [Job(text, _with_seed(fields, number), timeout_s) for text in texts for number in range(count)]
    called = service(url, api_key)
    report = _Report(to, PictureFolder(to, force=force), opens=opens, as_json=as_json)
    with draw_display(is_single=len(jobs) == 1) as display:
        report.display = display
        try:
            status = draw_all(jobs, called, display, report.picture)
        except ClientError as error:
            raise click.ClickException(f"{sentence(error)}.") from None
    report.failures(jobs)
    if status or any(job.error for job in jobs):
        sys.exit(status or 1)


def check_counts(to: Destination, pictures: int, *, opens: bool) -> None:
    """Refuse more pictures than the options allow. Raises UsageError."""
    if pictures > PICTURES_MAX:
        raise click.UsageError(f"One command draws at most {PICTURES_MAX} pictures, and these would be {pictures}.")
    if to.is_stdout and pictures > 1:
        raise click.UsageError(f"Standard output takes one picture, and these would be {pictures}: name a folder.")
    if to.is_stdout and sys.stdout.isatty():
        raise click.UsageError("A terminal cannot show the file: send standard output to a file or a program.")
    if opens and (to.is_stdout or pictures > OPENED_MAX):
        raise click.UsageError(f"--open opens files, and at most {OPENED_MAX} of them.")


def _with_seed(fields: OrderFields, number: int) -> OrderFields:
    """The order of a further picture of the same prompt."""
    seed = fields.get("seed")
    if seed is None or number == 0:
        return fields
    following = fields.copy()
    following["seed"] = (seed + number - 1) % SEED_MAX + 1
    return following


class _Report:
    """Writes pictures as they arrive, and says where they are."""

    display: DrawDisplay

    def __init__(self, to: Destination, folder: PictureFolder, *, opens: bool, as_json: bool) -> None:
        self._to = to
        self._folder = folder
        self._opens = opens
        self._as_json = as_json

    def picture(self, job: Job) -> None:
        """Write a picture and report it. What cannot be written is recorded in the job."""
        assert job.picture is not None
        if self._to.is_stdout:
            sys.stdout.buffer.write(job.picture.file)
            click.echo(visible(_described(job)), err=True)
            return
        try:
            written = self._folder.write(job.picture.file, job.prompt).resolve()
        except OSError as error:
            path = self._to.path(job.prompt)
            where = job.picture.task.results[0].url
            job.error = f"{path} cannot be written ({error.strerror}). For 24 hours the picture is at {where}"
            return
        try:
            self._say(job, written)
        except OSError as error:
            standard_streams.drop_output()
            job.error = f"The picture is in {written}, but standard output cannot be written ({error.strerror})"
        if self._opens and click.launch(str(written)) != 0:
            click.echo(f"Note: {written} cannot be opened, because no viewer was found.", err=True)

    def failures(self, jobs: list[Job]) -> None:
        """Report the jobs without a picture, as far as the terminal still exists."""
        for job in jobs:
            if not job.error:
                continue
            about = f'"{job.prompt}": ' if len(jobs) > 1 else ""
            if self._as_json:
                error = {"code": job.error_code or None, "message": job.error}
                click.echo(msgspec.json.encode({"error": error, "prompt": job.prompt}))
            with contextlib.suppress(OSError):
                click.echo(visible(f"{_heading(job)}{about}{job.error}."), err=True)

    def _say(self, job: Job, written: Path) -> None:
        assert job.picture is not None
        if self._as_json:
            task = job.picture.task.fields
            self.display.say(msgspec.json.encode({"file": str(written), "prompt": job.prompt, "task": task}).decode())
            return
        self.display.say(visible(f"{written}: {_described(job)}"))
        not_drawn = job.picture.task.results[0].not_drawn
        if not_drawn:
            self.display.say(visible(f"The picture does not show: {', '.join(not_drawn)}"))


def _heading(job: Job) -> str:
    """What begins the sentence about a job: interruptions are no errors."""
    return "" if job.was_left else "Error: "


def _described(job: Job) -> str:
    assert job.picture is not None
    task, drawn = job.picture.task, job.picture.task.results[0]
    return (
        f"{drawn.width}x{drawn.height}, seed {drawn.seed}, {task.model} drawn by {drawn.engine} in "
        f"{job.elapsed_s:.1f} s, {task.credits:g} credits"
    )
