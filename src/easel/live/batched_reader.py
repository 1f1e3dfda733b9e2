"""Answers many look-ups with one statement: those that arrive while a statement runs share the next one.

A statement costs this process many times what it costs the database, so under load batching makes reads much cheaper.
No answer is older than its request: it comes from a statement that was sent after the request.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Final, Generic, TypeVar

from easel.store.database import Database, DatabaseFault, DatabaseUnavailable, Reader

BATCH_MAX: Final = 200
"""Keys that one statement looks up."""
_Key = TypeVar("_Key", bound=Hashable)
_Found = TypeVar("_Found")


class BatchedReader(Generic[_Key, _Found]):
    """One process's look-ups of one kind. `read` runs the statement and returns what it finds, by key."""

    def __init__(
        self, database: Database, read: Callable[[Reader, Sequence[_Key]], Awaitable[Mapping[_Key, _Found]]]
    ) -> None:
        self._database = database
        self._read = read
        self._wanted: dict[_Key, asyncio.Future[_Found | None]] = {}
        self._reading: asyncio.Task[None] | None = None

    async def find(self, key: _Key) -> _Found | None:
        """What the statement finds for this key, or None. Raises DatabaseUnavailable, DatabaseFault."""
        if key not in self._wanted:
            self._wanted[key] = asyncio.get_running_loop().create_future()
        wanted = self._wanted[key]
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read_batches())
        # Shielded, because others may wait for the same future.
        return await asyncio.shield(wanted)

    async def _read_batches(self) -> None:
        while self._wanted:
            batch = {key: self._wanted.pop(key) for key in list(self._wanted)[:BATCH_MAX]}
            failure: DatabaseUnavailable | DatabaseFault = DatabaseUnavailable("the look-up was cancelled")
            found: Mapping[_Key, _Found] | None = None
            try:
                async with self._database.reading() as connection:
                    found = await self._read(connection, list(batch))
            except (DatabaseUnavailable, DatabaseFault) as error:
                failure = error
            finally:
                for key, future in batch.items():
                    if found is not None:
                        future.set_result(found.get(key))
                    else:
                        future.set_exception(type(failure)(*failure.args))
                        future.exception()  # nobody may be waiting for it any more
