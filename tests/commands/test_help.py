"""`easel help` and the completion of commands in shells."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command_line import easel, environment

_PROGRAM = "from easel.__main__ import main; main(prog_name='easel')"


def test_help_explains_a_command() -> None:
    assert easel("help", "keys", "create").stdout == easel("keys", "create", "--help").stdout
    assert easel("help").stdout == easel("--help").stdout


def test_help_explains_a_setting() -> None:
    shown = easel("help", "easel_port").stdout
    assert shown.startswith("EASEL_PORT\n")
    assert "Value: a whole number from 0 to 65535\nDefault: 8000\n" in shown


def test_help_lists_all_settings() -> None:
    shown = easel("help", "settings").stdout
    assert "EASEL_PORT" in shown
    assert "EASEL_API_KEY" in shown


@pytest.mark.parametrize("topic", [("nothing",), ("keys", "nothing"), ("generate", "x"), ("EASEL_NOTHING",)])
def test_an_unknown_topic_is_refused(topic: tuple[str, ...]) -> None:
    refused = easel("help", *topic)
    assert refused.returncode == 2
    assert "There is no" in refused.stderr


@pytest.mark.parametrize(
    ("topic", "meant"), [(("generates",), "generate"), (("keys", "creat"), "create"), (("EASEL_PROT",), "EASEL_PORT")]
)
def test_a_misspelt_topic_is_answered_with_the_one_that_was_meant(topic: tuple[str, ...], meant: str) -> None:
    assert f"Did you mean {meant}?" in easel("help", *topic).stderr


def test_a_misspelt_command_is_refused_with_the_one_that_was_meant() -> None:
    refused = easel("generates", "a cat")
    assert refused.returncode == 2
    assert "No such command 'generates'. Did you mean 'generate'?" in refused.stderr
    assert "Did you mean" not in easel("qqq").stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_a_shell_is_one_that_it_can_read(shell: str, tmp_path: Path) -> None:
    script = easel("completion", shell).stdout
    assert "_EASEL_COMPLETE" in script
    if shutil.which(shell) is not None:
        file = tmp_path / "script"
        file.write_text(script)
        checked = subprocess.run([shell, "-n", str(file)], capture_output=True, text=True, timeout=30)
        assert checked.returncode == 0, checked.stderr


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_shows_whole_descriptions(tmp_path: Path) -> None:
    (tmp_path / "easel.fish").write_text(easel("completion", "fish").stdout)
    (tmp_path / "easel").write_text(f'#!/bin/sh\nexec {sys.executable} -c "{_PROGRAM}" "$@"\n')
    (tmp_path / "easel").chmod(0o755)
    offered = subprocess.run(
        ["fish", "--no-config", "-c", f'set PATH {tmp_path} $PATH; source {tmp_path}/easel.fish; complete -C "easel ta"'],
        env=environment(HOME=str(tmp_path)), capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert offered.stdout == "tasks\tList, show, fetch, cancel and delete tasks.\n"


@pytest.mark.parametrize(
    ("line", "offered"), [("easel ta", "tasks"), ("easel tasks fe", "fetch"), ("easel generate --si", "--size")]
)
def test_commands_and_options_are_completed(line: str, offered: str) -> None:
    asked = environment(_EASEL_COMPLETE="bash_complete", COMP_WORDS=line, COMP_CWORD=str(len(line.split()) - 1))
    ran = subprocess.run([sys.executable, "-c", _PROGRAM], env=asked, capture_output=True, text=True, timeout=30)
    assert ran.stdout.splitlines() == [f"plain,{offered}"], ran.stderr
