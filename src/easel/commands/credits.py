"""`easel credits …`: grants and balances, and the audit and repair of money and work."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

import click

from easel.actions import credit_grants, repair
from easel.actions.credit_grants import BalanceTooLow
from easel.commands.terminal.command_group import CommandGroup
from easel.commands.terminal.database_session import with_database, with_reader
from easel.commands.terminal.option_types import Adjustment, Amount, checked_text
from easel.commands.terminal.options import data_dir_option
from easel.commands.terminal.tables import show, table
from easel.domain.credits import MICROCREDITS_PER_CREDIT, credits_shown
from easel.store import audit, ledger
from easel.store.database import Database

REASON_CHARACTERS_MAX: Final = 500
_COUNTED: Final = frozenset({"unfinished", "completed", "cancelled", "refused", "failed"})
"""What a repair compares that is not an amount of credits."""


@click.group("credits", cls=CommandGroup)
def credits_group() -> None:
    """Grant, adjust, show, audit and repair credits."""


@credits_group.command("grant")
@click.option("--account", required=True, help="Name of the account.")
@click.argument("amount", type=Amount())
@data_dir_option
def grant(account: str, amount: int, data_dir: Path | None) -> None:
    """Add AMOUNT credits to an account."""
    if not with_database(data_dir, lambda database: credit_grants.grant(database, account, amount)):
        raise click.ClickException("There is no account of that name: `easel keys create` creates one.")
    click.echo(f'Granted {credits_shown(amount)} credits to account "{account}".')


# Otherwise click would take a negative amount for an option.
@credits_group.command(
    "adjust",
    short_help="Add credits or take them back, with a reason.",
    context_settings={"ignore_unknown_options": True},
)
@click.option("--account", required=True, help="Name of the account.")
@click.option("--reason", required=True, help="Reason, which `easel audit` shows.")
@click.argument("amount", type=Adjustment())
@data_dir_option
def adjust(account: str, reason: str, amount: int, data_dir: Path | None) -> None:
    """Add AMOUNT credits to an account, or take credits back if AMOUNT is negative.

    Credits that are reserved or used cannot be taken back.
    """
    checked = checked_text(reason, "--reason", characters_min=1, characters_max=REASON_CHARACTERS_MAX)
    try:
        available = with_database(data_dir, lambda database: credit_grants.adjust(database, account, amount, checked))
    except BalanceTooLow as error:
        left = credits_shown(error.available_microcredits)
        raise click.ClickException(
            f'Account "{account}" has {left} credits available, so {credits_shown(-amount)} cannot be taken back: '
            f"take back {left} at most."
        ) from None
    if available is None:
        raise click.ClickException("There is no account of that name: `easel keys create` creates one.")
    change = (
        f"Added {credits_shown(amount)} credits to" if amount > 0 else f"Took {credits_shown(-amount)} credits from"
    )
    click.echo(f'{change} account "{account}": {credits_shown(available)} are available.')


@credits_group.command("show")
@data_dir_option
def show_balances(data_dir: Path | None) -> None:
    """Show the credits of every account."""
    listed = table("Account", "Available", "Reserved", "Used")
    for row in with_reader(data_dir, ledger.balances):
        amounts = (row.balance.available, row.balance.reserved, row.balance.used)
        listed.add_row(row.account, *(str(credits_shown(amount)) for amount in amounts))
    show(listed)


@credits_group.command("audit", short_help="Check the invariants of money and work.")
@data_dir_option
def audit_credits(data_dir: Path | None) -> None:
    """Check every invariant of money and work. The service may be running."""

    async def act(database: Database) -> list[audit.Finding]:
        async with database.snapshot(audit.TIMEOUT_S) as reader:
            return await audit.findings(reader)

    findings = with_database(data_dir, act)
    for invariant in audit.INVARIANTS:
        subjects = [finding.subject for finding in findings if finding.invariant == invariant]
        click.echo(f"{'BROKEN' if subjects else 'holds '}  {invariant}" + "".join(f"\n          {s}" for s in subjects))
    if findings:
        raise click.ClickException(_verdict(findings))


def _verdict(findings: Sequence[audit.Finding]) -> str:
    verdict = f"{len(findings)} findings. Please report this: it is a bug in Easel."
    if any(finding.invariant in audit.REPAIRABLE for finding in findings):
        verdict += " `easel credits repair` shows what can be repaired, and repairs it with --apply."
    return verdict


@credits_group.command("repair", short_help="Show and repair wrong balances, counts and usage.")
@click.option("--apply", "is_applied", is_flag=True, help="Make the changes.")
@data_dir_option
def repair_credits(data_dir: Path | None, *, is_applied: bool) -> None:
    """Show balances, counts and usage that differ from the ledger, the holds and the tasks; correct them with --apply.

    The service may be running. The ledger and the tasks are never changed.
    """

    async def act(database: Database) -> repair.Wrong:
        try:
            return await (repair.repair(database) if is_applied else repair.find(database))
        except repair.BeyondRepair as error:
            raise click.ClickException(str(error)) from None

    wrong = with_database(data_dir, act)
    for line in _changes(wrong):
        click.echo(line)
    if not wrong:
        click.echo("Nothing to repair: balances, counts and usage match the ledger, the holds and the tasks.")
    elif is_applied:
        click.echo(f"Repaired: {len(wrong)}.")
    else:
        click.echo(f"To repair: {len(wrong)}. Nothing has been changed yet: run `easel credits repair --apply`.")


def _changes(wrong: repair.Wrong) -> Iterator[str]:
    for balance in wrong.balances:
        yield f'Account "{balance.account}": {_differences(asdict(balance.stored), asdict(balance.derived))}'
    for counts in wrong.counts:
        subject = f'Key {counts.api_key_id} of account "{counts.account}"'
        yield f"{subject}: {_differences(asdict(counts.stored), asdict(counts.derived))}"
    for usage in wrong.usage:
        subject = f'Usage of key {usage.api_key_id} of account "{usage.account}"'
        yield f"{subject}: {_differences(asdict(usage.stored), asdict(usage.derived))}"


def _differences(stored: dict[str, int], derived: dict[str, int]) -> str:
    def shown(name: str, value: int) -> str:
        if name in _COUNTED:
            return str(value)
        return f"{value / MICROCREDITS_PER_CREDIT:.6f}".rstrip("0").rstrip(".")

    changed = (name for name in stored if stored[name] != derived[name])
    return ", ".join(f"{name} {shown(name, stored[name])} becomes {shown(name, derived[name])}" for name in changed)
