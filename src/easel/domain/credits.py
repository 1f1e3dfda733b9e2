"""Credits: whole micro-credits, moved between four books by an append-only ledger.

Each entry moves an amount from one book of an account to another, so entries sum to zero by construction:

    grant    issued    ──▶ available    (a negative amount moves back)
    hold     available ──▶ reserved
    capture  reserved  ──▶ used
    release  reserved  ──▶ available

An account's balance is the sum of its entries. The database keeps every balance at zero or above.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

MICROCREDITS_PER_CREDIT: Final = 1_000_000
MICROCREDITS_MAX: Final = 10**15
"""A billion credits: the largest amount, far below the limits of a 64-bit column and a JSON number."""

# Stricter than Decimal, which accepts exponents, underscores and other scripts' digits, and rounds long numbers.
_AMOUNT = re.compile(r"[0-9]{1,10}(?:\.[0-9]{1,6})?")


class EntryKind(StrEnum):
    """What an entry does. The diagram above shows the two books of each kind."""

    GRANT = "grant"
    HOLD = "hold"
    CAPTURE = "capture"
    RELEASE = "release"


@dataclass(frozen=True, slots=True)
class Balance:
    """Where an account's micro-credits are."""

    available: int = 0
    reserved: int = 0
    used: int = 0

    @property
    def granted(self) -> int:
        """Everything that was granted, minus what was taken back."""
        return self.available + self.reserved + self.used


@dataclass(frozen=True, slots=True)
class KeySpending:
    """Micro-credits that one key has used and reserved, and its limit, None if it has none of its own."""

    used: int
    reserved: int
    credit_limit: int | None

    def remaining(self, available: int) -> int:
        """What the key can still spend if its account has `available` micro-credits."""
        if self.credit_limit is None:
            return available
        return max(0, min(available, self.credit_limit - self.used - self.reserved))


_MOVES: Final = {
    EntryKind.GRANT: (1, 0, 0),
    EntryKind.HOLD: (-1, 1, 0),
    EntryKind.CAPTURE: (0, -1, 1),
    EntryKind.RELEASE: (1, -1, 0),
}


def balance_after(entries: Iterable[tuple[EntryKind, int]]) -> Balance:
    """The sum of entries, each a kind and an amount in micro-credits."""
    available = reserved = used = 0
    for kind, amount in entries:
        to_available, to_reserved, to_used = _MOVES[kind]
        available += to_available * amount
        reserved += to_reserved * amount
        used += to_used * amount
    return Balance(available, reserved, used)


def credits_shown(microcredits: int) -> int | float:
    """An amount of credits as JSON shows it: 0.026, 12.5, and 100 rather than 100.0."""
    whole, rest = divmod(microcredits, MICROCREDITS_PER_CREDIT)
    return whole if rest == 0 else microcredits / MICROCREDITS_PER_CREDIT


def parse_credits(text: str) -> int:
    """Micro-credits from a decimal amount of credits such as `12.5`.

    Raises ValueError with a message for the operator unless the amount is from 0.000001 to a billion, with at most six
    decimal places.
    """
    microcredits = int(Decimal(text) * MICROCREDITS_PER_CREDIT) if _AMOUNT.fullmatch(text) else 0
    if not 0 < microcredits <= MICROCREDITS_MAX:
        raise ValueError(
            "an amount of credits is a number above 0, at most 1000000000, with at most six decimal places, such as 12.5"
        )
    return microcredits


def parse_adjustment(text: str) -> int:
    """Micro-credits from an amount of credits with or without a sign, such as `-12.5`.

    Raises ValueError with a message for the operator if the amount is malformed, too large or zero.
    """
    sign = -1 if text.startswith("-") else 1
    try:
        return sign * parse_credits(text[1:] if text[:1] in {"-", "+"} else text)
    except ValueError:
        raise ValueError(
            "an adjustment is a number other than 0, at most 1000000000 either way, with at most six decimal places, "
            "such as -12.5"
        ) from None
