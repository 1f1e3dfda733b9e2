"""`easel moderation …`: lists, counts and explains decisions. It never shows the prompts of users."""

import asyncio
import sys
from pathlib import Path
from typing import Final

import click
import msgspec

from easel.assembly.configuration import read_settings
from easel.assembly.judges import digest_key
from easel.commands.terminal.command_group import CommandGroup
from easel.commands.terminal.database_session import with_installation, with_reader
from easel.commands.terminal.failures import explain_failures
from easel.commands.terminal.options import data_dir_option, json_option
from easel.commands.terminal.tables import show, table
from easel.domain.errors import EaselError
from easel.domain.moderation.concepts import LITTLE_ELSE
from easel.domain.moderation.decision import Level, ModerationOutcome
from easel.domain.moderation.languages import DetectedLanguages
from easel.domain.moderation.rules import Judgement, Rule
from easel.domain.order import PROMPT_CODE_POINTS_MAX, is_storable
from easel.live.judge import prompt_digest
from easel.outside.judges import rulebook
from easel.outside.judges.plugins import Plugin, load_plugins
from easel.store import moderation_log
from easel.store.database import Database
from easel.store.moderation_log import DecisionSearch, ListedDecision

LISTED_MAX: Final = 1000
DAYS_MAX: Final = 3650
COLUMNS_MIN: Final = 150
DIGEST_CHARACTERS: Final = 12


@click.group("moderation", cls=CommandGroup, short_help="List, count and explain moderation decisions.")
def moderation_group() -> None:
    """List and count what moderation decided, and explain how it judges a prompt."""


@moderation_group.command("list", short_help="List the latest decisions.")
@click.option("--account", help="Show only the decisions about this account.")
@click.option(
    "--outcome", type=click.Choice([outcome.value for outcome in ModerationOutcome]), help="Show only this outcome."
)
@click.option("--task", "task_id", help="Show only the decisions about this task.")
@click.option("--prompt", help="Show only the decisions about exactly this prompt. - reads it from standard input.")
@click.option(
    "--count",
    type=click.IntRange(1, LISTED_MAX),
    default=50,
    show_default=True,
    metavar="N",
    help="Show at most N decisions.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one decision per line.")
@data_dir_option
def list_decisions(
    account: str | None,
    outcome: str | None,
    task_id: str | None,
    prompt: str | None,
    count: int,
    data_dir: Path | None,
    *,
    as_json: bool,
) -> None:
    """List the latest decisions. Prompts appear as digests only."""

    async def act(database: Database, key: bytes) -> list[ListedDecision]:
        digest = None if prompt is None else prompt_digest(key, _text(prompt))
        async with database.reading() as reader:
            return await moderation_log.list_decisions(reader, DecisionSearch(account, outcome, task_id, digest, count))

    decisions = with_installation(data_dir, digest_key, act)
    if as_json:
        for each in decisions:
            shown = {name: getattr(each, name) for name in ListedDecision.__slots__}
            click.echo(msgspec.json.encode(shown | {"prompt_digest": each.prompt_digest.hex()}))
        return
    listed = table(
        "Time", "Account", "Stage", "Level", "Outcome", "Category", "Layer", "Rule or reason", "Task", "Prompt"
    )
    for each in decisions:
        listed.add_row(
            f"{each.decided_at:%Y-%m-%d %H:%M:%S}", each.account, each.stage, each.level, each.outcome,
            each.category or "", each.layer, _because(each), each.task_id or "answered as an error",
            each.prompt_digest.hex()[:DIGEST_CHARACTERS],
        )  # fmt: skip
    show(listed, COLUMNS_MIN)


def _because(decision: ListedDecision) -> str:
    if not decision.scores:
        return decision.rule
    highest = sorted(decision.scores.items(), key=lambda score: score[1], reverse=True)[:1]
    return f"{decision.rule}, {', '.join(f'{name} {score:.2f}' for name, score in highest)}"


@moderation_group.command("count")
@click.option(
    "--days", type=click.IntRange(1, DAYS_MAX), default=7, show_default=True, metavar="N", help="Cover the last N days."
)
@json_option
@data_dir_option
def count_decisions(days: int, data_dir: Path | None, *, as_json: bool) -> None:
    """Count decisions by stage, outcome, layer and category."""

    counts = with_reader(data_dir, lambda reader: moderation_log.count_decisions(reader, days))
    if as_json:
        click.echo(msgspec.json.encode(counts))
        return
    counted = table("Stage", "Outcome", "Layer", "Category", "Decisions")
    for each in counts:
        counted.add_row(each.stage, each.outcome, each.layer, each.category or "", str(each.decisions))
    show(counted)


@moderation_group.command("explain", short_help="Show how PROMPT is judged, and why.")
@click.argument("prompt")
def explain(prompt: str) -> None:
    """Judge PROMPT with the local layers, and show which rule, term and variant decided.

    If PROMPT is -, it is read from standard input. Nothing is recorded, and the moderation server is not called.
    """
    text = _text(prompt)
    with explain_failures():
        plugins = load_plugins(read_settings().moderation_plugin_list)
    rules = rulebook.load()
    click.echo(f"languages: {_languages(rules.judge(text, Level.BASIC).languages)}")
    for level in Level:
        judgement = rules.judge(text, level)
        click.secho(f"{level}: {_said(judgement)} (rules {rules.version})", bold=True)
        for rule in judgement.rules:
            click.echo(f"  {rule.name} ({rule.category})")
            for line in _evidence(rule, judgement):
                click.echo(f"    {line}")
        for plugin in plugins:
            click.echo(f"  plug-in {plugin.name}: {asyncio.run(_of_plugin(plugin, text, level))}")
        if not judgement.rules and judgement.found:
            found = ", ".join(f"{concept} ({found.term})" for concept, found in judgement.found.items() if found.term)
            click.echo(f"  found, but not refused in combination: {found}")


def _languages(detected: DetectedLanguages) -> str:
    """The languages that the prompt evidently is in, then those that only a function word suggests."""
    also = detected.hinted - detected.evident
    return (", ".join(sorted(detected.evident)) or "none known") + (
        f"; perhaps {', '.join(sorted(also))}" if also else ""
    )


def _said(judgement: Judgement) -> str:
    return f"refused as {judgement.rules[0].category}" if judgement.rules else "passes"


def _evidence(rule: Rule, judgement: Judgement) -> list[str]:
    lines = []
    for concept in sorted(frozenset().union(*rule.groups) & judgement.found.keys()):
        found = judgement.found[concept]
        what = "next to no other words" if concept == LITTLE_ELSE else f"the term {found.term!r}"
        lines.append(f"{concept}: {what}, in the variant {found.variant.strip()!r}")
    return lines


async def _of_plugin(plugin: Plugin, text: str, level: Level) -> str:
    try:
        finding = await plugin.judge_prompt(text, level)
    except EaselError as error:
        return f"cannot judge: {error}"
    return "finds nothing" if finding is None else f"refuses as {finding.category}"


def _text(argument: str) -> str:
    text = sys.stdin.read().removesuffix("\n") if argument == "-" else argument
    if not 1 <= len(text) <= PROMPT_CODE_POINTS_MAX:
        raise click.ClickException(f"A prompt must have 1 to {PROMPT_CODE_POINTS_MAX} characters.")
    if not is_storable(text):
        raise click.ClickException("A prompt must be valid UTF-8 without NUL characters.")
    return text
