"""Counts that the web processes of one machine share, so that a limit holds for all of them together.

The memory is a file without a name, which the supervisor creates and its web processes inherit. It holds one table of
times for rate limits, and a table of counts for each process, which only that process writes. A process that starts
clears its own table, because its predecessor's connections are gone. Rates survive the death of a process.

Nothing is locked: a process that is frozen never stops the others. If two processes count a request of the same caller
at the same moment, one of the two may not be counted. If two take a client's last place, both may be refused.
"""

import mmap
import os
import tempfile
from collections.abc import Hashable
from hashlib import blake2b
from typing import Final

ROWS_PER_SET: Final = 8
"""A caller's row is one of these, so that looking for it takes a bounded time."""
RATE_ROWS: Final = 1 << 16
PLACE_ROWS: Final = 1 << 14
_ROW_BYTES: Final = 16
_RATE_BYTES: Final = RATE_ROWS * _ROW_BYTES
_PLACE_BYTES: Final = PLACE_ROWS * _ROW_BYTES


def create(processes: int) -> int:
    """The descriptor of new memory for this many processes. The caller closes it."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("easel-limits")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, _RATE_BYTES + processes * _PLACE_BYTES)
    os.set_inheritable(descriptor, True)
    return descriptor


class _Table:
    """Rows of an 8-byte key and a number. A key that finds its set full replaces the smallest number, or none."""

    def __init__(self, memory: memoryview) -> None:
        self._keys = memory.cast("Q")
        self._values = memory.cast("d")
        self._sets = len(self._keys) // (2 * ROWS_PER_SET)

    def get(self, key: int) -> float:
        """The number of a key; 0 if it has none."""
        first = key % self._sets * 2 * ROWS_PER_SET
        for row in range(first, first + 2 * ROWS_PER_SET, 2):
            if self._keys[row] == key:
                return self._values[row + 1]
        return 0.0

    def set(self, key: int, value: float, replaced_max: float) -> None:
        """Store a number. If the set is full and its smallest number exceeds `replaced_max`, nothing is stored."""
        first = key % self._sets * 2 * ROWS_PER_SET
        rows = range(first, first + 2 * ROWS_PER_SET, 2)
        own = next((row for row in rows if self._keys[row] == key), None)
        if own is None:
            own = min(rows, key=lambda row: self._values[row + 1])
            if self._values[own + 1] > replaced_max:
                return
            self._keys[own] = key
        self._values[own + 1] = value


class SharedLimits:
    """One process's view of the memory. `number` is the process's own, from 1."""

    def __init__(self, descriptor: int, number: int) -> None:
        memory = memoryview(mmap.mmap(descriptor, 0))
        self._rates = _Table(memory[:_RATE_BYTES])
        places = [memory[start : start + _PLACE_BYTES] for start in range(_RATE_BYTES, len(memory), _PLACE_BYTES)]
        own = places.pop(number - 1)
        own[:] = bytes(_PLACE_BYTES)
        self._own_places = _Table(own)
        self._other_places = [_Table(each) for each in places]

    def times(self, name: str) -> "SharedTimes":
        """The times of one rate limit."""
        return SharedTimes(self._rates, name)

    def places(self, name: str) -> "SharedPlaces":
        """The places of one limit."""
        return SharedPlaces(self._own_places, self._other_places, name)


class SharedTimes:
    """When each caller's quota will be available again. Callers whose quota has long been available are forgotten."""

    def __init__(self, table: _Table, name: str) -> None:
        self._table = table
        self._name = name

    def get(self, who: Hashable) -> float | None:
        """A caller's time on the monotonic clock, which all processes share; None if it is unknown."""
        return self._table.get(_key(self._name, who)) or None

    def set(self, who: Hashable, until_s: float) -> None:
        """Remember a caller's time."""
        self._table.set(_key(self._name, who), until_s, replaced_max=until_s)


class SharedPlaces:
    """How many places each client has taken."""

    def __init__(self, own: _Table, others: list[_Table], name: str) -> None:
        self._own = own
        self._others = others
        self._name = name

    def elsewhere(self, client: Hashable) -> int:
        """How many places the client has taken in other processes."""
        key = _key(self._name, client)
        return sum(int(table.get(key)) for table in self._others)

    def note(self, client: Hashable, count: int) -> None:
        """Tell the other processes how many places the client has taken in this one."""
        self._own.set(_key(self._name, client), count, replaced_max=0)


def _key(name: str, who: Hashable) -> int:
    """A digest, the same in every process. 0 marks an unused row."""
    return int.from_bytes(blake2b(f"{name}\0{who}".encode(), digest_size=8).digest()) or 1
