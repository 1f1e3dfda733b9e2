"""`easel tasks …`: lists, shows, waits for, fetches, cancels and deletes the tasks of an account, over HTTP."""

import sys
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any, Final
from urllib.parse import urlsplit

import click
import msgspec

from easel.client.answers import Result, Task
from easel.client.failures import ClientError, TaskFailed, Unfinished
from easel.client.orders import DRAW_TIMEOUT_S
from easel.commands.terminal.client_session import connected, service_options
from easel.commands.terminal.command_group import CommandGroup
from easel.commands.terminal.draw_display import draw_display, state_words
from easel.commands.terminal.option_types import Seconds
from easel.commands.terminal.options import json_option
from easel.commands.terminal.output_file import free_name, is_taken, write
from easel.commands.terminal.picture_names import FORMAT_BY_SUFFIX
from easel.commands.terminal.tables import show, table
from easel.commands.terminal.visible_text import visible
from easel.domain.task import Status
from easel.runtime.interruption import EXIT_INTERRUPTED

PAGE_SIZE_MAX: Final = 50
STDOUT: Final = "-"


@click.group("tasks", cls=CommandGroup, short_help="List, show, fetch, cancel and delete tasks.")
def tasks_group() -> None:
    """List, show, wait for, fetch, cancel and delete the tasks of the API key's account."""


@tasks_group.command("list")
@click.option("--status", type=click.Choice([str(status) for status in Status]), help="Show only tasks in this state. "
              "processing includes pending.")  # fmt: skip
@click.option("--page", type=click.IntRange(1, 10_000), default=1, show_default=True, help="Page to show.")
@click.option("--page-size", type=click.IntRange(1, PAGE_SIZE_MAX), default=20, show_default=True,
              help="Tasks on a page.")  # fmt: skip
@service_options
@json_option
def list_tasks(
    status: str | None, page: int, page_size: int, url: str | None, api_key: str | None, *, as_json: bool
) -> None:
    """List the account's tasks, newest first."""
    with connected(url, api_key) as client:
        found = client.tasks(status=status, page=page, page_size=page_size)
    if as_json:
        click.echo(msgspec.json.encode(found))
        return
    listed = table("Id", "Status", "Progress", "Credits", "Created (UTC)")
    for task in found.tasks:
        listed.add_row(
            visible(task.id), "cancelled" if task.was_cancelled else task.status, f"{task.progress} %",
            f"{task.credits:g}", _moment(task.created_s),
        )  # fmt: skip
    show(listed)
    pages = -(-found.total // page_size)
    if pages > 1:
        click.echo(f"Page {page} of {pages}, {found.total} tasks in all. --page shows the others.", err=True)


@tasks_group.command("show")
@click.argument("task_id")
@service_options
@json_option
def show_task(task_id: str, url: str | None, api_key: str | None, *, as_json: bool) -> None:
    """Show a task and the link to its picture."""
    with connected(url, api_key) as client:
        task = client.task(task_id)
    if as_json:
        click.echo(msgspec.json.encode(task.fields))
        return
    facts = _facts(task)
    widest = max(map(len, facts))
    for name, value in facts.items():
        click.echo(f"{name:<{widest}}  {visible(value)}")


@tasks_group.command("wait")
@click.argument("task_ids", metavar="TASK_ID…", nargs=-1, required=True)
@click.option("--timeout", "timeout_s", type=Seconds(1, 86_400), default=int(DRAW_TIMEOUT_S), show_default=True,
              help="Seconds to wait for each task, from 1 to 86400. Then the command ends, and the task continues.")  # fmt: skip
@service_options
def wait_for_tasks(task_ids: tuple[str, ...], timeout_s: float, url: str | None, api_key: str | None) -> None:
    """Wait until tasks have ended. The exit status is 0 if all of them completed.

    Ctrl-C ends only the wait.
    """
    failures = 0
    with connected(url, api_key) as client, draw_display(is_single=len(task_ids) == 1) as display:
        for task_id in task_ids:
            try:
                for state in client.follow(task_id, timeout_s=timeout_s):
                    display.show(task_id, task_id, state)
                display.say(visible(f"{task_id}: {_end(state)}"))
                failures += state.error is not None
            except Unfinished as unfinished:
                raise ClientError(f"{unfinished}. It continues") from None
            except KeyboardInterrupt:
                click.echo(f"{task_id} continues: `easel tasks cancel {task_id}` cancels it.", err=True)
                sys.exit(EXIT_INTERRUPTED)
            display.end(task_id)
    if failures:
        sys.exit(1)


@tasks_group.command("fetch")
@click.argument("task_id")
@click.option(
    "-o", "--output", metavar="FILE", help="File to write to, or - for standard output.  [default: the task's id]"
)
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
@service_options
def fetch_picture(task_id: str, output: str | None, force: bool, url: str | None, api_key: str | None) -> None:
    """Download the picture of a completed task."""
    with connected(url, api_key) as client:
        task = client.task(task_id)
        if not task.has_ended:
            raise ClientError(
                f"{task_id} is not finished ({state_words(task)}): `easel tasks wait {task_id}` waits for it"
            )
        picture = client.picture(task.completed())
    if output == STDOUT:
        sys.stdout.buffer.write(picture.file)
        return
    path = Path(output or f"{task_id}{_suffix(task.results[0].url)}")
    if output is not None and is_taken(path) and not force:
        raise click.UsageError(f"{output} exists: choose another name, or replace it with --force.")
    try:
        written = write(picture.file, path if force else free_name(path), replace=force, base=path)
    except OSError as error:
        raise click.ClickException(f"{path} cannot be written ({error.strerror}).") from None
    click.echo(written.resolve())


@tasks_group.command("cancel")
@click.argument("task_ids", metavar="TASK_ID…", nargs=-1, required=True)
@service_options
def cancel_tasks(task_ids: tuple[str, ...], url: str | None, api_key: str | None) -> None:
    """Cancel tasks. Nothing is charged for them, unless they have completed."""
    with connected(url, api_key) as client:
        for task_id in task_ids:
            task = client.cancel(task_id)
            if task.status == "completed":
                click.echo(f"{task_id} had already completed and was charged.")
            elif task.has_ended:
                click.echo(visible(f"{task_id}: {_end(task)}"))
            else:
                click.echo(f"{task_id} stops after its current step. Nothing is charged.")


@tasks_group.command("delete")
@click.argument("task_ids", metavar="TASK_ID…", nargs=-1, required=True)
@service_options
def delete_tasks(task_ids: tuple[str, ...], url: str | None, api_key: str | None) -> None:
    """Remove the pictures and prompts of tasks that have ended. This cannot be undone."""
    with connected(url, api_key) as client:
        for task_id in task_ids:
            client.delete(task_id)
            click.echo(f"The picture and the prompt of {task_id} are removed.")


def _suffix(url: str) -> str:
    """The ending of a picture's address, if pictures have such an ending: a service must not choose another."""
    suffix = PurePosixPath(urlsplit(url).path).suffix.lower()
    return suffix if suffix in FORMAT_BY_SUFFIX else ""


def _facts(task: Task) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "Id": task.id, "Status": state_words(task), "Progress": f"{task.progress} %", "Model": task.model,
        "Created": f"{_moment(task.created_s)} UTC", "Credits": f"{task.credits:g}",
    }  # fmt: skip
    if task.error is not None:
        facts["Error"] = _end(task)
    for result in task.results:
        facts |= _result_facts(result)
    return facts


def _result_facts(result: Result) -> dict[str, Any]:
    """What is known of a picture: services other than Easel tell less."""
    is_sized = result.width is not None and result.height is not None
    facts: dict[str, Any] = {
        "Size": f"{result.width}x{result.height}" if is_sized else None, "Seed": result.seed, "Engine": result.engine,
        "Not drawn": ", ".join(result.not_drawn) or None, "Link": result.url,
    }  # fmt: skip
    return {name: value for name, value in facts.items() if value is not None}


def _end(task: Task) -> str:
    """How a task has ended, in one sentence."""
    try:
        return f"completed, {task.completed().credits:g} credits."
    except TaskFailed as failed:
        return f"{failed}."


def _moment(unix_s: int) -> str:
    return f"{datetime.fromtimestamp(unix_s, UTC):%Y-%m-%d %H:%M:%S}"
