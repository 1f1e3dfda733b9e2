"""What the documents claim, held to the code."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click
import pytest
import yaml
from click.testing import CliRunner
from tools import command_reference, settings_reference

from easel.__main__ import main
from easel.settings import settings
from easel.settings.settings import ClientSettings, Settings
from easel.store import audit
from tests.support.paths import ROOT

README: Final = (ROOT / "README.md").read_text(encoding="utf-8")
ARCHITECTURE: Final = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
DOCUMENTS: Final = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
SETTINGS_PAGE: Final = (ROOT / "docs/reference/settings.md").read_text(encoding="utf-8")
SETTINGS: Final = settings.variables(Settings) | settings.variables(ClientSettings)
README_LINES_MAX: Final = 150


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= README_LINES_MAX


def test_the_settings_page_is_what_make_reference_writes() -> None:
    assert settings_reference.page() == SETTINGS_PAGE


def test_the_settings_page_lists_every_setting_and_no_other() -> None:
    listed = re.findall(r"^\| `(EASEL_[A-Z_]+)` \|", SETTINGS_PAGE, flags=re.MULTILINE)
    assert len(listed) == len(set(listed))
    assert set(listed) == SETTINGS


def test_the_defaults_on_the_settings_page_are_the_settings_own() -> None:
    shown = dict(re.findall(r"^\| `(EASEL_[A-Z_]+)` \| `([^`]+)` \|", SETTINGS_PAGE, flags=re.MULTILINE))
    read = settings.read({"HOME": "/home/you"})
    client = settings.read_client({})
    for name, default in shown.items():
        owner = client if name in {"EASEL_URL", "EASEL_API_KEY"} else read
        value = getattr(owner, name.removeprefix("EASEL_").lower())
        text = (
            str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
        )
        assert text == default, name


@pytest.mark.parametrize("document", DOCUMENTS, ids=_name)
def test_settings_that_a_document_names_exist(document: Path) -> None:
    named = set(re.findall(r"EASEL_[A-Z0-9_]+[A-Z]", document.read_text(encoding="utf-8")))
    assert named - SETTINGS <= {"EASEL_CALLBACK_SECRET"}  # a variable of the receivers that callbacks.md shows


@pytest.mark.parametrize("document", DOCUMENTS, ids=_name)
def test_commands_that_a_document_shows_exist_with_their_options(document: Path) -> None:
    for line in _shown_commands(document.read_text(encoding="utf-8")):
        path, command = _command(line)
        answer = CliRunner().invoke(main, [*path, "--help"])
        assert answer.exit_code == 0, line
        offered = {option for each in command.params for option in [*each.opts, *each.secondary_opts]} | {"--help"}
        named = set(re.findall(r"(?<= )--[a-z-]+|(?<= )-[a-z]\b", line))
        assert named <= offered, line


def _shown_commands(text: str) -> Iterator[str]:
    """Every `easel …` in a code block or in backquotes, without a comment behind it."""
    for block in re.findall(r"^ *```\n(.*?)^ *```", text, flags=re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            shown = re.match(r"\s*(?:\$ )?(?:EASEL_[A-Z_]+=(?:\"[^\"]*\"|\S*) )*easel ([a-z].*)", line)
            if shown:
                yield shown[1].split(" #")[0].split(" | ")[0]
    for words in re.findall(r"`easel ([a-z][^`]*)`", text):
        yield words.replace("\n", " ")


def _command(line: str) -> tuple[list[str], click.Command]:
    """The command that a line runs: its names, and what click knows of it. Fails when there is none."""
    command: click.Command = main
    path: list[str] = []
    for word in line.split():
        if not isinstance(command, click.Group) or not re.fullmatch(r"[a-z-]+", word):
            break
        command = _commands(command)[word]
        path.append(word)
    return path, command


def _commands(group: click.Group) -> dict[str, click.Command]:
    context = click.Context(group)
    found = {name: group.get_command(context, name) for name in group.list_commands(context)}
    return {name: command for name, command in found.items() if command is not None}


def test_the_command_line_page_is_current() -> None:
    """`make reference` writes it."""
    assert command_reference.page() == command_reference.PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("document", DOCUMENTS, ids=_name)
def test_make_targets_that_a_document_shows_exist(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    blocks = re.findall(r"^ *```\n(.*?)^ *```", text, flags=re.MULTILINE | re.DOTALL)
    shown = re.findall(r"^ *make ([a-z-]+)", "".join(blocks), flags=re.MULTILINE) + re.findall(r"`make ([a-z-]+)", text)
    assert set(shown) <= _make_targets()


def _make_targets() -> set[str]:
    offered = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return {line.split()[0] for line in offered.splitlines() if line.strip()}


def test_the_readme_shows_the_two_commands() -> None:
    assert {"demo", "test"} <= set(re.findall(r"make ([a-z]+)", README))


def test_the_audit_is_shown_as_it_is() -> None:
    page = (ROOT / "docs/how-to/keys-limits-and-prices.md").read_text(encoding="utf-8")
    shown = re.findall(r"^holds   (.+)$", page, flags=re.MULTILINE)
    assert shown == list(audit.INVARIANTS)


def test_the_api_page_lists_every_endpoint() -> None:
    page = (ROOT / "docs/reference/api.md").read_text(encoding="utf-8")
    paths = yaml.safe_load((ROOT / "src/easel/web/reference/openapi.yaml").read_text(encoding="utf-8"))["paths"]
    methods = {"get", "head", "post", "put", "patch", "delete"}
    offered = [f"{method.upper()} {path}" for path, each in paths.items() for method in each if method in methods]
    assert sorted(re.findall(r"^\| `([A-Z]+ /[^`]*)` \|", page, flags=re.MULTILINE)) == sorted(offered)


@pytest.mark.parametrize("document", DOCUMENTS, ids=_name)
def test_files_of_the_code_that_a_document_names_exist(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    assert _missing(re.findall(r"`((?:[a-z_]+/)+[a-z_0-9]+\.(?:py|yaml|toml))`", text)) == []


def test_folders_that_the_architecture_names_exist() -> None:
    named = re.findall(r"`((?:[a-z_]+/)+)`", ARCHITECTURE)
    assert len(named) > 10
    assert _missing(named) == []


def _missing(named: list[str]) -> list[str]:
    folders = [ROOT, ROOT / "src/easel"]
    return [name for name in named if not any((folder / name).exists() for folder in folders)]


def test_every_tier_is_in_the_architecture() -> None:
    table = ARCHITECTURE.split("## Tiers")[1].split("## One request")[0]
    for path in (ROOT / "src/easel").iterdir():
        if path.name not in {"__init__.py", "__pycache__", "py.typed"}:
            assert f"`{path.stem}" in table, path.name


@pytest.mark.parametrize("document", DOCUMENTS, ids=_name)
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\((?!https?://)([^)#]+)", document.read_text(encoding="utf-8")):
        assert (document.parent / target).exists(), target


def test_decisions_are_numbered_without_a_gap() -> None:
    numbers = sorted(int(path.name[:4]) for path in (ROOT / "docs/decisions").glob("[0-9]*.md"))
    assert numbers == list(range(1, len(numbers) + 1))


def test_the_index_names_every_decision() -> None:
    index = (ROOT / "docs/decisions/index.md").read_text(encoding="utf-8")
    for path in (ROOT / "docs/decisions").glob("[0-9]*.md"):
        title = path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
        assert f"[{title}]({path.name})" in index
