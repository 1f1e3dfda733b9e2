"""How often something may happen: GCRA, the generic cell rate algorithm.

A quota lets `count_max` things happen at once, and then as many again per window, evenly spread. All that must be
remembered is one moment: until when the quota is used up ("theoretical arrival time" in the ATM Forum's Traffic
Management Specification 4.1, section 4.4.2).

That moment is never more than a window away. One that seems to be was stored before the clock was set back, and counts
as a whole window: nobody is locked out for longer than that.
"""

import math
from dataclasses import dataclass
from typing import Final

MINUTE_S: Final = 60


@dataclass(frozen=True, slots=True)
class Quota:
    """At most `count_max` at once and `count_max` more per `window_s`. `name` is what answers call it."""

    name: str
    count_max: int
    window_s: int = MINUTE_S

    def __post_init__(self) -> None:
        assert self.count_max >= 1
        assert self.window_s >= 1

    @property
    def spacing_s(self) -> float:
        """Seconds in which one more becomes possible."""
        return self.window_s / self.count_max


@dataclass(frozen=True, slots=True)
class Standing:
    """Where somebody stands with a quota. `used_for_s` is how long from now the quota counts as used."""

    quota: Quota
    used_for_s: float

    @classmethod
    def measured(cls, quota: Quota, used_for_s: float) -> "Standing":
        """The standing that a stored moment so far from now stands for, whatever the clock did since it was stored."""
        return cls(quota, min(max(0.0, used_for_s), float(quota.window_s)))

    @property
    def is_used_up(self) -> bool:
        """Whether a whole window must pass until the whole quota is there again."""
        return self.used_for_s >= self.quota.window_s

    @property
    def remaining(self) -> int:
        """How many may happen now."""
        free_s = self.quota.window_s - max(0.0, self.used_for_s)
        return max(0, math.floor(free_s / self.quota.spacing_s + 1e-9))

    @property
    def reset_s(self) -> int:
        """Whole seconds until the whole quota is there again."""
        return max(0, math.ceil(self.used_for_s))

    def retry_after_s(self, count: int = 1) -> int:
        """Whole seconds, at least 1, until `count` may happen."""
        return max(1, math.ceil(self.used_for_s + count * self.quota.spacing_s - self.quota.window_s - 1e-9))

    def taking(self, count: int = 1) -> "Standing | None":
        """The standing after `count` more, now; None when that is too many."""
        used_for_s = max(0.0, self.used_for_s) + count * self.quota.spacing_s
        # Sums of spacings differ from the window by rounding alone.
        return Standing(self.quota, used_for_s) if used_for_s <= self.quota.window_s + 1e-6 else None
