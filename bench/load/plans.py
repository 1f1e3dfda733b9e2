"""The plans of the load generator and their results. Both cross a pipe as JSON.

Times are seconds, or milliseconds where the name says so. Every plan is bounded in count or time.
"""

from typing import TypeAlias

import msgspec


class Target(msgspec.Struct, frozen=True):
    """Where the service is, and the keys to present in turn."""

    host: str
    port: int
    keys: list[str]


class TasksPlan(msgspec.Struct, frozen=True, tag=True):
    """Order `tasks` pictures over `connections` and wait until all are drawn, but no longer than `time_max_s`.

    Each is read once afterwards, unless `is_verified` is false: then all count as completed that were accepted.
    """

    target: Target
    tasks: int
    connections: int
    time_max_s: float
    is_verified: bool = True


class DelayPlan(msgspec.Struct, frozen=True, tag=True):
    """Order `tasks` pictures one at a time, from an idle service."""

    target: Target
    tasks: int


class ReadsPlan(msgspec.Struct, frozen=True, tag=True):
    """Read a completed task again and again for `seconds`, over `connections`."""

    target: Target
    connections: int
    seconds: float


class StreamsPlan(msgspec.Struct, frozen=True, tag=True):
    """Open `streams` event streams, each of a task that waits, and end `events` of the tasks one by one."""

    target: Target
    streams: int
    events: int


class Receiver(msgspec.Struct, frozen=True):
    """The URL for callbacks, and the port that controls their receiver."""

    url: str
    control_host: str
    control_port: int


class CallbacksPlan(msgspec.Struct, frozen=True, tag=True):
    """Order `tasks` pictures over `connections`, with callbacks, and wait for these; with `is_held` all are let wait
    until every task has ended."""

    target: Target
    receiver: Receiver
    tasks: int
    connections: int
    is_held: bool


class SlowPlan(msgspec.Struct, frozen=True, tag=True):
    """Read a completed task again and again for `seconds` over one connection, alone and beside so many slow `sockets`,
    `rounds` times by turns."""

    target: Target
    sockets: int
    seconds: float
    rounds: int


Plan: TypeAlias = TasksPlan | DelayPlan | ReadsPlan | StreamsPlan | CallbacksPlan | SlowPlan


class Spread(msgspec.Struct, frozen=True):
    """Two points of a distribution, in milliseconds."""

    p50_ms: float
    p99_ms: float


class TasksFound(msgspec.Struct, frozen=True, tag=True):
    """`seconds` run from the first POST to the last completion, `accepted_in_s` to the last POST's answer."""

    completed: int
    missing: int
    refused: int
    seconds: float
    accepted_in_s: float
    accepting: Spread


class DelayFound(msgspec.Struct, frozen=True, tag=True):
    """`answered` completions came as the answer to the POST. The others were found by polling."""

    delay: Spread
    tasks: int
    answered: int


class ReadsFound(msgspec.Struct, frozen=True, tag=True):
    """How many reads were answered, and how soon."""

    reads: int
    seconds: float
    reading: Spread


class StreamsFound(msgspec.Struct, frozen=True, tag=True):
    """`delay` is from sending the request that ends a task to its event; `answering` to that request's own answer.

    `lost` events did not come in time; `pushed` bytes came on all streams meanwhile.
    """

    opened: int
    opened_in_s: float
    delay: Spread
    answering: Spread
    lost: int
    pushed_bytes: int


class CallbacksFound(msgspec.Struct, frozen=True, tag=True):
    """How many callbacks were delivered in which time, of those that were wanted."""

    wanted: int
    delivered: int
    refused: int
    seconds: float


class CrowdFound(msgspec.Struct, frozen=True):
    """How many slow connections were open at least, and how many were opened in all."""

    open_at_least: int
    opened: int


class SlowFound(msgspec.Struct, frozen=True, tag=True):
    """The time of a read alone, and beside slow connections, of which so many were open at least."""

    alone: Spread
    beside: Spread
    sockets: int
    open_at_least: int
    opened: int
    reads: int


class Unsupported(msgspec.Struct, frozen=True, tag=True):
    """The service does not offer what the plan is about."""

    reason: str


Found: TypeAlias = TasksFound | DelayFound | ReadsFound | StreamsFound | CallbacksFound | SlowFound | Unsupported


class Answer(msgspec.Struct, frozen=True):
    """What was found, and the generator's own share of a core meanwhile."""

    found: Found
    own_cpu: float


def spread(samples_s: list[float]) -> Spread:
    """The median and the 99th percentile (nearest rank) of what was measured; zeros of nothing."""
    if not samples_s:
        return Spread(0.0, 0.0)
    ordered = sorted(samples_s)

    def rank(percent: int) -> float:
        return ordered[max(0, -(-len(ordered) * percent // 100) - 1)] * 1000

    return Spread(rank(50), rank(99))
