"""`easel generate`: draws one picture through the API and writes it to a file.

If the command is interrupted or its time is up, it cancels the task, so that nothing is charged. A second interruption
ends it immediately, and the task continues.
"""

import contextlib
import re
import time
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from easel.client.answers import Task
from easel.client.client import Client
from easel.client.failures import ClientError, Refused, Unfinished
from easel.client.orders import OrderFields, new_idempotency_key
from easel.commands.terminal.failures import explain_failures
from easel.commands.terminal.option_types import Seconds
from easel.commands.terminal.options import setting_option
from easel.commands.terminal.output_file import free_name, is_taken, try_out, write
from easel.domain.order import MODELS
from easel.runtime import standard_streams
from easel.runtime.interruption import EXIT_INTERRUPTED
from easel.settings import settings
from easel.settings.settings import ClientSettings

FORMAT_BY_SUFFIX: Final = {".webp": "webp", ".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg"}
DEFAULT_OUTPUT: Final = Path("picture.webp")
SETTING: Final = "EASEL_URL or --url"
API_KEY: Final = re.compile(r"[!-~]{1,4096}")


@click.command()
@click.argument("prompt")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False),
              help="File to write. Its extension sets the format: .webp, .png or .jpg.  [default: picture.webp, or "
                   "picture-2.webp and so on if that exists]")  # fmt: skip
@click.option("--force", is_flag=True, help="Replace the output file if it exists.")
@click.option("--size", help="Aspect ratio, such as 1:1 or 16:9, or WIDTHxHEIGHT with 376 to 1536 pixels per side.")
@click.option("--seed", type=int, help="From 1 to 2147483647. The same seed draws the same picture.")
@click.option("--model", default=MODELS[0], show_default=True, help="Model to draw with.")
@setting_option("url", ClientSettings)
@setting_option("api_key", ClientSettings, flag="--key")
@click.option("--timeout", "timeout_s", type=Seconds(1, 86_400), default=3600, show_default=True,
              help="Seconds to wait for the picture, from 1 to 86400. Then its task is cancelled.")  # fmt: skip
def generate(
    prompt: str,
    output: Path | None,
    force: bool,
    size: str | None,
    seed: int | None,
    model: str,
    url: str | None,
    api_key: str | None,
    timeout_s: float,
) -> None:
    """Draw PROMPT and write the picture to a file.

    Ctrl-C cancels the task, and nothing is charged.
    """
    _check_output(output, force=force)
    with explain_failures():
        config = settings.read_client(url=url, api_key=api_key)
    key = _checked_key(config.api_key)
    order = OrderFields(model=model, output_format=_format(output or DEFAULT_OUTPUT), size=size, seed=seed)
    started_s = time.monotonic()
    try:
        with Client(config.url, key, setting=SETTING) as client:
            task = _drawn(client, prompt, order, timeout_s)
            file = _fetched(client, task)
    except ClientError as error:
        raise click.ClickException(f"{error}.") from None
    written = _written(file, output, task.results[0].url, force=force)
    _report(task, written, time.monotonic() - started_s)


def _check_output(output: Path | None, *, force: bool) -> None:
    """Reject an output file that cannot or must not be written, before anything is ordered."""
    path = (output or DEFAULT_OUTPUT).absolute()
    if path.suffix.lower() not in FORMAT_BY_SUFFIX:
        raise click.UsageError(f"--output must end in one of {', '.join(FORMAT_BY_SUFFIX)}.")
    try:
        if not path.parent.is_dir():
            raise click.UsageError(f"There is no folder {path.parent}: create it, or choose another location.")
        if output is not None and is_taken(output) and not force:
            raise click.UsageError(f"{output} exists: choose another name, or replace it with --force.")
        try_out(path.resolve())
    except OSError as error:
        raise click.UsageError(f"{path} cannot be written ({error.strerror}): choose another location.") from None


def _checked_key(text: str | None) -> str:
    """The API key without surrounding whitespace. Raises UsageError if it cannot be one."""
    key = (text or "").strip()
    if not key:
        raise click.UsageError("No API key: set EASEL_API_KEY or use --key. `easel keys create` creates a key.")
    if not API_KEY.fullmatch(key):
        raise click.UsageError(
            "This is not an API key of Easel. Keys look like sk-easel-… and contain only letters and digits."
        )
    return key


def _format(output: Path) -> str:
    return FORMAT_BY_SUFFIX[output.suffix.lower()]


def _drawn(client: Client, prompt: str, order: OrderFields, timeout_s: float) -> Task:
    """The completed task of an order. Raises ClientError."""
    idempotency_key = new_idempotency_key()
    try:
        task = client.submit(prompt, idempotency_key=idempotency_key, **order)
        with _progress() as progress:
            bar = progress.add_task("waiting", total=100)
            words = {"pending": "queued", "processing": "drawing", "completed": "done", "failed": "failed"}
            for state in client.follow(task.id, timeout_s=timeout_s):
                progress.update(bar, completed=state.progress, description=words[state.status])
                task = state
        return task.completed()
    except Refused as refused:
        raise ClientError(_refusal(client, order["model"], refused)) from None
    except Unfinished as unfinished:
        raise ClientError(f"{unfinished}. {_cancelled(client, prompt, order, idempotency_key)}") from None
    except (KeyboardInterrupt, SystemExit, OSError) as left:  # OSError: the terminal with the progress bar is gone
        raise _leave(_cancelled(client, prompt, order, idempotency_key), left) from None


def _refusal(client: Client, model: str, refused: Refused) -> str:
    """The message for a refusal, reworded if the API's own message would not help a user of the command."""
    if refused.status == 401:
        return (
            "The service rejected this API key: it is unknown, expired or revoked. "
            "Use another one with EASEL_API_KEY or --key; `easel keys create` creates a key"
        )
    if refused.code != "model_access_denied":
        return str(refused)
    sentence = f"This API key may not use the model {model}"
    try:
        return f"{sentence}; it may use {', '.join(client.models()) or 'none'}"
    except ClientError:
        return sentence


def _fetched(client: Client, task: Task) -> bytes:
    """The picture of a completed task. Raises ClientError."""
    where = f"For 24 hours the picture is at {task.results[0].url}"
    try:
        return client.picture(task).file
    except ClientError as error:
        raise ClientError(f"{error}. {where}") from None
    except (KeyboardInterrupt, SystemExit) as left:
        raise _leave(where, left) from None


def _leave(sentence: str, left: BaseException) -> SystemExit:
    """Report the state of the task if the terminal still exists. Returns the SystemExit to raise."""
    with contextlib.suppress(OSError):
        click.echo(f"{sentence}.", err=True)
    return SystemExit(left.code if isinstance(left, SystemExit) else EXIT_INTERRUPTED)


def _cancelled(client: Client, prompt: str, order: OrderFields, idempotency_key: str) -> str:
    """Cancel the task of an order, and return a sentence about its state.

    The idempotency key finds the task, because the interruption may have come before the answer with the task's id.
    """
    task_id = "The task"
    try:
        task_id = client.submit(prompt, idempotency_key=idempotency_key, **order).id
        task = client.cancel(task_id)
    except Refused as refused:
        return f"Nothing was drawn or charged ({refused})"
    except ClientError as error:
        return f"{task_id} may continue, because it could not be cancelled ({error})"
    except KeyboardInterrupt:
        return f"{task_id} may continue, because you did not wait until it was cancelled"
    if task.status == "completed":
        return f"{task_id} had already completed and was charged. For 24 hours its picture is at {task.results[0].url}"
    return f"{task_id} was cancelled. Nothing was charged"


def _written(file: bytes, output: Path | None, link: str, *, force: bool) -> Path:
    """Write the picture and return its path. If that file has appeared meanwhile, another name is used."""
    path = output or free_name(DEFAULT_OUTPUT)
    try:
        return write(file, path, replace=force)
    except OSError as error:
        raise click.ClickException(
            f"{path} cannot be written ({error.strerror}). For 24 hours the picture is at {link}."
        ) from None


def _report(task: Task, written: Path, elapsed_s: float) -> None:
    drawn = task.results[0]
    try:
        click.echo(
            f"{written.resolve()}: {drawn.width}x{drawn.height}, seed {drawn.seed}, {task.model} drawn by "
            f"{drawn.engine} in {elapsed_s:.1f} s, {task.credits:g} credits"
        )
        if drawn.not_drawn:
            click.echo(f"The picture does not show: {', '.join(drawn.not_drawn)}")
    except OSError as error:
        standard_streams.drop_output()
        raise click.ClickException(
            f"The picture is in {written.resolve()}, but standard output cannot be written ({error.strerror})."
        ) from None


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description:<8}"),
        BarColumn(bar_width=40),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    )
