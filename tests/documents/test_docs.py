"""What the documents claim, held to the code."""

import re
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from easel.__main__ import main
from easel.settings import settings
from easel.settings.settings import ClientSettings, Settings
from easel.store import audit
from tests.support.paths import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
SETTINGS_WITHOUT_A_FIELD = {"EASEL_SECRET_FILE", "EASEL_REMOTE_API_KEY_FILE", "EASEL_MODERATION_API_KEY_FILE"}


def test_the_readmes_table_lists_every_setting_and_no_other() -> None:
    listed = re.findall(r"^\| `(EASEL_[A-Z_]+)` \|", README, flags=re.MULTILINE)
    fields = [*Settings.__struct_fields__, *ClientSettings.__struct_fields__]
    assert len(listed) == len(set(listed))
    assert set(listed) == {settings.variable(field) for field in fields} | SETTINGS_WITHOUT_A_FIELD


def test_the_readmes_defaults_are_the_settings_own() -> None:
    shown = dict(re.findall(r"^\| `(EASEL_[A-Z_]+)` \| `([^`]+)` \|", README, flags=re.MULTILINE))
    read = settings.read({"HOME": "/home/you"})
    client = settings.read_client({})
    for name, default in shown.items():
        owner = client if name in {"EASEL_URL", "EASEL_API_KEY"} else read
        value = getattr(owner, name.removeprefix("EASEL_").lower())
        text = (
            str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
        )
        assert text == default, name


def test_every_command_in_the_readme_exists() -> None:
    for line in re.findall(r"^(?:\$ )?easel ([a-z].*)$", README, flags=re.MULTILINE):
        words = line.split("#")[0].split()
        named = (
            words[:2] if words[0] in {"keys", "groups", "credits", "callbacks", "moderation", "secret"} else words[:1]
        )
        answer = CliRunner().invoke(main, [*named, "--help"])
        assert answer.exit_code == 0, line
        for option in re.findall(r"--[a-z-]+|(?<= )-o", line):
            assert option in answer.output, (line, option)


def test_every_make_target_in_the_readme_exists() -> None:
    targets = set(re.findall(r"make ([a-z]+)", README))
    offered = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert targets <= {line.split()[0] for line in offered.splitlines() if line.strip()}
    assert {"demo", "test"} <= targets


def test_the_readme_shows_the_audit_as_it_is() -> None:
    for invariant in audit.INVARIANTS:
        assert f"holds   {invariant}\n" in README


def test_every_file_that_the_architecture_names_exists() -> None:
    named = set(re.findall(r"`((?:[a-z_]+/)*[a-z_]+(?:\.py|\.yaml|/))`", ARCHITECTURE))
    assert len(named) > 20
    missing = [name for name in named if not (ROOT / name).exists() and not (ROOT / "src/easel" / name).exists()]
    assert missing == []


def test_every_tier_is_in_the_architecture() -> None:
    table = ARCHITECTURE.split("## Tiers")[1].split("## One request")[0]
    for path in (ROOT / "src/easel").iterdir():
        if path.name not in {"__init__.py", "__pycache__"}:
            assert f"`{path.stem}" in table, path.name


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\((?!https?://)([^)#]+)", document.read_text(encoding="utf-8")):
        assert (document.parent / target).exists(), target


def test_decisions_are_numbered_without_a_gap() -> None:
    numbers = sorted(int(path.name[:4]) for path in (ROOT / "docs/decisions").glob("[0-9]*.md"))
    assert numbers == list(range(1, len(numbers) + 1))
