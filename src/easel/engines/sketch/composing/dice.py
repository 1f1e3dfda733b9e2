"""The one source of chance: everything that a prompt leaves open comes from its seed through here.

SplitMix64 (Steele, Lea, Flood 2014), seeded with BLAKE2b of the seed and of names. `named` gives an independent source
for a part of the picture, so that one part may draw more numbers without changing another. Only whole numbers, and
floats made of 53 bits, so every machine draws the same numbers.
"""

import hashlib
from collections.abc import Sequence
from typing import Final, TypeVar

T = TypeVar("T")
_MASK: Final = (1 << 64) - 1


class Dice:
    """A stream of numbers for one name."""

    def __init__(self, seed: int, name: str = "") -> None:
        self._seed = seed
        self._name = name
        digest = hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=8).digest()
        self._state = int.from_bytes(digest, "big")

    def named(self, name: str) -> "Dice":
        """An independent stream, the same for the same name wherever this one stands."""
        return Dice(self._seed, f"{self._name}/{name}")

    def whole(self) -> int:
        """The next 64 bits."""
        self._state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        mixed = self._state
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
        return mixed ^ (mixed >> 31)

    def between(self, low: float, high: float) -> float:
        """A number from `low` to `high`."""
        return low + (high - low) * ((self.whole() >> 11) / (1 << 53))

    def chance(self, probability: float) -> bool:
        """True this often."""
        return self.between(0, 1) < probability

    def below(self, limit: int) -> int:
        """A whole number from 0 up to but without `limit`."""
        return self.whole() % limit

    def pick(self, options: Sequence[T]) -> T:
        """One of the options."""
        return options[self.below(len(options))]

    def shuffled(self, options: Sequence[T]) -> list[T]:
        """The options in another order (Fisher and Yates)."""
        listed = list(options)
        for last in range(len(listed) - 1, 0, -1):
            other = self.below(last + 1)
            listed[last], listed[other] = listed[other], listed[last]
        return listed
