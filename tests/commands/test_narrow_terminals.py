"""Lists and help in narrow terminals: no line ends in an ellipsis, and no value is broken in the middle."""

import click
import pytest

from easel.__main__ import _COMMANDS, main
from easel.commands.terminal.tables import show, table
from tests.support.command_line import easel

REASON = "the prompt names something that is not to be drawn here"
IDS = [f"task-unified-1757165031-uyujaw{n:02}" for n in range(3)]


@pytest.fixture
def columns(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> int:
    monkeypatch.setenv("COLUMNS", str(request.param))
    return int(request.param)


def printed(capsys: pytest.CaptureFixture[str]) -> list[str]:
    listed = table("Id", "Status", "Reason", "Account")
    for each in IDS:
        listed.add_row(each, "completed", REASON, "somebody")
    show(listed)
    return [line.rstrip() for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize("columns", [200, 120, 80], indirect=True)
def test_cells_wrap_between_words(columns: int, capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys)
    assert max(map(len, lines)) <= columns
    for each in IDS:
        assert each in "\n".join(lines)
    assert "…" not in "".join(lines)
    words = {word for line in lines[1:] for word in line.split()}
    assert words == {*IDS, "completed", "somebody", *REASON.split()}


@pytest.mark.parametrize("columns", [40, 60], indirect=True)
def test_rows_that_do_not_fit_become_blocks(columns: int, capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys)
    assert lines[:2] == [f"Id       {IDS[0]}", "Status   completed"]
    assert lines.count("") == 2


def test_a_table_without_rows_shows_its_columns(capsys: pytest.CaptureFixture[str]) -> None:
    show(table("Id", "Status"))
    assert capsys.readouterr().out.split() == ["Id", "Status"]


@pytest.mark.parametrize("width", ["100", "80", "40"])
@pytest.mark.parametrize("words", [(), ("keys",), ("generate",), ("keys", "create"), ("tasks", "wait")], ids=" ".join)
def test_no_line_of_the_help_is_cut_or_too_wide(words: tuple[str, ...], width: str) -> None:
    shown = easel(*words, "--help", COLUMNS=width).stdout
    assert max(map(len, shown.splitlines())) <= int(width)
    assert "..." not in shown.replace("[ARGS]...", "")


def test_the_help_shows_the_purpose_of_each_command() -> None:
    context = click.Context(main)
    for name, entry in _COMMANDS.items():
        command = main.get_command(context, name)
        assert command is not None
        assert command.get_short_help_str(200) == entry.purpose
