"""Rate limits by GCRA, the generic cell rate algorithm.

A quota allows `count_max` requests at once, and then the same number per window, evenly spread. The only state is the
time at which the whole quota will be available again ("theoretical arrival time" in the ATM Forum's Traffic Management
Specification 4.1, section 4.4.2).

That time is at most one window away. A later one was stored before the clock was set back. It counts as one window
away, so no caller is locked out for longer.
"""

import math
from dataclasses import dataclass
from typing import Final

MINUTE_S: Final = 60


@dataclass(frozen=True, slots=True)
class Quota:
    """At most `count_max` at once and `count_max` more per `window_s`. Responses show the `name`."""

    name: str
    count_max: int
    window_s: int = MINUTE_S

    def __post_init__(self) -> None:
        assert self.count_max >= 1
        assert self.window_s >= 1

    @property
    def spacing_s(self) -> float:
        """Seconds after which one more request is allowed."""
        return self.window_s / self.count_max


@dataclass(frozen=True, slots=True)
class Standing:
    """How much of a quota a caller has used. The whole quota is available again in `used_for_s` seconds."""

    quota: Quota
    used_for_s: float

    @classmethod
    def measured(cls, quota: Quota, used_for_s: float) -> "Standing":
        """The standing for a stored time that is `used_for_s` away, limited to one window in case the clock was set."""
        return cls(quota, min(max(0.0, used_for_s), float(quota.window_s)))

    @property
    def is_used_up(self) -> bool:
        """Whether it takes a whole window until the whole quota is available again."""
        return self.used_for_s >= self.quota.window_s

    @property
    def remaining(self) -> int:
        """How many requests are allowed now."""
        free_s = self.quota.window_s - max(0.0, self.used_for_s)
        return max(0, math.floor(free_s / self.quota.spacing_s + 1e-9))

    @property
    def reset_s(self) -> int:
        """Whole seconds until the whole quota is available again."""
        return max(0, math.ceil(self.used_for_s))

    def retry_after_s(self, count: int = 1) -> int:
        """Whole seconds, at least 1, until `count` requests are allowed."""
        return max(1, math.ceil(self.used_for_s + count * self.quota.spacing_s - self.quota.window_s - 1e-9))

    def taking(self, count: int = 1) -> "Standing | None":
        """The standing after `count` more requests. None if those are too many."""
        used_for_s = max(0.0, self.used_for_s) + count * self.quota.spacing_s
        # The tolerance covers rounding in sums of spacings.
        return Standing(self.quota, used_for_s) if used_for_s <= self.quota.window_s + 1e-6 else None
