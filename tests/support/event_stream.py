"""A strict client of server-sent events (WHATWG HTML, section 9.2).

`EventStream` reads a stream while it runs. `parse` reads complete bytes.
"""

import json
import re
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final

import httpx2

_LINE: Final = r"(?::[^\r\n]*|[^\r\n:]+(?:: ?[^\r\n]*)?)"
_END: Final = r"(?:\r\n|\r|\n)"
GRAMMAR: Final = re.compile(rf"\ufeff?(?:(?:{_LINE}{_END})*{_END})*")
"""Section 9.2.5's, for a stream that was not cut off in the middle of an event."""
FIELDS: Final = frozenset({"id", "event", "data", "retry"})


@dataclass(frozen=True)
class Event:
    """One dispatched event, and the Unix time when it was read."""

    id: str
    name: str
    data: str
    at_s: float

    @property
    def task(self) -> dict[str, Any]:
        task: dict[str, Any] = json.loads(self.data)
        return task


class Reader:
    """Section 9.2.6: turns blocks of lines into events, and keeps `retry` and comments separately."""

    def __init__(self) -> None:
        self.comments: list[tuple[str, float]] = []
        self.retry_ms: int | None = None
        self._last_id = ""

    def block(self, block: str) -> Event | None:
        """The event of one block of lines, if it has data. Fails on a field that is not in the standard."""
        name, data = "", []
        for line in block.split("\n"):
            if line.startswith(":"):
                self.comments.append((line[1:], time.time()))
                continue
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            assert field in FIELDS, line
            if field == "event":
                name = value
            elif field == "data":
                data.append(value)
            elif field == "id" and "\0" not in value:
                self._last_id = value
            elif field == "retry":
                assert value.isdecimal(), line
                self.retry_ms = int(value)
        return Event(self._last_id, name or "message", "\n".join(data), time.time()) if data else None


def parse(raw: bytes) -> list[Event]:
    """The events of a complete stream. Fails if it violates the grammar."""
    text = raw.decode()
    assert GRAMMAR.fullmatch(text), text[-500:]
    reader = Reader()
    return [event for block in text.split("\n\n")[:-1] if (event := reader.block(block)) is not None]


class EventStream:
    """One task's stream, open while the block runs."""

    def __init__(
        self, client: httpx2.Client, task_id: str, last_event_id: str | None = None, *, query: str = ""
    ) -> None:
        headers = {} if last_event_id is None else {"last-event-id": last_event_id}
        self._opening: AbstractContextManager[httpx2.Response] = client.stream(
            "GET", f"/v1/tasks/{task_id}/events{query}", headers=headers
        )
        self.reader = Reader()
        self.raw = b""

    def __enter__(self) -> "EventStream":
        self.response = self._opening.__enter__()
        assert self.response.status_code in {200, 204}, self.response.read()
        return self

    def __exit__(self, *_: object) -> None:
        self._opening.__exit__(None, None, None)

    def __iter__(self) -> Iterator[Event]:
        """Events as they arrive, until the stream ends. Then the whole stream is checked against the grammar."""
        text = ""
        for chunk in self.response.iter_bytes():
            self.raw += chunk
            text += chunk.decode()
            while "\n\n" in text:
                block, _, text = text.partition("\n\n")
                event = self.reader.block(block)
                if event is not None:
                    yield event
        assert GRAMMAR.fullmatch(self.raw.decode()), self.raw[-500:]


def all_events(client: httpx2.Client, task_id: str, last_event_id: str | None = None) -> list[Event]:
    """Every event until the stream ends."""
    with EventStream(client, task_id, last_event_id) as stream:
        return list(stream)
