"""`easel groups …`: groups of accounts and their prices."""

from pathlib import Path

import click

from easel.actions import account_groups
from easel.commands.terminal.command_group import CommandGroup
from easel.commands.terminal.database_session import with_database, with_reader
from easel.commands.terminal.option_types import Price, checked_text
from easel.commands.terminal.options import data_dir_option
from easel.commands.terminal.tables import show, table
from easel.domain.credits import credits_shown
from easel.domain.order import MODELS
from easel.store import user_groups


@click.group(cls=CommandGroup)
def groups() -> None:
    """Manage groups of accounts and their prices."""


@groups.command("set")
@click.argument("name")
@click.option(
    "--price", required=True, type=Price(), help="Price of a picture for the group, in credits. 0 means free."
)
@click.option(
    "--model", default=MODELS[0], type=click.Choice(MODELS), show_default=True, help="Model that the price applies to."
)
@data_dir_option
def set_price(name: str, price: int, model: str, data_dir: Path | None) -> None:
    """Set the price that group NAME pays from the next order on."""
    user_group = checked_text(name, "NAME", characters_min=1)
    with_database(data_dir, lambda database: account_groups.set_price(database, user_group, model, price))
    click.echo(f'Group "{user_group}" pays {credits_shown(price)} credits for a picture of {model}.')


@groups.command("assign")
@click.argument("account")
@click.argument("name")
@data_dir_option
def assign(account: str, name: str, data_dir: Path | None) -> None:
    """Put ACCOUNT into group NAME."""
    user_group = checked_text(name, "NAME", characters_min=1)
    has_price = with_database(data_dir, lambda database: account_groups.assign(database, account, user_group))
    if has_price is None:
        raise click.ClickException("There is no account of that name: `easel keys create` creates one.")
    click.echo(f'Account "{account}" is in group "{user_group}".')
    if not has_price:
        click.echo(
            "The group has no price of its own and pays the general price: `easel groups set` sets one.", err=True
        )


@groups.command("list")
@data_dir_option
def list_groups(data_dir: Path | None) -> None:
    """List groups, their prices, and how many accounts they have."""
    listed = table("Group", "Model", "Price", "Accounts")
    for row in with_reader(data_dir, user_groups.list_groups):
        price = "general price" if row.price_microcredits is None else str(credits_shown(row.price_microcredits))
        listed.add_row(row.user_group, row.model or "", price, str(row.accounts))
    show(listed)
