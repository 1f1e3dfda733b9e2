"""`easel keys …`: creates, lists, limits and revokes API keys, and manages callback secrets."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, cast

import click
import msgspec

from easel.actions import api_keys, callback_secrets
from easel.actions.api_keys import IssuedKey, KeyOrder, LimitChanges, SpentMore
from easel.actions.callback_secrets import ShownSecrets
from easel.assembly.installation import callback_secrets_root, pepper
from easel.commands.terminal.command_group import CommandGroup
from easel.commands.terminal.database_session import with_database, with_installation, with_reader
from easel.commands.terminal.option_types import NONE, Amount, Duration, Expiry, Models, OrNone, checked_text
from easel.commands.terminal.options import data_dir_option, json_option
from easel.commands.terminal.tables import show, table
from easel.domain.api_key import DEFAULT_SCOPES, Scope
from easel.domain.credits import credits_shown
from easel.domain.webhook import secret_text
from easel.store import accounts
from easel.store.accounts import KeyLimits
from easel.store.database import Database

LIMIT_MAX: Final = 1_000_000_000


@click.group("keys", cls=CommandGroup, short_help="Create, list, limit and revoke API keys.")
def keys_group() -> None:
    """Create, list, limit and revoke API keys, and manage the secrets that sign callbacks."""


@keys_group.command("create")
@click.option("--account", required=True, help="Name of the account. It is created if it does not exist.")
@click.option("--credits", "amount", type=Amount(), default=0, help="Credits to grant to the account as well.")
@click.option("--name", default="", help="Label of the key in your lists.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice([scope.value for scope in Scope]),
    help="What the key may do. Repeat the option for several scopes.  [default: generate and read]",
)
@click.option("--models", type=Models(), help="Comma-separated models that the key may use.  [default: all]")
@click.option("--expires", type=Expiry(), help="When the key expires, such as 30d or 2027-01-31.  [default: never]")
@click.option("--limit", type=Amount(), help="Credits that the key may spend in total.  [default: no limit]")
@click.option(
    "--rate",
    type=click.IntRange(1, LIMIT_MAX),
    help="Tasks that the key may create per minute.  [default: EASEL_CREATES_PER_MINUTE]",
)
@click.option(
    "--unfinished",
    type=click.IntRange(1, LIMIT_MAX),
    help="Unfinished tasks that the key may have at once.  [default: EASEL_UNFINISHED_MAX]",
)
@json_option
@data_dir_option
def create_key(
    account: str,
    amount: int,
    name: str,
    scopes: tuple[str, ...],
    models: tuple[str, ...] | None,
    expires: datetime | timedelta | None,
    limit: int | None,
    rate: int | None,
    unfinished: int | None,
    data_dir: Path | None,
    *,
    as_json: bool,
) -> None:
    """Create an API key and print it, once.

    Before the first start, this also creates the data folder and its database.
    """
    order = KeyOrder(
        account=checked_text(account, "--account", characters_min=1),
        name=checked_text(name, "--name"),
        scopes=tuple(Scope(scope) for scope in scopes) or DEFAULT_SCOPES,
        models=models,
        expires=expires,
        credits_microcredits=amount,
        credit_limit_microcredits=limit,
        creates_per_minute=rate,
        unfinished_max=unfinished,
    )
    issued: IssuedKey = with_installation(
        data_dir, pepper, lambda database, key_pepper: api_keys.issue(database, key_pepper, order), creates=True
    )
    if as_json:
        click.echo(msgspec.json.encode({"account": issued.account, "id": issued.id, "key": issued.key}))
    else:
        click.echo(f'Key {issued.id} of account "{issued.account}". It is not shown again:\n\n    {issued.key}\n')


@keys_group.command("list")
@click.option("--account", help="Show only the keys of this account.")
@data_dir_option
def list_keys(account: str | None, data_dir: Path | None) -> None:
    """List API keys. Easel can show only the last four characters of each key."""
    listed = table("Id", "Account", "Name", "Key", "Scopes", "Used", "Created", "Expires")
    for key in with_reader(data_dir, lambda reader: accounts.list_keys(reader, account)):
        ends = f"revoked {_day(key.revoked_at)}" if key.revoked_at else _day(key.expires_at)
        may = ", ".join(key.scopes) + (f" ({', '.join(key.models)})" if key.models is not None else "")
        used = str(credits_shown(key.used_microcredits))
        if key.credit_limit_microcredits is not None:
            used += f" of {credits_shown(key.credit_limit_microcredits)}"
        listed.add_row(str(key.id), key.account, key.name, f"…{key.hint}", may, used, _day(key.created_at), ends)
    show(listed)


@keys_group.command("limit", short_help="Change the limits of a key.")
@click.argument("key_id", type=int)
@click.option("--limit", type=OrNone(Amount()), help="Credits that the key may spend in total, or none.")
@click.option(
    "--rate",
    type=OrNone(click.IntRange(1, LIMIT_MAX)),
    help="Tasks that the key may create per minute, or none for EASEL_CREATES_PER_MINUTE.",
)
@click.option(
    "--unfinished",
    type=OrNone(click.IntRange(1, LIMIT_MAX)),
    help="Unfinished tasks that the key may have at once, or none for EASEL_UNFINISHED_MAX.",
)
@click.option("--expires", type=OrNone(Expiry()), help="When the key expires, such as 30d or 2027-01-31, or none.")
@data_dir_option
def limit_key(
    key_id: int,
    limit: int | str | None,
    rate: int | str | None,
    unfinished: int | str | None,
    expires: datetime | timedelta | str | None,
    data_dir: Path | None,
) -> None:
    """Change the limits of the key with this id, from its next order on. Limits that are not named stay."""
    named = {
        "credit_limit_microcredits": limit,
        "creates_per_minute": rate,
        "unfinished_max": unfinished,
        "expires_at": expires,
    }
    given = {name: None if value == NONE else value for name, value in named.items() if value is not None}
    if not given:
        raise click.UsageError("Name at least one limit: --limit, --rate, --unfinished or --expires.")
    changes = cast("LimitChanges", given)
    try:
        limits = with_database(data_dir, lambda database: api_keys.limit(database, key_id, changes))
    except SpentMore as error:
        spent = credits_shown(error.spent_microcredits)
        raise click.ClickException(
            f"Key {key_id} has used and reserved {spent} credits: its limit must be at least {spent}."
        ) from None
    if limits is None:
        raise click.ClickException(f"There is no key {key_id}: `easel keys list` lists all keys.")
    click.echo(f"Key {key_id}: {_limits_in_words(limits)}.")


def _limits_in_words(limits: KeyLimits) -> str:
    spends = limits.credit_limit_microcredits
    words = [
        "no limit on credits" if spends is None else f"at most {credits_shown(spends)} credits",
        f"{limits.creates_per_minute or 'the usual number of'} tasks per minute",
        f"{limits.unfinished_max or 'the usual number of'} unfinished tasks",
        f"expires {_day(limits.expires_at)}",
    ]
    return ", ".join(words)


@keys_group.command("revoke")
@click.argument("key_id", type=int)
@data_dir_option
def revoke_key(key_id: int, data_dir: Path | None) -> None:
    """Revoke the key with this id at once."""
    if not with_database(data_dir, lambda database: api_keys.revoke(database, key_id)):
        raise click.ClickException(f"There is no key {key_id}: `easel keys list` lists all keys.")
    click.echo(f"Key {key_id} is revoked.")


@keys_group.command("callback-secret", short_help="Show or change the secret that signs callbacks.")
@click.option("--account", required=True, help="Name of the account.")
@click.option("--rotate", is_flag=True, help="Generate a new secret, which signs from now on.")
@click.option(
    "--overlap",
    type=Duration(),
    default="24h",
    show_default=True,
    help="With --rotate: how long the old secret also signs, such as 30m, 24h, 7d or 0.",
)
@json_option
@data_dir_option
def callback_secret(account: str, overlap: timedelta, data_dir: Path | None, *, rotate: bool, as_json: bool) -> None:
    """Show the secret that signs an account's callbacks, or change it with --rotate."""

    async def act(database: Database, root: bytes) -> ShownSecrets | None:
        if rotate:
            return await callback_secrets.rotate(database, root, account, overlap)
        return await callback_secrets.show(database, root, account)

    shown = with_installation(data_dir, callback_secrets_root, act)
    if shown is None:
        raise click.ClickException("There is no account of that name: `easel keys create` creates one.")
    texts = [secret_text(secret) for secret in shown.secrets]
    if as_json:
        click.echo(msgspec.json.encode({"account": account, "secrets": texts, "overlap_until": shown.overlap_until}))
        return
    click.echo(f'Callbacks of account "{account}" are signed with:\n\n    {texts[0]}\n')
    for text in texts[1:]:
        click.echo(f"and until {shown.overlap_until:%Y-%m-%d %H:%M:%S} UTC also with:\n\n    {text}\n")


def _day(moment: datetime | None) -> str:
    return "never" if moment is None else f"{moment:%Y-%m-%d}"
