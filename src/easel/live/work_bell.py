"""The bell that wakes a worker: a task may be waiting.

It rings too often rather than too rarely, and between two looks it rings once. Bells that nobody rang are why a worker
looks from time to time all the same (`domain/fleet.py`).
"""

import asyncio
import contextlib


class WorkBell:
    """One worker's bell."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Wake the worker, or keep it from going to sleep."""
        self._rung.set()

    def hush(self) -> None:
        """Forget what rang so far. Called before a look, so that what rings during it is not lost."""
        self._rung.clear()

    async def wait(self, timeout_s: float) -> None:
        """Wait until the bell rings, or for `timeout_s`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._rung.wait()
