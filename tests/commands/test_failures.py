"""Every expected failure ends a command with its sentence and with the exit status that `easel serve` understands."""

from collections.abc import Iterator

import click
import pytest

import easel.commands.doctor
import easel.commands.serve  # noqa: F401 - the two import everything that can be unusable
from easel.commands.terminal.failures import explain_failures
from easel.domain.errors import Unusable
from easel.outside.data_folder.service_lock import AlreadyRunning
from easel.supervisor import EXIT_UNUSABLE


def subclasses(kind: type[Unusable]) -> Iterator[type[Unusable]]:
    for each in kind.__subclasses__():
        yield each
        yield from subclasses(each)


def test_unusable_is_the_root_of_many_errors() -> None:
    assert {"EngineUnusable", "DataFolderUnusable", "PostgresUnusable", "SchemaUnusable", "SettingsWrong"} <= {
        kind.__name__ for kind in subclasses(Unusable)
    }


@pytest.mark.parametrize("kind", [*subclasses(Unusable)], ids=lambda kind: kind.__name__)
def test_every_unusable_thing_ends_the_command_with_its_sentence(kind: type[Unusable]) -> None:
    with pytest.raises(click.ClickException) as ended, explain_failures():
        raise kind("The thing is broken: fix it.")
    assert ended.value.message == "The thing is broken: fix it."
    assert ended.value.exit_code == (1 if kind is AlreadyRunning else EXIT_UNUSABLE)


def test_bugs_are_not_caught() -> None:
    with pytest.raises(ZeroDivisionError), explain_failures():
        raise ZeroDivisionError
