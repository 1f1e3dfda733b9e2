"""Work that is finished even if whoever waits for it has left.

A statement that is cancelled costs its connection to the database, so clients that come and go could take them all.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

_Result = TypeVar("_Result")
_under_way: Final[set[asyncio.Task[Any]]] = set()
"""The event loop alone would not keep them."""


async def unbroken(work: Coroutine[Any, Any, _Result]) -> _Result:
    """The result of this work, which goes on if the caller is cancelled. Raises what it raises."""
    task = asyncio.create_task(work)
    _under_way.add(task)
    task.add_done_callback(_under_way.discard)
    return await asyncio.shield(task)
