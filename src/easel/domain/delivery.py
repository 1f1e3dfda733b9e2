"""Deliveries: what can become of an attempt to deliver a callback, and when the next one follows.

Times are those of the contract. Pure rules: nothing is sent or written here.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

ATTEMPT_TIMEOUT_S: Final = 10.0
"""For a whole attempt: the name's look-up, connecting, TLS, writing and reading."""
RETRY_DELAYS_S: Final = (1.0, 2.0, 4.0)
"""From the failure before to the next attempt."""
INTERRUPTIONS_MAX: Final = 4
"""So often the process that delivers may die before its deliveries are given up."""
_MESSAGE_PREFIX: Final = "msg_"


class State(StrEnum):
    """How far a callback is. It waits as long as its task has not ended."""

    WAITING = "waiting"
    DELIVERING = "delivering"
    DELIVERED = "delivered"
    FAILED = "failed"


class AttemptOutcome(StrEnum):
    """What became of one attempt."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    """The address is one that callbacks may not go to; nothing was connected."""
    DNS_FAILED = "dns_failed"
    CONNECTION_FAILED = "connection_failed"
    TLS_FAILED = "tls_failed"
    TIMED_OUT = "timed_out"
    ANSWERED = "answered"
    """The receiver gave a status other than 2xx."""
    INTERRUPTED = "interrupted"
    """The process that delivered died meanwhile, or could not write the outcome down; the receiver may have got it."""


@dataclass(frozen=True, slots=True)
class Attempted:
    """One attempt's end. `status_code` is None where the receiver gave none."""

    outcome: AttemptOutcome
    status_code: int | None
    duration_ms: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows an attempt: a state, and in how many seconds another attempt."""

    state: State
    retry_in_s: float | None


def verdict(outcome: AttemptOutcome, failures_before: int) -> Verdict:
    """What follows an attempt that was not interrupted, where so many had failed before it."""
    if outcome is AttemptOutcome.DELIVERED:
        return Verdict(State.DELIVERED, None)
    if failures_before >= len(RETRY_DELAYS_S):
        return Verdict(State.FAILED, None)
    return Verdict(State.DELIVERING, RETRY_DELAYS_S[failures_before])


def message_id(task_id: str) -> str:
    """The id under which a task's callback is delivered, however often."""
    return _MESSAGE_PREFIX + task_id
