"""A check whose result several requests share, so that many readers cost the database no more than one."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

_Found = TypeVar("_Found")


class SharedCheck(Generic[_Found]):
    """A check whose result is reused for `lifetime_s`. Requests that come while it runs wait for its result."""

    def __init__(self, find: Callable[[], Awaitable[_Found]], lifetime_s: float) -> None:
        self._find = find
        self._lifetime_s = lifetime_s
        self._found: tuple[_Found, float] | None = None
        self._finding = asyncio.Lock()

    async def found(self) -> _Found:
        """The result, at most `lifetime_s` old."""
        async with self._finding:
            if self._found is None or time.monotonic() - self._found[1] > self._lifetime_s:
                self._found = (await self._find(), time.monotonic())
            return self._found[0]
