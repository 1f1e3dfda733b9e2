"""`easel keys …` and `easel credits …`: what an operator does to accounts. They work beside a running service."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, TypeVar

import click
import msgspec
from rich.console import Console
from rich.table import Table

from easel import logs
from easel.actions import callback_secrets
from easel.actions import keys as key_actions
from easel.actions import repair as repairing
from easel.actions.callback_secrets import ShownSecrets
from easel.actions.keys import BalanceTooLow, IssuedKey, KeyOrder
from easel.assembly.installation import Installation, callback_secrets_root, database_of, installation, pepper
from easel.commands.terminal.failures import told_plainly
from easel.commands.terminal.option_types import Adjustment, Amount, Expiry, Models, Overlap
from easel.domain.api_key import Scope
from easel.domain.credits import MICROCREDITS_PER_CREDIT, credits_shown
from easel.domain.secret import Secret
from easel.domain.webhook import secret_text
from easel.settings import settings
from easel.store import accounts, audit, ledger, schema
from easel.store.database import Database

_Answer = TypeVar("_Answer")
NAME_CHARACTERS_MAX: Final = 64
REASON_CHARACTERS_MAX: Final = 500
LIMIT_MAX: Final = 1_000_000_000

data_dir_option = click.option(
    "--data-dir", type=click.Path(path_type=Path), help="Folder of the data (EASEL_DATA_DIR)."
)


def with_database(
    data_dir: Path | None, act: Callable[[Database, bytes], Awaitable[_Answer]], *, creates: bool = False
) -> _Answer:
    """Do something with the installation's database and its pepper, and give what came of it.

    Where there is no installation, one is made only by what `creates`.
    """
    return with_installation(data_dir, pepper, act, creates=creates)


def with_installation(
    data_dir: Path | None,
    derive: Callable[[Secret], bytes],
    act: Callable[[Database, bytes], Awaitable[_Answer]],
    *,
    creates: bool = False,
) -> _Answer:
    """Do something with the installation's database and what is derived from its secret, and give what came of it."""

    async def run(read: settings.Settings, installed: Installation) -> _Answer:
        await schema.prepare(installed.database_url, installed.secret, creates=creates)
        database = database_of(read, installed)
        await database.open()
        try:
            return await act(database, derive(installed.secret))
        finally:
            await database.close()

    with told_plainly():
        read = settings.read(data_dir=data_dir)
        logs.configure("command", read.log_format, "warning")
        with installation(read, creates=creates) as installed:
            return asyncio.run(run(read, installed))


@click.group(short_help="Make, list and revoke API keys.")
def keys() -> None:
    """Make, list and revoke API keys, and show and change what callbacks are signed with."""


@keys.command("create")
@click.option("--account", required=True, help="Name of the account, made if there is none of that name.")
@click.option("--credits", "amount", type=Amount(), default=0, help="Credits to grant to the account along with it.")
@click.option("--name", default="", help="What the key is for, for your own lists.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice([scope.value for scope in Scope]),
    help="What it may do; by default all.",
)
@click.option("--models", type=Models(), help="Models it may use, with commas between; by default all.")
@click.option("--expires", type=Expiry(), help="When it ends: 30d, or 2027-01-31; by default never.")
@click.option("--limit", type=Amount(), help="Credits it may spend in all; by default what its account has.")
@click.option("--rate", type=click.IntRange(1, LIMIT_MAX), help="Tasks it may create per minute.")
@click.option("--unfinished", type=click.IntRange(1, LIMIT_MAX), help="Unfinished tasks it may have at once.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
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
    """Make a key and print it, once. Before the first start this makes the data folder and its database as well.

    Without --rate and --unfinished the settings EASEL_CREATES_PER_MINUTE and EASEL_UNFINISHED_MAX say how much it may.
    """
    order = KeyOrder(
        account=short(account, "--account", characters_min=1),
        name=short(name, "--name"),
        scopes=tuple(Scope(scope) for scope in scopes) or tuple(Scope),
        models=models,
        expires=expires,
        credits_microcredits=amount,
        credit_limit_microcredits=limit,
        creates_per_minute=rate,
        unfinished_max=unfinished,
    )
    issued: IssuedKey = with_database(
        data_dir, lambda database, pepper: key_actions.issue(database, pepper, order), creates=True
    )
    if as_json:
        click.echo(msgspec.json.encode({"account": issued.account, "id": issued.id, "key": issued.key}))
    else:
        click.echo(f'Key {issued.id} of account "{issued.account}". It is shown only now:\n\n    {issued.key}\n')


@keys.command("list")
@click.option("--account", help="Only this account's keys.")
@data_dir_option
def list_keys(account: str | None, data_dir: Path | None) -> None:
    """List keys. Their text is not kept; the last four characters are."""

    async def act(database: Database, _pepper: bytes) -> list[accounts.ListedKey]:
        async with database.transaction() as connection:
            return await accounts.list_keys(connection, account)

    listed = table("Id", "Account", "Name", "Key", "May", "Used", "Made", "Ends")
    for key in with_database(data_dir, act):
        ends = f"revoked {_day(key.revoked_at)}" if key.revoked_at else _day(key.expires_at)
        may = ", ".join(key.scopes) + (f" ({', '.join(key.models)})" if key.models is not None else "")
        used = str(credits_shown(key.used_microcredits))
        if key.credit_limit_microcredits is not None:
            used += f" of {credits_shown(key.credit_limit_microcredits)}"
        listed.add_row(str(key.id), key.account, key.name, f"…{key.hint}", may, used, _day(key.created_at), ends)
    Console().print(listed)


@keys.command("revoke")
@click.argument("key_id", type=int)
@data_dir_option
def revoke_key(key_id: int, data_dir: Path | None) -> None:
    """End the key with this id at once."""
    if not with_database(data_dir, lambda database, _pepper: key_actions.revoke(database, key_id)):
        raise click.ClickException(f"There is no key {key_id}; `easel keys list` shows all.")
    click.echo(f"Key {key_id} is revoked.")


@keys.command("callback-secret", short_help="Show or change what callbacks are signed with.")
@click.option("--account", required=True, help="Name of the account.")
@click.option("--rotate", is_flag=True, help="Make a new secret, which signs from now on.")
@click.option(
    "--overlap",
    type=Overlap(),
    default="24h",
    show_default=True,
    help="With --rotate: how long the secret before signs as well, such as 30m, 24h, 7d or 0.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@data_dir_option
def callback_secret(account: str, overlap: timedelta, data_dir: Path | None, *, rotate: bool, as_json: bool) -> None:
    """Show the secret that an account's callbacks are signed with, or change it."""

    async def act(database: Database, root: bytes) -> ShownSecrets | None:
        if rotate:
            return await callback_secrets.rotate(database, root, account, overlap)
        return await callback_secrets.show(database, root, account)

    shown = with_installation(data_dir, callback_secrets_root, act)
    if shown is None:
        raise click.ClickException("There is no account of that name; `easel keys create` makes one.")
    texts = [secret_text(secret) for secret in shown.secrets]
    if as_json:
        click.echo(msgspec.json.encode({"account": account, "secrets": texts, "overlap_until": shown.overlap_until}))
        return
    click.echo(f'Callbacks of account "{account}" are signed with:\n\n    {texts[0]}\n')
    for text in texts[1:]:
        click.echo(f"and until {shown.overlap_until:%Y-%m-%d %H:%M:%S} UTC also with:\n\n    {text}\n")


@click.group("credits")
def credits_group() -> None:
    """Grant, adjust, show, audit and repair credits."""


@credits_group.command("grant")
@click.option("--account", required=True, help="Name of the account.")
@click.argument("amount", type=Amount())
@data_dir_option
def grant(account: str, amount: int, data_dir: Path | None) -> None:
    """Add AMOUNT credits to an account."""
    if not with_database(data_dir, lambda database, _pepper: key_actions.grant(database, account, amount)):
        raise click.ClickException("There is no account of that name; `easel keys create` makes one.")
    click.echo(f'Account "{account}" has {credits_shown(amount)} credits more.')


# Otherwise an amount below zero would be taken for an option.
@credits_group.command(
    "adjust",
    short_help="Add credits or take them back, with a reason.",
    context_settings={"ignore_unknown_options": True},
)
@click.option("--account", required=True, help="Name of the account.")
@click.option("--reason", required=True, help="Why; it stands in `easel audit`.")
@click.argument("amount", type=Adjustment())
@data_dir_option
def adjust(account: str, reason: str, amount: int, data_dir: Path | None) -> None:
    """Add AMOUNT credits to an account, or take them back with a minus before them.

    What is reserved or used cannot be taken back.
    """
    checked = short(reason, "--reason", characters_min=1, characters_max=REASON_CHARACTERS_MAX)
    try:
        available = with_database(
            data_dir, lambda database, _pepper: key_actions.adjust(database, account, amount, checked)
        )
    except BalanceTooLow as error:
        left = credits_shown(error.available_microcredits)
        raise click.ClickException(
            f'Account "{account}" has {left} credits available, so {credits_shown(-amount)} cannot be taken back: '
            f"take back {left} at most."
        ) from None
    if available is None:
        raise click.ClickException("There is no account of that name; `easel keys create` makes one.")
    change = f"{credits_shown(abs(amount))} credits {'more' if amount > 0 else 'less'}"
    click.echo(f'Account "{account}" has {change}: {credits_shown(available)} are available.')


@credits_group.command("show")
@data_dir_option
def show(data_dir: Path | None) -> None:
    """Show every account's credits."""

    async def act(database: Database, _pepper: bytes) -> list[ledger.AccountBalance]:
        async with database.transaction() as connection:
            return await ledger.balances(connection)

    listed = table("Account", "Available", "Reserved", "Used")
    for row in with_database(data_dir, act):
        amounts = (row.balance.available, row.balance.reserved, row.balance.used)
        listed.add_row(row.account, *(str(credits_shown(amount)) for amount in amounts))
    Console().print(listed)


@credits_group.command("audit", short_help="Check every invariant of money and work.")
@data_dir_option
def audit_credits(data_dir: Path | None) -> None:
    """Check every invariant of money and work, while the service runs."""

    async def act(database: Database, _pepper: bytes) -> list[audit.Finding]:
        async with database.transaction(timeout_s=audit.TIMEOUT_S) as connection:
            return await audit.findings(connection)

    findings = with_database(data_dir, act)
    for invariant in audit.INVARIANTS:
        subjects = [finding.subject for finding in findings if finding.invariant == invariant]
        click.echo(f"{'BROKEN' if subjects else 'holds '}  {invariant}" + "".join(f"\n          {s}" for s in subjects))
    if findings:
        raise click.ClickException(_verdict(findings))


def _verdict(findings: Sequence[audit.Finding]) -> str:
    verdict = f"{len(findings)} findings. Please report this: it is a fault of Easel."
    if any(finding.invariant in audit.REPAIRABLE for finding in findings):
        verdict += " `easel credits repair` shows what can be set right, and sets it right with --apply."
    return verdict


@credits_group.command("repair", short_help="Show and mend balances and counts.")
@click.option("--apply", "is_applied", is_flag=True, help="Make the changes, all of them or none.")
@data_dir_option
def repair_credits(data_dir: Path | None, *, is_applied: bool) -> None:
    """Show which balances and counts differ from the ledger and the holds, and with --apply set them right.

    It works while the service runs, and changes neither the ledger nor any task.
    """

    async def act(database: Database, _pepper: bytes) -> repairing.Wrong:
        try:
            return await (repairing.repair(database) if is_applied else repairing.find(database))
        except repairing.BeyondRepair as error:
            raise click.ClickException(str(error)) from None

    wrong = with_database(data_dir, act)
    for line in _changes(wrong):
        click.echo(line)
    if not wrong:
        click.echo("Nothing to repair: balances and counts are what the ledger and the holds say.")
    elif is_applied:
        click.echo(f"Repaired: {len(wrong)}.")
    else:
        click.echo(f"To repair: {len(wrong)}. Nothing is changed yet; `easel credits repair --apply` changes it.")


def _changes(wrong: repairing.Wrong) -> Iterator[str]:
    for balance in wrong.balances:
        yield f'Account "{balance.account}": {_differences(asdict(balance.stored), asdict(balance.derived))}'
    for counts in wrong.counts:
        subject = f'Key {counts.api_key_id} of account "{counts.account}"'
        yield f"{subject}: {_differences(asdict(counts.stored), asdict(counts.derived))}"


def _differences(stored: dict[str, int], derived: dict[str, int]) -> str:
    def shown(name: str, value: int) -> str:
        if name == "unfinished":
            return str(value)
        return f"{value / MICROCREDITS_PER_CREDIT:.6f}".rstrip("0").rstrip(".")

    changed = (name for name in stored if stored[name] != derived[name])
    return ", ".join(f"{name} {shown(name, stored[name])} becomes {shown(name, derived[name])}" for name in changed)


def short(text: str, option: str, characters_min: int = 0, characters_max: int = NAME_CHARACTERS_MAX) -> str:
    """A text as it was typed, unless it is too long or too odd for a name."""
    if not characters_min <= len(text) <= characters_max or not text.isprintable():
        raise click.UsageError(f"{option} takes {characters_min} to {characters_max} printable characters.")
    if text.isspace():
        raise click.UsageError(f"{option} must not be blank.")
    return text


def _day(moment: datetime | None) -> str:
    return "never" if moment is None else f"{moment:%Y-%m-%d}"


def table(*columns: str) -> Table:
    """An empty table, as all lists are shown."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column, overflow="fold")
    return made
