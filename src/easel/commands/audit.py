"""`easel audit`: lists what operators did."""

from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from easel.commands.terminal.database_session import with_reader
from easel.commands.terminal.option_types import Duration
from easel.commands.terminal.options import data_dir_option
from easel.commands.terminal.tables import show, table
from easel.domain.audit_log import Action
from easel.store import audit_log
from easel.store.audit_log import Entry, EntrySearch

LISTED_MAX: Final = 10_000
COLUMNS_MIN: Final = 160
ACTIONS: Final = [action.value for action in Action]


@click.command("audit", short_help="List what operators did, latest first.")
@click.option(
    "--limit",
    type=click.IntRange(1, LISTED_MAX),
    default=50,
    show_default=True,
    metavar="N",
    help="Show at most N entries.",
)
@click.option("--account", help="Show only actions on this account and its keys.")
@click.option(
    "--action", type=click.Choice(ACTIONS), metavar="ACTION", help=f"Show only one action: {', '.join(ACTIONS)}."
)
@click.option("--by", "operator", help="Show only what this operator did, such as alice@studio.")
@click.option(
    "--key", "api_key_id", type=int, metavar="KEY_ID", help="Show only what was done over HTTP with this key."
)
@click.option("--since", type=Duration(), help="Show only entries that are at most this old, such as 30m, 24h or 7d.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one entry per line.")
@data_dir_option
def audit_command(
    limit: int,
    account: str | None,
    action: str | None,
    operator: str | None,
    api_key_id: int | None,
    since: timedelta | None,
    data_dir: Path | None,
    *,
    as_json: bool,
) -> None:
    """List what operators did, latest first: changes to keys, credits, groups, prices and callbacks, and restores."""
    search = EntrySearch(
        account=account,
        action=action,
        operator=operator,
        api_key_id=api_key_id,
        since=since,
        before_id=None,
        count_max=limit,
    )
    entries = with_reader(data_dir, lambda reader: audit_log.list_entries(reader, search))
    if as_json:
        for entry in entries:
            click.echo(msgspec.json.encode({name: getattr(entry, name) for name in Entry.__slots__}))
        return
    listed = table("Time", "Operator", "Key", "Action", "Subject", "Account", "Details")
    for entry in entries:
        at = f"{entry.at:%Y-%m-%d %H:%M:%S}"
        key = "" if entry.api_key_id is None else f"key {entry.api_key_id}"
        account = entry.account or ""
        listed.add_row(at, entry.operator, key, entry.action, entry.subject, account, _details(entry.details))
    show(listed, COLUMNS_MIN)


def _details(details: dict[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {_text(value)}" for name, value in details.items())


def _text(value: object) -> str:
    return "+".join(str(each) for each in value) if isinstance(value, list) else str(value)
