"""Waits, as a process starts, for a database that does not answer yet: a machine may start both at the same time.

A server that answers and refuses is not waited for: neither a wrong password nor a missing database mends itself.
Behind a pooler, a refusal does not show whether its server is away, so every failure is waited for.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import structlog

from easel.assembly.installation import Installation
from easel.store.database import DatabaseUnavailable
from easel.store.server_ping import is_answering

log = structlog.get_logger(__name__)

TRY_EVERY_S: Final = 0.5
_Prepared = TypeVar("_Prepared")


async def once_reachable(
    prepare: Callable[[], Awaitable[_Prepared]],
    installed: Installation,
    wait_s: float,
    is_stopping: Callable[[], bool] = lambda: False,
) -> _Prepared:
    """What `prepare` returns, tried again for at most `wait_s` seconds while the database does not answer.

    Ends the process if it is asked to stop meanwhile. Raises DatabaseUnavailable, and whatever else `prepare` raises.
    """
    give_up_s = time.monotonic() + wait_s
    is_told = False
    while True:
        try:
            return await prepare()
        except DatabaseUnavailable as error:
            if time.monotonic() >= give_up_s or await asyncio.to_thread(_refuses, installed):
                raise
            if not is_told:
                log.warning("database_awaited", reason=str(error), up_to_s=wait_s)
                is_told = True
        if is_stopping():
            sys.exit(0)
        await asyncio.sleep(TRY_EVERY_S)


def _refuses(installed: Installation) -> bool:
    """Whether the database's server answers, so that waiting would not help."""
    return not installed.sessions.is_pooled and is_answering(installed.database_url)
