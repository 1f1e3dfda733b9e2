"""Reads for many at once: who asks while a statement is under way is served together by the next one.

A statement costs the client many times what it costs the database, so that under load this is what reading costs.
Nobody is told of a moment before the asking: whoever asks gets what a statement finds that was sent after that.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Generic, TypeVar

from easel.store.database import Database, DatabaseFault, DatabaseUnavailable, Reader

TOGETHER_MAX: Final = 200
"""Names that one statement looks up."""
_Found = TypeVar("_Found")


class BatchedReader(Generic[_Found]):
    """One process's reader of one kind. `read` is the statement: it gives what it finds, by name."""

    def __init__(
        self, database: Database, read: Callable[[Reader, Sequence[str]], Awaitable[Mapping[str, _Found]]]
    ) -> None:
        self._database = database
        self._read_all = read
        self._wanted: dict[str, asyncio.Future[_Found | None]] = {}
        self._reading: asyncio.Task[None] | None = None

    async def find(self, name: str) -> _Found | None:
        """What has that name. Raises DatabaseUnavailable, DatabaseFault."""
        if name not in self._wanted:
            self._wanted[name] = asyncio.get_running_loop().create_future()
        wanted = self._wanted[name]
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read())
        # Shielded, since others may wait for the same one.
        return await asyncio.shield(wanted)

    async def _read(self) -> None:
        while self._wanted:
            together = {name: self._wanted.pop(name) for name in list(self._wanted)[:TOGETHER_MAX]}
            failure: DatabaseUnavailable | DatabaseFault = DatabaseUnavailable("the reading was broken off")
            found: Mapping[str, _Found] | None = None
            try:
                async with self._database.reading() as connection:
                    found = await self._read_all(connection, list(together))
            except (DatabaseUnavailable, DatabaseFault) as error:
                failure = error
            finally:
                for name, future in together.items():
                    if found is not None:
                        future.set_result(found.get(name))
                    else:
                        future.set_exception(type(failure)(*failure.args))
                        future.exception()  # whoever waited for it alone may have left
