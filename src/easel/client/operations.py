"""What a client does, as operations of steps: requests with their retries, following a task, downloading a picture.

Does no I/O. A request is repeated if its answer is lost or the service is busy. Orders carry an idempotency key, so
each is accepted and charged once. An operation gives up if the service is down for more than a few seconds.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import httpx2
import msgspec

from easel.client import unreachable
from easel.client.answers import Picture, Task, task_of
from easel.client.event_reader import Event, EventReader
from easel.client.failures import POLICY, ClientError, Refused, Unfinished, one_line, policy_sentence
from easel.client.orders import task_path
from easel.client.steps import FAULTS, Ask, Fetch, Open, Operation, Pause, Read, Reply, Tell

ATTEMPTS_MAX: Final = 5
RETRIED: Final = frozenset({429, 502, 503})
RETRY_PAUSE_S: Final = 0.5
RETRY_AFTER_S_MAX: Final = 30.0
"""The longest pause that a service can ask for. It is told to the caller instead of being waited for."""
POLL_EVERY_S: Final = 1.0
STREAM_READ_TIMEOUT_S: Final = 30.0
"""Twice the time between two heartbeats of a stream."""
BRIEF_S: Final = 2.0
"""A stream that ends sooner and without an event has failed."""
LATE_S: Final = 1.0
"""How much later than asked an operation may give up."""
PICTURE_BYTES_MAX: Final = 64 * 1024 * 1024
_LINKS: Final = "EASEL_PUBLIC_URL, which the service's links begin with"

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Operations:
    """The operations at one service. `setting` is what error messages tell the caller to correct."""

    url: str
    setting: str

    def ask(
        self,
        method: str,
        path: str,
        read: Callable[[Mapping[str, Any]], _Answer],
        headers: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Operation[_Answer]:
        """A request, and what `read` makes of its answer. Raises ClientError."""
        reply = yield from self._repeated(Ask(method, path, headers or {}, body))
        return self._read(reply, read)

    def cancel(self, task_id: str) -> Operation[Task]:
        """Cancel a task: it has ended, is stopping, or had completed before. Raises ClientError."""
        try:
            return (yield from self.ask("POST", f"{task_path(task_id)}/cancel", task_of))
        except Refused as refused:
            if refused.status != 409:
                raise
        return (yield from self.ask("GET", task_path(task_id), task_of))

    def follow(self, task_id: str, timeout_s: float) -> Operation[Task]:
        """Tell every state of a task, and return the last one. Raises Unfinished, ClientError."""
        gives_up_s = time.monotonic() + timeout_s
        late = Unfinished(f"Task {task_id} did not end within {timeout_s:g} seconds")
        path, reader, failures = f"{task_path(task_id)}/events", EventReader(), 0
        while True:
            left_s = gives_up_s - time.monotonic()
            if left_s <= 0:
                raise late
            began_s, seen_id = time.monotonic(), reader.last_id
            reader = EventReader()
            reader.last_id = seen_id
            try:
                task = yield from self._stream(path, reader, min(STREAM_READ_TIMEOUT_S, left_s), gives_up_s)
            except _NoStream:
                return (yield from self._poll(task_id, gives_up_s, late))
            except FAULTS as error:
                failures = failures + 1 if reader.last_id == seen_id else 1
                is_late = time.monotonic() >= gives_up_s
                if not is_late and (failures == ATTEMPTS_MAX or not unreachable.is_passing(error)):
                    raise ClientError(unreachable.why(self.url, error, self.setting)) from error
                if not is_late:
                    yield Pause(min(RETRY_PAUSE_S * failures, max(0.0, gives_up_s - time.monotonic())))
            else:
                if task is not None:
                    return task
                was_brief = reader.last_id == seen_id and time.monotonic() - began_s < BRIEF_S
                failures = failures + 1 if was_brief else 0
                if failures == ATTEMPTS_MAX:
                    return (yield from self._poll(task_id, gives_up_s, late))

    def picture(self, task: Task) -> Operation[Picture]:
        """Download the picture of a completed task. Raises ClientError."""
        if not task.results:
            raise ClientError(f"Task {task.id} has no picture")
        link = task.results[0].url
        if not _is_address(link):
            raise ClientError("The link to the picture is not an address")
        try:
            for attempt in range(1, ATTEMPTS_MAX + 1):
                reply = yield Fetch(link, PICTURE_BYTES_MAX)
                if reply.status not in RETRIED or attempt == ATTEMPTS_MAX:
                    break
                yield Pause(RETRY_PAUSE_S * attempt)
        except FAULTS as error:
            raise ClientError(unreachable.why(link, error, _LINKS)) from error
        if reply.status != 200:
            raise ClientError(f"The link to the picture answered {reply.status}")
        return Picture(task, reply.body)

    def _repeated(self, request: Ask) -> Operation[Reply]:
        """The reply to a request, which is repeated while the service is busy or its answer is lost."""
        for attempt in range(1, ATTEMPTS_MAX + 1):
            pause_s = RETRY_PAUSE_S * attempt
            try:
                reply: Reply = yield request
            except FAULTS as error:
                is_unsent_post = request.method == "POST" and isinstance(error, httpx2.ConnectError)
                if attempt == ATTEMPTS_MAX or is_unsent_post or not unreachable.is_passing(error):
                    raise ClientError(unreachable.why(self.url, error, self.setting)) from error
            else:
                asked_s = _retry_after_s(reply) or 0.0
                if reply.status not in RETRIED or attempt == ATTEMPTS_MAX or asked_s > RETRY_AFTER_S_MAX:
                    return reply
                pause_s = max(pause_s, asked_s)
            yield Pause(pause_s)
        raise AssertionError("the last attempt returns or raises")

    def _stream(
        self, path: str, reader: EventReader, read_timeout_s: float, gives_up_s: float
    ) -> Operation[Task | None]:
        """Tell the states in a stream, and return the last one.

        None if the stream ended early, or must be opened again so that reading it ends in time. Raises _NoStream if the
        service offers none.
        """
        headers = {"accept": "text/event-stream"} | ({"last-event-id": reader.last_id} if reader.last_id else {})
        reply: Reply = yield Open(path, headers, read_timeout_s)
        if reply.status in {404, 405, 429} and not _is_about_task(reply):
            raise _NoStream
        if reply.status in RETRIED:
            raise httpx2.ReadError(f"HTTP {reply.status}")
        if reply.status != 200:
            self._read(reply, task_of)
            raise _NoStream
        while time.monotonic() + read_timeout_s <= gives_up_s + LATE_S:
            piece: bytes = yield Read()
            if not piece:
                yield Pause(RETRY_PAUSE_S)
                return None
            for task in self._states(reader.feed(piece)):
                yield Tell(task)
                if task.has_ended:
                    return task
        return None

    def _states(self, events: Iterator[Event]) -> Iterator[Task]:
        for event in events:
            if event.name == "error":
                self._read(Reply(401, {}, event.data.encode()), task_of)
            yield self._read(Reply(200, {}, event.data.encode()), task_of)

    def _poll(self, task_id: str, gives_up_s: float, late: Unfinished) -> Operation[Task]:
        """Tell every state of a task at a service without streams, or with too many open ones."""
        while time.monotonic() < gives_up_s:
            task = yield from self.ask("GET", task_path(task_id), task_of)
            yield Tell(task)
            if task.has_ended:
                return task
            yield Pause(max(0.0, min(POLL_EVERY_S, gives_up_s - time.monotonic())))
        raise late

    def _read(self, reply: Reply, read: Callable[[Mapping[str, Any]], _Answer]) -> _Answer:
        """What `read` makes of an answer. Raises Refused for a refusal, ClientError for what is not Easel's."""
        status = reply.status
        try:
            body = msgspec.json.decode(reply.body)  # refuses NaN, 1e999 and half characters
            if status == 200:
                return read(body)
            message, code = str(body["error"]["message"]), str(body["error"].get("code"))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise ClientError(
                f"{self.url} answered {status}, but not like Easel: check {self.setting}"
                f"{unreachable.through_proxy(self.url)}"
            ) from None
        raise Refused(self._refusal(status, code, message), status, code, _retry_after_s(reply))

    def _refusal(self, status: int, code: str, message: str) -> str:
        if code == POLICY:
            return policy_sentence(message)
        if status == 404 and code != "task_not_found":
            return (
                f"There is no Easel API at {self.url}: {self.setting} must be the base address of the service, such as "
                "http://127.0.0.1:8000"
            )
        return f"{one_line(message)} (HTTP {status})"


class _NoStream(Exception):
    """The service offers no stream of this task."""


def _is_about_task(reply: Reply) -> bool:
    return b'"task_not_found"' in reply.body


def _is_address(link: str) -> bool:
    try:
        url = httpx2.URL(link)
        return url.scheme in {"http", "https"} and bool(url.host) and urlsplit(link).hostname is not None
    except (httpx2.InvalidURL, ValueError):
        return False


def _retry_after_s(reply: Reply) -> float | None:
    text = reply.headers.get("retry-after", "")
    return float(text) if text.isdecimal() else None
