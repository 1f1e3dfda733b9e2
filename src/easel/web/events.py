"""Streams a task's changes as server-sent events (WHATWG HTML, section 9.2). The last event is the task's end.

A stream shows the current state, not a history: a client that reconnects with `Last-Event-ID` gets the current state if
it has changed, and no event for the states in between. A client that reconnects after the last event gets 204, which
stops a browser from reconnecting. When the key is revoked or expires, the stream ends with an `error` event whose data
is the error that a new request would get.

Who asks for previews (`?previews=true`) also gets `preview` events, which show the picture forming. They have no id,
and a stream that is read slowly gets only the latest.
"""

import base64
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from easel.actions.want_previews import want_previews
from easel.domain.api_key import Holder
from easel.domain.errors import TaskNotFound, Unauthorized
from easel.domain.task import ENDS, Status
from easel.live.batched_reader import BatchedReader
from easel.live.forecast import Forecast
from easel.live.key_watch import KeyWatch
from easel.live.task_watcher import TaskWatcher
from easel.live.unbroken import unbroken
from easel.store.database import Database
from easel.store.preview_notices import Preview
from easel.store.tasks import Task, TaskKey
from easel.web.answers import encode, error_body
from easel.web.auth import Auth
from easel.web.client_limits import Streams
from easel.web.requests import flag, task_id
from easel.web.task_view import TaskView

HEARTBEAT_S: Final = 15.0
PLACE_EVERY_S: Final = 2.0
"""How often to look up a pending task's place in line. One look-up serves all streams of the process."""
STREAM_S_MAX: Final = 3600.0
"""How long a stream may stay open. A client that wants more reconnects."""
RETRY_MS: Final = 1000
PREVIEW_OBJECT: Final = "image.generation.preview"
PREVIEW_MEDIA_TYPE: Final = "image/webp"
_MEDIA_TYPE: Final = "text/event-stream"
_HEADERS: Final = {"cache-control": "no-store", "x-accel-buffering": "no"}


@dataclass(frozen=True, slots=True)
class _Event:
    id: str
    data: bytes


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a client asks for. `seen_id` is the id of the last event that it has seen."""

    holder: Holder
    seen_id: str
    wants_previews: bool


class _Stream(StreamingResponse):
    """A stream that gives back its place however it ends."""

    def __init__(self, events: AsyncIterator[bytes], place: ExitStack) -> None:
        super().__init__(events, media_type=_MEDIA_TYPE, headers=_HEADERS)
        self._place = place

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Called by Starlette, once."""
        with self._place:
            await super().__call__(scope, receive, send)


class EventEndpoint:
    """`GET /v1/tasks/{task_id}/events`."""

    def __init__(
        self,
        auth: Auth,
        database: Database,
        reader: BatchedReader[TaskKey, Task],
        view: TaskView,
        task_watcher: TaskWatcher,
        key_watch: KeyWatch,
        forecast: Forecast,
        streams: Streams,
    ) -> None:
        self._auth = auth
        self._database = database
        self._reader = reader
        self._view = view
        self._task_watcher = task_watcher
        self._key_watch = key_watch
        self._forecast = forecast
        self._streams = streams

    async def stream(self, request: Request) -> Response:
        """The stream, or 204 if the client has seen the last event."""
        holder = await self._auth.reader(request)
        task = await self._reader.find((holder.account_id, task_id(request)))
        if task is None:
            raise TaskNotFound
        seen_id = request.headers.get("last-event-id", "")
        if task.status in ENDS and seen_id == task.status:
            return Response(status_code=204, headers=_HEADERS)
        if request.method == "HEAD":
            return Response(headers={**_HEADERS, "content-type": _MEDIA_TYPE})
        asked = _Asked(holder, seen_id, flag(request, "previews"))
        return _Stream(self._until_key_ends(asked, task, request.url.path), self._streams.open(request, holder))

    async def _until_key_ends(self, asked: _Asked, task: Task, path: str) -> AsyncIterator[bytes]:
        yield f"retry: {RETRY_MS}\n\n".encode()
        try:
            async with contextlib.aclosing(self._events(asked, task)) as events:
                async for event in events:
                    yield event
        except Unauthorized as refusal:
            yield b"event: error\ndata: " + encode(error_body(refusal, path)) + b"\n\n"

    async def _events(self, asked: _Asked, task: Task) -> AsyncGenerator[bytes]:
        spoke_at_s = time.monotonic()
        closes_at_s = spoke_at_s + STREAM_S_MAX
        seen_id, shown = asked.seen_id, None
        with (
            self._task_watcher.watch(task.id, task, wants_previews=asked.wants_previews) as watch,
            self._key_watch.permit(asked.holder.api_key_id, watch.close) as permit,
        ):
            self._task_watcher.look(task.id)
            if asked.wants_previews:
                await unbroken(want_previews(self._database, task))
            while not watch.is_over and time.monotonic() < closes_at_s:
                assert watch.task is not None
                task = watch.task
                event = await self._event(task)
                # Show the task only to a valid key. While the key cannot be checked, send only heartbeats.
                if event.id != seen_id and await permit.is_good(PLACE_EVERY_S):
                    yield event.data
                    seen_id, spoke_at_s = event.id, time.monotonic()
                if event.id == seen_id and task.status in ENDS:
                    return
                preview = watch.preview
                if preview is not None and preview is not shown and await permit.is_good(PLACE_EVERY_S):
                    yield _preview_event(preview)
                    shown = preview
                    spoke_at_s = time.monotonic()
                if time.monotonic() - spoke_at_s >= HEARTBEAT_S:
                    yield b": heartbeat\n\n"
                    spoke_at_s = time.monotonic()
                if event.id == seen_id:
                    silent_for_s = max(0.0, spoke_at_s + HEARTBEAT_S - time.monotonic())
                    await watch.change(
                        min(PLACE_EVERY_S, silent_for_s) if task.status is Status.PENDING else silent_for_s
                    )
            if permit.has_ended:
                raise Unauthorized

    async def _event(self, task: Task) -> _Event:
        if task.status is Status.PENDING:
            place = await self._forecast.place(task)
            event_id, body = f"{task.status}-{place}", await self._view.current(task, queue_position=place)
        elif task.status is Status.PROCESSING:
            event_id = f"{task.status}-{task.steps_done}"
            body = await self._view.current(task, steps_done=task.steps_done, steps_total=task.steps_total)
        else:
            event_id, body = str(task.status), await self._view.current(task)
        head = f"id: {event_id}\nevent: {task.status}\ndata: ".encode()
        return _Event(event_id, head + encode(body) + b"\n\n")


def _preview_event(preview: Preview) -> bytes:
    body = {
        "b64_json": base64.b64encode(preview.file).decode(),
        "id": preview.task_id,
        "media_type": PREVIEW_MEDIA_TYPE,
        "object": PREVIEW_OBJECT,
        "steps_done": preview.steps_done,
        "steps_total": preview.steps_total,
    }
    return b"event: preview\ndata: " + encode(body) + b"\n\n"
