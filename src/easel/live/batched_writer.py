"""Writes many rows with one statement: those that arrive while a statement runs share the next one.

A statement costs this process many times what a row costs the database, so under load batching makes writes much
cheaper. It delays none: the first one is written at once. Each writer learns the result of its own row after the commit.

If the statement fails, every row of its batch has failed, or may have been written although the answer was lost. Rows
must therefore be safe to write twice.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final, Generic, TypeVar

from easel.store.database import DatabaseUnavailable, Writer

BATCH_MAX: Final = 200
"""Rows that one statement writes."""
_Row = TypeVar("_Row")
_Written = TypeVar("_Written")


class BatchedWriter(Generic[_Row, _Written]):
    """One process's writes of one kind, for the action that makes it.

    `write` runs the statement on a connection that `lend` lends for one statement, and returns one result for each row,
    in order.
    """

    def __init__(
        self,
        lend: Callable[[], AbstractAsyncContextManager[Writer]],
        write: Callable[[Writer, Sequence[_Row]], Awaitable[Sequence[_Written]]],
    ) -> None:
        self._lend = lend
        self._write = write
        self._waiting: list[tuple[_Row, asyncio.Future[_Written]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def write(self, row: _Row) -> _Written:
        """Write a row, and return its result. Raises DatabaseUnavailable, DatabaseFault, and whatever `write` raises.

        A caller that is cancelled does not know whether its row was written.
        """
        written: asyncio.Future[_Written] = asyncio.get_running_loop().create_future()
        self._waiting.append((row, written))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_batches())
        return await written

    async def finish(self) -> None:
        """Wait until everything that was to be written is written, or has failed."""
        while self._writing is not None and not self._writing.done():
            await asyncio.wait({self._writing})

    async def _write_batches(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:BATCH_MAX], self._waiting[BATCH_MAX:]
            failure: Exception = DatabaseUnavailable("the write was cancelled")
            results: Sequence[_Written] | None = None
            try:
                async with self._lend() as connection:
                    results = await self._write(connection, [row for row, _ in batch])
            except Exception as error:  # noqa: BLE001 - each of those who wait gets it
                results, failure = None, error
            finally:
                _settle([written for _, written in batch], results, failure)


def _settle(
    waiting: Sequence[asyncio.Future[_Written]], results: Sequence[_Written] | None, failure: Exception
) -> None:
    """Give each of those who wait its result, or the failure. Some may have been cancelled meanwhile."""
    for number, written in enumerate(waiting):
        if written.done():
            continue
        if results is None:
            written.set_exception(failure)
        else:
            written.set_result(results[number])
