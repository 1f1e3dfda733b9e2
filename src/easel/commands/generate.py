"""`easel generate`: draw one picture through the API and write it to a file."""

import time
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from easel import settings
from easel.client import Client, ClientError
from easel.commands.failures import told_plainly
from easel.domain.order import MODELS

FORMAT_BY_SUFFIX: Final = {".webp": "webp", ".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg"}


@click.command()
@click.argument("prompt")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), default=Path("picture.webp"),
              show_default=True, help="File to write; its ending picks the format: .webp, .png, .jpg.")  # fmt: skip
@click.option("--size", help="1:1, 16:9, … or WIDTHxHEIGHT, 376 to 1536 pixels a side.")
@click.option("--seed", type=int, help="1 to 2147483647; the same seed draws the same picture.")
@click.option("--model", default=MODELS[0], show_default=True, help="Model to draw with.")
@click.option("--url", help="Address of the service (EASEL_URL), by default http://127.0.0.1:8000.")
@click.option("--key", help="API key (EASEL_API_KEY).")
@click.option("--timeout", "timeout_s", type=click.FloatRange(1, 86_400), default=3600.0, show_default=True,
              help="Seconds to wait for the picture.")  # fmt: skip
def generate(
    prompt: str,
    output: Path,
    size: str | None,
    seed: int | None,
    model: str,
    url: str | None,
    key: str | None,
    timeout_s: float,
) -> None:
    """Draw PROMPT and write the picture to a file."""
    if output.suffix.lower() not in FORMAT_BY_SUFFIX:
        raise click.UsageError(f"--output must end in one of {', '.join(FORMAT_BY_SUFFIX)}.")
    if not output.absolute().parent.is_dir():
        raise click.UsageError(f"There is no folder {output.absolute().parent} to write into.")
    with told_plainly():
        read = settings.read_client(url=url, api_key=key)
    if read.api_key is None:
        raise click.UsageError("No API key: give --key or EASEL_API_KEY; `easel keys create` makes one.")
    if not read.api_key.isascii():
        raise click.UsageError("This is no API key: keys of Easel look like sk-easel-…, in plain letters and digits.")
    order: dict[str, Any] = {"model": model, "prompt": prompt, "output_format": FORMAT_BY_SUFFIX[output.suffix.lower()]}
    order |= {name: value for name, value in (("size", size), ("seed", seed)) if value is not None}
    try:
        _draw_to_file(read.url, read.api_key, order, output, timeout_s)
    except ClientError as error:
        raise click.ClickException(f"{error}.") from None


def _draw_to_file(url: str, key: str, order: dict[str, Any], output: Path, timeout_s: float) -> None:
    started_s = time.monotonic()
    with Client(url, key) as client, _progress() as progress:
        bar = progress.add_task("waiting", total=100)
        pending = client.submit(order)

        def show(task: dict[str, Any]) -> None:
            words = {"pending": "queued", "processing": "drawing", "completed": "done", "failed": "failed"}
            progress.update(bar, completed=task["progress"], description=words[task["status"]])

        try:
            task = client.follow(pending["id"], show, timeout_s)
        except KeyboardInterrupt:
            raise ClientError(f"Left before its end: task {pending['id']} goes on") from None
        file = client.picture(task)
    try:
        output.write_bytes(file)
    except OSError as error:
        where = task["results"][0]
        raise ClientError(
            f"{output} cannot be written ({error.strerror}); for 24 hours the picture is at {where}"
        ) from None
    drawn = task["result_data"][0]
    click.echo(
        f"{output.resolve()}: {drawn['width']}x{drawn['height']}, seed {drawn['seed']}, {task['model']} drawn by "
        f"{drawn['engine']} in {time.monotonic() - started_s:.1f} s, {task['usage']['credits_used']} credits"
    )


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description:<8}"),
        BarColumn(bar_width=40),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    )
