"""The page of metrics of one process: takes readings from all its sources and has them written."""

import asyncio
from collections.abc import Callable, Sequence

from easel.live.instruments import Reading
from easel.live.readings import Source

Write = Callable[[Sequence[Reading], str], tuple[bytes, str]]
"""Writes readings in the format that an Accept header asks for. Returns the page and its content type."""


class MetricsPage:
    """What `/metrics` shows. Each source is asked for each page."""

    def __init__(self, sources: Sequence[Source], write: Write) -> None:
        self._sources = sources
        self._write = write

    async def read(self, accept: str) -> tuple[bytes, str]:
        """The page and its content type."""
        taken = [reading for source in self._sources for reading in await source()]
        # In a thread, because the first page imports the library that writes it.
        return await asyncio.to_thread(self._write, taken, accept)
