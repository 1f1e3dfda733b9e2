"""Runs an action of a command with the database, which is opened for it and closed after it."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from easel.assembly.configuration import read_settings
from easel.assembly.installation import Installation, database_of, installation, pepper
from easel.commands.terminal.failures import explain_failures
from easel.domain.secret import Secret
from easel.runtime import logs
from easel.settings import settings
from easel.store import schema
from easel.store.database import Database

_Answer = TypeVar("_Answer")


def with_database(
    data_dir: Path | None, act: Callable[[Database, bytes], Awaitable[_Answer]], *, creates: bool = False
) -> _Answer:
    """Do something with the installation's database and its pepper, and give what came of it.

    Where there is no installation, one is made only by what `creates`.
    """
    return with_installation(data_dir, pepper, act, creates=creates)


def with_installation(
    data_dir: Path | None,
    derive: Callable[[Secret], bytes],
    act: Callable[[Database, bytes], Awaitable[_Answer]],
    *,
    creates: bool = False,
) -> _Answer:
    """Do something with the installation's database and what is derived from its secret, and give what came of it."""

    async def run(read: settings.Settings, installed: Installation) -> _Answer:
        await schema.prepare(installed.database_url, installed.secret, creates=creates)
        database = database_of(read, installed)
        await database.open()
        try:
            return await act(database, derive(installed.secret))
        finally:
            await database.close()

    with explain_failures():
        read = read_settings(data_dir=data_dir)
        logs.configure("command", read.log_format, "warning")
        with installation(read, creates=creates) as installed:
            return asyncio.run(run(read, installed))
