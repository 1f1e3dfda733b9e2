"""The units for systemd: valid for the systemd of this machine, and confined."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.support.paths import ROOT

UNITS: Final = sorted((ROOT / "deploy/systemd").glob("*.service"))
DAEMONS: Final = [file for file in UNITS if "Type=exec" in file.read_text()]
TIMER: Final = ROOT / "deploy/systemd/easel-backup.timer"
BACKUP: Final = ROOT / "deploy/systemd/easel-backup"
ANALYZE: Final = shutil.which("systemd-analyze")
EXPOSURE_MAX: Final = 2.5
"""Of 10, as `systemd-analyze security` counts. Units without any restriction have 9.6."""

needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="there is no systemd")


@pytest.fixture(params=UNITS, ids=lambda file: file.name)
def unit(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A unit as it is installed, for a program and a user that this machine has."""
    file: Path = request.param
    installed = tmp_path / file.name.replace("@.", "@0.")
    text = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", file.read_text(), flags=re.MULTILINE)
    text = re.sub(r"^(User|Group)=easel$", r"\1=daemon", text, flags=re.MULTILINE)
    installed.write_text(text)
    return installed


def _analyzed(*arguments: str) -> subprocess.CompletedProcess[str]:
    assert ANALYZE is not None
    return subprocess.run([ANALYZE, *arguments], capture_output=True, text=True)


@needs_systemd
def test_systemd_accepts_a_unit_without_a_warning(unit: Path) -> None:
    verified = _analyzed("verify", str(unit))
    said = [line for line in (verified.stdout + verified.stderr).splitlines() if unit.name in line]
    assert (verified.returncode, said) == (0, [])


@needs_systemd
def test_a_unit_is_confined(unit: Path) -> None:
    told = _analyzed("security", "--offline=true", "--no-pager", str(unit))
    if "unrecognized option" in told.stderr:
        pytest.skip("this systemd cannot judge units that do not run")
    exposure = re.search(r"Overall exposure level for \S+: ([0-9.]+)", told.stdout)
    assert exposure is not None, told.stdout + told.stderr
    assert float(exposure[1]) <= EXPOSURE_MAX


@pytest.mark.parametrize("file", DAEMONS, ids=lambda file: file.name)
def test_a_unit_stops_later_than_easel_itself_gives_up(file: Path) -> None:
    stops_after_s = re.search(r"^TimeoutStopSec=(\d+)$", file.read_text(), flags=re.MULTILINE)
    assert stops_after_s is not None
    assert int(stops_after_s[1]) >= 30 + 10  # EASEL_DRAIN_TIMEOUT_S, and what the supervisor adds


@needs_systemd
def test_the_timer_of_the_backup_names_a_time() -> None:
    [calendar] = re.findall(r"^OnCalendar=(.*)$", TIMER.read_text(), flags=re.MULTILINE)
    assert "Next elapse" in _analyzed("calendar", calendar).stdout


def _backed_up(folder: Path, *arguments: str, command: str) -> subprocess.CompletedProcess[str]:
    """Run the script that makes backups, with another program in the place of `easel`."""
    program = folder / "easel"
    program.write_text(f"#!/bin/sh\n{command}\n")
    program.chmod(0o755)
    environment = {"PATH": "/usr/bin:/bin", "EASEL": str(program)}
    return subprocess.run([str(BACKUP), *arguments], env=environment, capture_output=True, text=True)


def test_the_newest_backups_are_kept(tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    for day in range(1, 6):
        (folder / f"easel-2026-11-0{day}T031700Z.tar").touch()
    (folder / "notes.txt").touch()
    assert _backed_up(tmp_path, str(folder), "3", command='[ "$1" = backup ] && touch "$2"').returncode == 0
    kept = sorted(path.name for path in folder.iterdir())
    assert kept[:2] == ["easel-2026-11-04T031700Z.tar", "easel-2026-11-05T031700Z.tar"]
    assert (len(kept), kept[-1]) == (4, "notes.txt")


def test_a_backup_that_fails_removes_nothing(tmp_path: Path) -> None:
    (tmp_path / "easel-2026-11-01T031700Z.tar").touch()
    assert _backed_up(tmp_path, str(tmp_path), "1", command="exit 3").returncode == 3
    assert (tmp_path / "easel-2026-11-01T031700Z.tar").exists()


def test_what_the_guides_copy_exists() -> None:
    guides = [file.read_text() for file in (ROOT / "docs").rglob("*.md")]
    folders = "|".join(folder.name for folder in (ROOT / "deploy").iterdir())
    named = {name for text in guides for name in re.findall(rf"\bdeploy/(?:{folders})[\w./@-]*\w", text)}
    named.discard("deploy/compose/.env")  # the operator's own
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []
