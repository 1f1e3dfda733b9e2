"""The Python client for asyncio. It does what `Client` does, and may be used by several tasks at once."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, aclosing, suppress
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, Unpack

import httpx2

from easel.client.answers import Credits, Picture, Task, TaskPage, credits_of, models_of, page_of, task_of
from easel.client.connections import async_connection
from easel.client.failures import ClientError, Unfinished
from easel.client.operations import Operations
from easel.client.orders import DRAW_TIMEOUT_S, OrderFields, list_path, order_body, order_headers, task_path
from easel.client.service_address import SETTING, key_of, url_of
from easel.client.steps import (
    ANSWER_BYTES_MAX,
    FAULTS,
    Ask,
    Fetch,
    Open,
    Operation,
    Pause,
    Read,
    Reply,
    Step,
    Tell,
    add_piece,
)

_Outcome = TypeVar("_Outcome")


class AsyncClient:
    """Talks to one service with one key. Every method raises ClientError if the service cannot do what it is asked."""

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        setting: str = SETTING,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        """As for `Client`. A `transport` carries all requests, those for pictures too, without the environment's
        proxy."""
        base = url_of(url)
        self._operations = Operations(base, setting)
        self._transport = transport
        self._http = async_connection(
            base, base_url=base, headers={"authorization": f"Bearer {key_of(api_key)}"}, transport=transport
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def generate(
        self,
        prompt: str,
        *,
        timeout_s: float = DRAW_TIMEOUT_S,
        on_progress: Callable[[Task], object] | None = None,
        idempotency_key: str | None = None,
        **order: Unpack[OrderFields],
    ) -> Picture:
        """Draw a picture: submit the order, wait, and download. `on_progress` receives every state of the task.

        If the time is up or the wait is cancelled, the task is cancelled, and nothing is charged. Raises TaskFailed,
        Unfinished, Refused, ClientError.
        """
        task = await self._submitted(self.submit(prompt, idempotency_key=idempotency_key, **order))
        try:
            async with aclosing(self.follow(task.id, timeout_s=timeout_s)) as states:
                async for state in states:
                    task = state
                    if on_progress is not None:
                        on_progress(state)
        except (Unfinished, asyncio.CancelledError):
            await asyncio.shield(asyncio.ensure_future(self.cancel(task.id)))
            raise
        return await self.picture(task.completed())

    async def submit(self, prompt: str, *, idempotency_key: str | None = None, **order: Unpack[OrderFields]) -> Task:
        """Submit an order, and return its pending task. The same idempotency key returns the same task again."""
        headers, body = order_headers(idempotency_key), order_body(prompt, order)
        return await self._run(self._operations.ask("POST", "/v1/images/generations", task_of, headers, body))

    async def follow(self, task_id: str, *, timeout_s: float = DRAW_TIMEOUT_S) -> AsyncGenerator[Task]:
        """Every state of a task as it changes; the last one has ended. Raises Unfinished."""
        async with _Drive(self._http, self._fetched, self._operations.follow(task_id, timeout_s)) as drive:
            while (task := await drive.next_task()) is not None:
                yield task

    async def wait(self, task_id: str, *, timeout_s: float = DRAW_TIMEOUT_S) -> Task:
        """The task once it has ended, completed or failed. Raises Unfinished."""
        return await self._run(self._operations.follow(task_id, timeout_s))

    async def picture(self, task: Task) -> Picture:
        """Download the picture of a completed task."""
        return await self._run(self._operations.picture(task))

    async def task(self, task_id: str) -> Task:
        """The task as it is."""
        return await self._run(self._operations.ask("GET", task_path(task_id), task_of))

    async def tasks(self, *, status: str | None = None, page: int = 1, page_size: int = 20) -> TaskPage:
        """A page of the account's tasks, newest first. `page_size` is at most 50."""
        return await self._run(self._operations.ask("GET", list_path(status, page, page_size), page_of))

    async def cancel(self, task_id: str) -> Task:
        """Cancel a task, and return it: ended and free, stopping, or completed before."""
        return await self._run(self._operations.cancel(task_id))

    async def delete(self, task_id: str) -> None:
        """Remove the picture and the prompt of a task that has ended."""
        await self._run(self._operations.ask("DELETE", task_path(task_id), lambda _answer: None))

    async def credits(self) -> Credits:
        """The credits of the key and its account."""
        return await self._run(self._operations.ask("GET", "/v1/credits", credits_of))

    async def models(self) -> list[str]:
        """The models that the key may use."""
        return await self._run(self._operations.ask("GET", "/v1/models", models_of))

    async def _submitted(self, submission: Coroutine[Any, Any, Task]) -> Task:
        """The submitted task. If the wait for it is cancelled, so is the task, because the service may already have the
        order."""
        submitting = asyncio.ensure_future(submission)
        try:
            return await asyncio.shield(submitting)
        except asyncio.CancelledError:
            with suppress(ClientError):
                await self.cancel((await asyncio.shield(submitting)).id)
            raise

    async def _run(self, operation: Operation[_Outcome]) -> _Outcome:
        """Do an operation, and return its outcome."""
        async with _Drive(self._http, self._fetched, operation) as drive:
            while await drive.next_task() is not None:
                pass
            return drive.outcome

    async def _fetched(self, step: Fetch) -> Reply:
        async with (
            async_connection(step.url, transport=_kept_open(self._transport)) as http,
            http.stream("GET", step.url) as response,
        ):
            return await _reply(response, step.bytes_max)


class _Drive(Generic[_Outcome]):
    """Does the steps of one operation. `outcome` is set when there is nothing more to tell."""

    outcome: _Outcome

    def __init__(
        self, http: httpx2.AsyncClient, fetched: Callable[[Fetch], Awaitable[Reply]], operation: Operation[_Outcome]
    ) -> None:
        self._http = http
        self._fetched = fetched
        self._operation = operation
        self._stream = AsyncExitStack()
        self._pieces: AsyncIterator[bytes] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stream.aclose()

    async def next_task(self) -> Task | None:
        """The next state that the operation tells, or None once it has its outcome."""
        outcome: Any = None
        fault: Exception | None = None
        try:
            while True:
                step = self._operation.send(outcome) if fault is None else self._operation.throw(fault)
                if isinstance(step, Tell):
                    return step.task
                outcome = fault = None
                try:
                    outcome = await self._done(step)
                except FAULTS as error:
                    fault = error
        except StopIteration as stop:
            self.outcome = stop.value
            return None

    async def _done(self, step: Step) -> Reply | bytes | None:
        if isinstance(step, Ask):
            asking = self._http.stream(step.method, step.path, headers=step.headers, json=step.body)
            async with asking as response:
                return await _reply(response, ANSWER_BYTES_MAX)
        if isinstance(step, Open):
            return await self._opened(step)
        if isinstance(step, Read):
            return b"" if self._pieces is None else await anext(self._pieces, b"")
        if isinstance(step, Fetch):
            return await self._fetched(step)
        assert isinstance(step, Pause)
        await asyncio.sleep(step.seconds)
        return None

    async def _opened(self, step: Open) -> Reply:
        await self._stream.aclose()
        self._pieces = None
        opening = self._http.stream("GET", step.path, headers=step.headers, timeout=step.read_timeout_s)
        response = await self._stream.enter_async_context(opening)
        if response.status_code != 200:
            return await _reply(response, ANSWER_BYTES_MAX)
        self._pieces = response.aiter_bytes()
        return Reply(200, dict(response.headers), b"")


async def _reply(response: httpx2.Response, bytes_max: int) -> Reply:
    body = bytearray()
    async for piece in response.aiter_bytes():
        add_piece(body, piece, bytes_max)
    return Reply(response.status_code, dict(response.headers), bytes(body))


def _kept_open(transport: httpx2.AsyncBaseTransport | None) -> httpx2.AsyncBaseTransport | None:
    """The transport, which outlives the client that is given it."""
    return None if transport is None else _Borrowed(transport)


class _Borrowed(httpx2.AsyncBaseTransport):
    def __init__(self, transport: httpx2.AsyncBaseTransport) -> None:
        self._transport = transport

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        return await self._transport.handle_async_request(request)
