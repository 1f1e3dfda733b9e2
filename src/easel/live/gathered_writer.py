"""Does many alike writes with one statement: those that are wanted while others are under way share the next one.

It is the counterpart of `batched_reader` and writes nothing itself: `write` does, which an action provides. As long as
fewer than AT_ONCE statements are under way, nothing waits. A caller that is cancelled does not stop the statement.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, TypeVar

from easel.store.database import DatabaseFault, DatabaseUnavailable

AT_ONCE: Final = 2
BATCH_MAX: Final = 100
_Item = TypeVar("_Item")
_Outcome = TypeVar("_Outcome")


class GatheredWriter(Generic[_Item, _Outcome]):
    """One process's writes of one kind. `write` returns an outcome for each item, in the same order."""

    def __init__(self, write: Callable[[Sequence[_Item]], Awaitable[Sequence[_Outcome]]]) -> None:
        self._write = write
        self._wanted: list[tuple[_Item, asyncio.Future[_Outcome]]] = []
        self._writing: set[asyncio.Task[None]] = set()

    async def add(self, item: _Item) -> _Outcome:
        """Write an item; its outcome. Raises DatabaseUnavailable, DatabaseFault."""
        outcome: asyncio.Future[_Outcome] = asyncio.get_running_loop().create_future()
        self._wanted.append((item, outcome))
        if len(self._writing) < AT_ONCE:
            writing = asyncio.create_task(self._write_wanted())
            self._writing.add(writing)
            writing.add_done_callback(self._writing.discard)
        return await outcome

    async def _write_wanted(self) -> None:
        while self._wanted:
            batch, self._wanted = self._wanted[:BATCH_MAX], self._wanted[BATCH_MAX:]
            try:
                await self._write_batch(batch)
            finally:
                for _, outcome in batch:
                    if not outcome.done():
                        outcome.set_exception(DatabaseUnavailable("the statement was cancelled"))

    async def _write_batch(self, batch: Sequence[tuple[_Item, asyncio.Future[_Outcome]]]) -> None:
        try:
            outcomes = await self._write([item for item, _ in batch])
        except DatabaseUnavailable as error:
            _fail(batch, error)
        except DatabaseFault as error:
            if len(batch) == 1:
                _fail(batch, error)
                return
            # The database rejects all for what is wrong with one.
            for single in batch:
                await self._write_batch([single])
        else:
            for (_, outcome), done in zip(batch, outcomes, strict=True):
                if not outcome.done():  # else its caller has left
                    outcome.set_result(done)


def _fail(batch: Sequence[tuple[_Item, asyncio.Future[_Outcome]]], error: DatabaseUnavailable | DatabaseFault) -> None:
    for _, outcome in batch:
        if not outcome.done():
            outcome.set_exception(type(error)(*error.args))
