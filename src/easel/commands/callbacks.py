"""`easel callbacks …`: lists, shows and redelivers callbacks."""

from pathlib import Path
from typing import Final

import click
import msgspec

from easel.actions import task_callback
from easel.commands.terminal.command_group import CommandGroup
from easel.commands.terminal.database_session import with_database, with_reader
from easel.commands.terminal.options import data_dir_option
from easel.commands.terminal.tables import show, table
from easel.domain.delivery import State
from easel.domain.errors import Refusal
from easel.store import callbacks
from easel.store.database import Database
from easel.web.answers import encode
from easel.web.callbacks import callback_body

LISTED_MAX: Final = 1000
COLUMNS_MIN: Final = 120


@click.group("callbacks", cls=CommandGroup)
def callbacks_group() -> None:
    """List, show and redeliver callbacks."""


@callbacks_group.command("list")
@click.option("--account", help="Show only the callbacks of this account.")
@click.option(
    "--state",
    type=click.Choice([State.DELIVERING.value, State.DELIVERED.value, State.FAILED.value]),
    help="Show only callbacks in this state.",
)
@click.option(
    "--count",
    type=click.IntRange(1, LISTED_MAX),
    default=50,
    show_default=True,
    metavar="N",
    help="Show at most N callbacks.",
)
@data_dir_option
def list_callbacks(account: str | None, state: str | None, count: int, data_dir: Path | None) -> None:
    """List the latest callbacks of tasks that have ended."""
    listed = table("Task", "Account", "State", "Attempts", "Last outcome", "Created")
    for row in with_reader(data_dir, lambda reader: callbacks.list_callbacks(reader, account, state, count)):
        outcome = row.last_outcome or ("in progress" if row.attempts else "")
        if row.last_status_code is not None:
            outcome += f" {row.last_status_code}"
        created = f"{row.created_at:%Y-%m-%d %H:%M:%S}"
        listed.add_row(row.task_id, row.account, row.state, str(row.attempts), outcome, created)
    # Task ids must stay on one line, so that they can be copied.
    show(listed, COLUMNS_MIN)


@callbacks_group.command("show", short_help="Print a task's callback and its attempts.")
@click.argument("task_id")
@data_dir_option
def show_callback(task_id: str, data_dir: Path | None) -> None:
    """Print a task's callback and every attempt to deliver it, as the API returns them."""

    async def act(database: Database) -> dict[str, object]:
        return callback_body(*await task_callback.find_as_operator(database, task_id))

    try:
        body = with_database(data_dir, act)
    except Refusal as refusal:
        raise click.ClickException(f"{refusal.task.message}.") from None
    click.echo(msgspec.json.format(encode(body), indent=2))


@callbacks_group.command("redeliver")
@click.argument("task_ids", nargs=-1, required=True, metavar="TASK_ID…")
@data_dir_option
def redeliver(task_ids: tuple[str, ...], data_dir: Path | None) -> None:
    """Deliver callbacks again at once."""

    async def act(database: Database) -> list[str]:
        refused = []
        for task_id in task_ids:
            try:
                await task_callback.redeliver_as_operator(database, task_id)
            except Refusal as refusal:
                refused.append(f"{task_id}: {refusal.task.message}")
        return refused

    refused = with_database(data_dir, act)
    click.echo(f"Callbacks to deliver again: {len(task_ids) - len(refused)}.")
    if refused:
        raise click.ClickException("\n".join(refused))
