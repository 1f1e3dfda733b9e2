"""Answers many look-ups with one statement: those that arrive while a statement runs share the next one.

A statement costs this process many times what it costs the database, so under load batching makes reads much cheaper.
No answer is older than its request: it comes from a statement that was sent after the request.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Final, Generic, TypeVar

from easel.store.database import Database, DatabaseUnavailable, Reader

BATCH_MAX: Final = 200
"""Keys that one statement looks up."""
KEPT_S: Final = 1.0
"""How long a connection is kept while look-ups keep coming. Borrowing one costs as much as looking up ten keys."""
_Key = TypeVar("_Key", bound=Hashable)
_Found = TypeVar("_Found")


class BatchedReader(Generic[_Key, _Found]):
    """One process's look-ups of one kind. `read` runs the statement and returns what it finds, by key."""

    def __init__(
        self, database: Database, read: Callable[[Reader, Sequence[_Key]], Awaitable[Mapping[_Key, _Found]]]
    ) -> None:
        self._database = database
        self._read = read
        self._wanted: dict[_Key, list[asyncio.Future[_Found | None]]] = {}
        self._batch: dict[_Key, list[asyncio.Future[_Found | None]]] = {}
        self._reading: asyncio.Task[None] | None = None

    async def find(self, key: _Key) -> _Found | None:
        """What the statement finds for this key, or None.

        Raises DatabaseUnavailable, DatabaseFault, and what `read` raises.
        """
        wanted: asyncio.Future[_Found | None] = asyncio.get_running_loop().create_future()
        self._wanted.setdefault(key, []).append(wanted)
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read_all())
        return await wanted

    async def _read_all(self) -> None:
        while self._wanted:
            self._take_batch()
            failure: Exception = DatabaseUnavailable("the look-up was cancelled")
            try:
                await self._database.read(self._read_batches)
            except Exception as error:  # noqa: BLE001 - each of those who wait gets it
                failure = error
            finally:
                for wanted in self._waiting():
                    wanted.set_exception(failure)

    async def _read_batches(self, connection: Reader) -> None:
        kept_until_s = time.monotonic() + KEPT_S
        while self._batch:
            found = await self._read(connection, list(self._batch))
            for key, futures in self._batch.items():
                for wanted in futures:
                    if not wanted.done():  # else the client has left
                        wanted.set_result(found.get(key))
            self._batch = {}
            if time.monotonic() < kept_until_s:
                self._take_batch()

    def _take_batch(self) -> None:
        if len(self._wanted) <= BATCH_MAX:
            self._batch, self._wanted = self._wanted, {}
        else:
            self._batch = {key: self._wanted.pop(key) for key in list(self._wanted)[:BATCH_MAX]}

    def _waiting(self) -> list[asyncio.Future[_Found | None]]:
        """The futures of the batch that is being read, if it failed."""
        return [wanted for futures in self._batch.values() for wanted in futures if not wanted.done()]
