"""Traces: spans of the work of this process, for OpenTelemetry. Nothing is recorded unless `record_with` was called.

A span lies in the span that surrounds it, or in the one that a `traceparent` names (W3C Trace Context). Spans have ids,
sizes, counts and codes as attributes: no prompt, key, link or address.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

Attributes = Mapping[str, str | int | float]


class Running(Protocol):
    """A span that has begun."""

    @property
    def traceparent(self) -> str:
        """How others name it as the span that surrounds theirs."""

    def set(self, attributes: Attributes) -> None:
        """Add attributes."""

    def end(self, error: str | None) -> None:
        """End it, with the error that ended the work, if one did."""


class Recorder(Protocol):
    """What records and sends the spans of this process."""

    def begin(self, name: str, parent: str | None, kind: str, attributes: Attributes) -> Running:
        """Begin a span. `kind` is `internal`, `server` or `client`; `parent` is a traceparent."""


_recorders: list[Recorder] = []
_surrounding: ContextVar[Running | None] = ContextVar("surrounding span", default=None)


def record_with(recorder: Recorder) -> None:
    """Record the spans of this process from now on."""
    _recorders[:] = [recorder]


def are_recorded() -> bool:
    """Whether this process records spans."""
    return bool(_recorders)


def traceparent() -> str | None:
    """How others name the span that surrounds the caller. None if nothing is recorded, or there is none."""
    running = _surrounding.get()
    return None if running is None else running.traceparent


@contextmanager
def span(
    name: str, parent: str | None = None, kind: str = "internal", attributes: Attributes | None = None
) -> Iterator[None]:
    """Record what happens in the block. `parent` is used instead of the surrounding span."""
    if not _recorders:
        yield
        return
    running = _recorders[0].begin(name, parent or traceparent(), kind, attributes or {})
    token = _surrounding.set(running)
    error: str | None = None
    try:
        yield
    except BaseException as raised:
        error = type(raised).__name__
        raise
    finally:
        _surrounding.reset(token)
        running.end(error)


def describe(attributes: Attributes) -> None:
    """Add attributes to the surrounding span, if there is one."""
    running = _surrounding.get()
    if running is not None:
        running.set(attributes)
