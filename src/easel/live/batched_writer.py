"""Writes many rows with one statement: those that arrive while a statement runs share the next one.

A statement costs this process many times what a row costs the database, so under load batching makes writes much
cheaper. It delays none: the first one is written at once. Each writer learns the result of its own row after the
commit.

If the database rejects a statement, its rows are written one by one, so that a wrong row fails alone. If a statement
fails otherwise, every row of its batch has failed, or may have been written although the answer was lost. Rows must
therefore be safe to write twice.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final, Generic, TypeVar

from easel.store.database import DatabaseFault, DatabaseUnavailable, Writer

BATCH_MAX: Final = 200
"""Rows that one statement writes."""
_Row = TypeVar("_Row")
_Written = TypeVar("_Written")


class BatchedWriter(Generic[_Row, _Written]):
    """One process's writes of one kind, for the action that makes it.

    `write` runs the statement on a connection that `lend` lends for one statement, and returns one result for each row,
    in order. At most `at_once` statements run at a time.
    """

    def __init__(
        self,
        lend: Callable[[], AbstractAsyncContextManager[Writer]],
        write: Callable[[Writer, Sequence[_Row]], Awaitable[Sequence[_Written]]],
        at_once: int = 1,
    ) -> None:
        self._lend = lend
        self._write = write
        self._at_once = at_once
        self._waiting: list[tuple[_Row, asyncio.Future[_Written]]] = []
        self._writing: set[asyncio.Task[None]] = set()

    async def write(self, row: _Row) -> _Written:
        """Write a row, and return its result. Raises DatabaseUnavailable, DatabaseFault, and whatever `write` raises.

        A caller that is cancelled does not know whether its row was written.
        """
        written: asyncio.Future[_Written] = asyncio.get_running_loop().create_future()
        self._waiting.append((row, written))
        # A statement that is done may not have been discarded yet.
        if sum(not writing.done() for writing in self._writing) < self._at_once:
            writing = asyncio.create_task(self._write_waiting())
            self._writing.add(writing)
            writing.add_done_callback(self._writing.discard)
        return await written

    async def finish(self) -> None:
        """Wait until everything that was to be written is written, or has failed."""
        while self._writing:
            await asyncio.wait(self._writing)

    async def _write_waiting(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:BATCH_MAX], self._waiting[BATCH_MAX:]
            try:
                await self._write_batch(batch)
            finally:
                _fail(batch, DatabaseUnavailable("the write was cancelled"))

    async def _write_batch(self, batch: Sequence[tuple[_Row, asyncio.Future[_Written]]]) -> None:
        try:
            async with self._lend() as connection:
                results = await self._write(connection, [row for row, _ in batch])
        except DatabaseFault as fault:
            if len(batch) == 1:
                _fail(batch, fault)
            else:
                for single in batch:
                    await self._write_batch([single])
        except Exception as error:  # noqa: BLE001 - each of those who wait gets it
            _fail(batch, error)
        else:
            for (_, written), result in zip(batch, results, strict=True):
                if not written.done():  # its caller may have been cancelled
                    written.set_result(result)


def _fail(batch: Sequence[tuple[_Row, asyncio.Future[_Written]]], failure: Exception) -> None:
    for _, written in batch:
        if not written.done():
            written.set_exception(failure)
