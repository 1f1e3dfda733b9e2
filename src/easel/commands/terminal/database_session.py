"""Opens the database, runs one action of a command, and closes the database."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from easel.assembly.configuration import read_settings
from easel.assembly.installation import Installation, installation, open_database, pepper, prepare_database
from easel.commands.terminal.failures import explain_failures
from easel.domain.secret import Secret
from easel.runtime import logs
from easel.settings.settings import Settings
from easel.store.database import Database, Reader

_Answer = TypeVar("_Answer")


def with_reader(data_dir: Path | None, query: Callable[[Reader], Awaitable[_Answer]]) -> _Answer:
    """The result of `query`, which gets a connection that cannot write."""

    async def act(database: Database) -> _Answer:
        async with database.reading() as reader:
            return await query(reader)

    return with_database(data_dir, act)


def with_database(data_dir: Path | None, act: Callable[[Database], Awaitable[_Answer]]) -> _Answer:
    """The result of `act`, which gets the database."""
    return with_installation(data_dir, pepper, lambda database, _pepper: act(database))


def with_installation(
    data_dir: Path | None,
    derive: Callable[[Secret], bytes],
    act: Callable[[Database, bytes], Awaitable[_Answer]],
    *,
    creates: bool = False,
) -> _Answer:
    """The result of `act`, which gets the database and the key that `derive` returns for the secret.

    If there is no installation, one is created only if `creates` is set.
    """

    async def run(config: Settings, installed: Installation) -> _Answer:
        await prepare_database(installed, creates=creates)
        async with open_database(config, installed) as database:
            return await act(database, derive(installed.secret))

    with explain_failures():
        config = read_settings(data_dir=data_dir)
        logs.configure("command", config.log_format, "warning")
        with installation(config, creates=creates) as installed:
            return asyncio.run(run(config, installed))
