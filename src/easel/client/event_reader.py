"""Reads server-sent events (WHATWG HTML, section 9.2) from the pieces in which they arrive. Does no I/O."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from easel.client.failures import ClientError

EVENT_BYTES_MAX: Final = 1024 * 1024


class EventTooLong(ClientError):
    """The stream sends more without the end of an event than any service of Easel does."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `name` is `message` if the stream gave none."""

    name: str
    data: str


class EventReader:
    """Turns bytes into events. `last_id` is the id of the latest event that had one."""

    def __init__(self) -> None:
        self.last_id = ""
        self._rest = b""

    def feed(self, piece: bytes) -> Iterator[Event]:
        """The events that this piece completes. Raises EventTooLong."""
        # A carriage return at the end of a piece may be half of a line's end; it waits for the next piece.
        text = self._rest + piece
        whole = text[:-1] if text.endswith(b"\r") else text
        lines = whole.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *blocks, rest = lines.split(b"\n\n")
        self._rest = rest + text[len(whole) :]
        if len(self._rest) > EVENT_BYTES_MAX:
            raise EventTooLong(f"The service sent more than {EVENT_BYTES_MAX} bytes in one event")
        for block in blocks:
            event = self._event(block.decode("utf-8", "replace"))
            if event is not None:
                yield event

    def _event(self, block: str) -> Event | None:
        name, data = "message", []
        for line in block.split("\n"):
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if field == "event":
                name = value
            elif field == "data":
                data.append(value)
            elif field == "id" and "\0" not in value:
                self.last_id = value
        return Event(name, "\n".join(data)) if data else None
