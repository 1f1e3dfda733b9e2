"""The table of engines: one entry makes an engine known to the settings, the worker, `easel serve` and the doctor."""

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from easel.assembly.configuration import read_settings
from easel.assembly.engines import ENGINES, devices, engine
from easel.engines.engine import Drawing
from easel.settings.settings import Settings
from tests.support.command_line import environment

CHEAP: Final = sorted(ENGINES.keys() - {"zimage"})
"""The engines that can be made without loading PyTorch."""

WITH_ANOTHER_ENGINE: Final = """
import sys
from click.testing import CliRunner
from easel.__main__ import main
from easel.assembly.configuration import read_settings
from easel.assembly.engines import ENGINES, EngineEntry, devices, engine
from easel.engines.blank.engine import Blank
from easel.engines.engine import Drawing, EngineUnusable, Observation

class Sepia(Blank):
    name = "sepia"

def look(config):
    yield Observation("sepia: draws old photographs")
    raise EngineUnusable("The film is missing: buy some.")

ENGINES["sepia"] = EngineEntry(
    description="old photographs", make=lambda config: Sepia(), look=look, devices=lambda config: ["left", "right"],
    required={"postgres_user": "a photographer"}, only_here=("blank_step_s",),
)
config = read_settings()
made = engine(config)
made.load()
print(made.name, len(made.draw(Drawing("a", 2, 1, 1), lambda done, total: None).rgb), devices(config))
print(CliRunner().invoke(main, ["doctor"]).output)
"""


def read(tmp_path: Path, **environ: str) -> Settings:
    return read_settings({"EASEL_DATA_DIR": str(tmp_path), **{f"EASEL_{name}": text for name, text in environ.items()}})


def with_another_engine(tmp_path: Path, **environ: str) -> str:
    given = {f"EASEL_{name}": text for name, text in environ.items()}
    ran = subprocess.run(
        [sys.executable, "-c", WITH_ANOTHER_ENGINE],
        env=environment() | {"EASEL_DATA_DIR": str(tmp_path / "data"), **given},
        capture_output=True,
        text=True,
    )
    return ran.stdout + ran.stderr


def test_an_entry_in_the_table_is_all_that_an_engine_needs(tmp_path: Path) -> None:
    said = with_another_engine(tmp_path, ENGINE="Sepia", POSTGRES_USER="ada", BLANK_STEP_S="0.1")
    assert "sepia 6 ['left', 'right']\n" in said
    assert "ok       engine     sepia: draws old photographs\n" in said
    assert "PROBLEM  engine     sepia: The film is missing: buy some.\n" in said


def test_an_engines_own_settings_are_required_with_it_and_refused_with_another(tmp_path: Path) -> None:
    assert "EASEL_POSTGRES_USER is required with EASEL_ENGINE=sepia: a photographer." in with_another_engine(
        tmp_path, ENGINE="sepia"
    )
    said = with_another_engine(tmp_path, ENGINE="blank", BLANK_STEP_S="0.1")
    assert (
        "EASEL_BLANK_STEP_S is for the sepia engine: set EASEL_ENGINE=sepia as well, or unset EASEL_BLANK_STEP_S."
        in said
    )
    assert "must be one of blank, remote, sdcpp, sepia, sketch, zimage." in with_another_engine(tmp_path, ENGINE="gpu")


@pytest.mark.parametrize("name", CHEAP)
def test_every_engine_has_the_name_that_the_table_gives_it(name: str, tmp_path: Path) -> None:
    config = read(tmp_path, ENGINE=name, REMOTE_URL="http://127.0.0.1:9", DEVICE="cpu")
    made = engine(config)
    assert (made.name, devices(config)) == (name, ["cpu"])


@pytest.mark.parametrize("name", ["sketch", "blank"])
def test_engines_made_from_the_settings_draw_the_requested_size(name: str, tmp_path: Path) -> None:
    made = engine(read(tmp_path, ENGINE=name))
    made.load()
    assert len(made.draw(Drawing("a red cat", 64, 32, 1), lambda done, total: None).rgb) == 64 * 32 * 3


def test_every_setting_in_the_table_exists(tmp_path: Path) -> None:
    for entry in ENGINES.values():
        assert {*entry.required, *entry.only_here} <= {*Settings.__struct_fields__}
