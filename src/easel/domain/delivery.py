"""Deliveries: how an attempt to deliver a callback can end, and when the next one follows.

The times are those of the contract.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

ATTEMPT_TIMEOUT_S: Final = 10.0
"""Limit for a whole attempt: DNS look-up, connecting, TLS, writing and reading."""
RETRY_DELAYS_S: Final = (1.0, 2.0, 4.0)
"""Delays between a failure and the next attempt."""
INTERRUPTIONS_MAX: Final = 4
"""How often a process may die during an attempt before the callback is given up."""
_MESSAGE_PREFIX: Final = "msg_"


class State(StrEnum):
    """The state of a callback. It is `waiting` until its task has ended."""

    WAITING = "waiting"
    DELIVERING = "delivering"
    DELIVERED = "delivered"
    FAILED = "failed"


class AttemptOutcome(StrEnum):
    """How one attempt ended."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    """Callbacks may not go to this address. No connection was made."""
    DNS_FAILED = "dns_failed"
    CONNECTION_FAILED = "connection_failed"
    TLS_FAILED = "tls_failed"
    TIMED_OUT = "timed_out"
    ANSWERED = "answered"
    """The receiver answered with a status other than 2xx."""
    INTERRUPTED = "interrupted"
    """The process died during the attempt, or could not save the outcome. The receiver may have got the callback."""


@dataclass(frozen=True, slots=True)
class Attempted:
    """One attempt and its outcome. `status_code` is None if the receiver sent none."""

    outcome: AttemptOutcome
    status_code: int | None
    duration_ms: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows an attempt: the callback's state, and the seconds until the next attempt."""

    state: State
    retry_in_s: float | None


def verdict(outcome: AttemptOutcome, failures_before: int) -> Verdict:
    """What follows an attempt that was not interrupted, after `failures_before` failed ones."""
    if outcome is AttemptOutcome.DELIVERED:
        return Verdict(State.DELIVERED, None)
    if failures_before >= len(RETRY_DELAYS_S):
        return Verdict(State.FAILED, None)
    return Verdict(State.DELIVERING, RETRY_DELAYS_S[failures_before])


def message_id(task_id: str) -> str:
    """The id of a task's callback, which is the same at every attempt."""
    return _MESSAGE_PREFIX + task_id
