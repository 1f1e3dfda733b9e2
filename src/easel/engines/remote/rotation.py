"""Which of several image servers draws next, and how long one that failed is left alone.

Pure, apart from the counts that it keeps: time is an argument, and callers hold a lock.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum
from typing import Final

REST_S: Final = 5.0
"""How long a server is left alone after its first failure. Each further failure doubles it."""
REST_S_MAX: Final = 300.0
BUSY_REST_S: Final = 1.0
"""How long a busy server is left alone that names no time."""


class Verdict(Enum):
    """What a draw says about the server."""

    DREW = "drew"
    FAILED = "failed"
    BUSY = "busy"
    NOTHING = "nothing"


class News(Enum):
    """What changed with a verdict."""

    LEFT_ALONE = "left alone"
    BACK = "back"


@dataclass(slots=True)
class _Standing:
    busy: int = 0
    failures: int = 0
    """Failures since the last picture. Those of draws that ran at the same time count once."""
    rests_until_s: float = 0.0
    last_turn: int = 0


class Rotation:
    """The servers, by their indexes. Each draws up to `places` pictures at once, and one that failed draws one, until
    it succeeds."""

    def __init__(self, count: int, places: int) -> None:
        self._standings = [_Standing() for _ in range(count)]
        self._places = places
        self._turns = 0

    def choose(self, among: Collection[int], now_s: float) -> int | None:
        """The least busy of these servers that can be expected to draw; of equals, the one that waited longest.

        If all have failed, the one whose rest ends first, since it may be back. None if a place must be awaited.
        """
        standings = {index: self._standings[index] for index in among}
        ready = [index for index, each in standings.items() if self._is_ready(each, now_s)]
        if ready:
            return min(ready, key=lambda index: (standings[index].busy, standings[index].last_turn))
        if any(not each.failures and each.rests_until_s <= now_s for each in standings.values()):
            return None
        free = [index for index, each in standings.items() if each.busy < self._places]
        return min(free, key=lambda index: (standings[index].rests_until_s, standings[index].busy), default=None)

    def begin(self, index: int) -> None:
        """Take a place."""
        self._turns += 1
        self._standings[index].busy += 1
        self._standings[index].last_turn = self._turns

    def end(self, index: int) -> None:
        """Give a place back."""
        self._standings[index].busy -= 1
        assert self._standings[index].busy >= 0

    def judge(self, index: int, verdict: Verdict, now_s: float, rest_s: float | None = None) -> News | None:
        """Take note of a verdict. `rest_s` is the time that the server asked for."""
        each = self._standings[index]
        if verdict is Verdict.DREW:
            had_failed = each.failures > 0
            each.failures, each.rests_until_s = 0, 0.0
            return News.BACK if had_failed else None
        if verdict is Verdict.BUSY:
            each.rests_until_s = max(each.rests_until_s, now_s + (BUSY_REST_S if rest_s is None else rest_s))
        if verdict is Verdict.FAILED and (each.rests_until_s <= now_s or not each.failures):
            each.failures += 1
            backed_off_s = min(REST_S_MAX, REST_S * 2.0 ** min(each.failures - 1, 10))
            each.rests_until_s = now_s + max(backed_off_s, rest_s or 0.0)
            return News.LEFT_ALONE if each.failures == 1 else None
        return None

    def rest_s(self, index: int, now_s: float) -> float:
        """How long the server is still left alone; 0 if it is not."""
        return max(0.0, self._standings[index].rests_until_s - now_s)

    def _is_ready(self, each: _Standing, now_s: float) -> bool:
        if each.rests_until_s > now_s:
            return False
        return each.busy < self._places if not each.failures else each.busy == 0
