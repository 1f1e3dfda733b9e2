"""Switches traces on, if the settings say so."""

from collections.abc import Iterator
from contextlib import contextmanager

import easel
from easel.live import traces
from easel.settings.settings import Settings


@contextmanager
def recorded_traces(settings: Settings, process: str) -> Iterator[None]:
    """Record the spans of this process during the block. Call it after the last fork. Raises Unusable."""
    if settings.traces == "off":
        yield
        return
    from easel.outside.span_sender import SpanSender  # its SDK takes long to import, and few installations have it

    sender = SpanSender(f"easel-{process}", easel.__version__)
    traces.record_with(sender)
    try:
        yield
    finally:
        sender.close()
