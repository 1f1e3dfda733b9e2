"""The Python client: submits orders, follows their tasks, and downloads the pictures.

Synchronous, one request at a time; a client may be used by one thread at a time. `AsyncClient` is the same for asyncio.
Requests are repeated as `operations` describes.
"""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import httpx2

from easel.client.answers import Credits, Picture, Task, TaskPage, credits_of, models_of, page_of, task_of
from easel.client.connections import connection
from easel.client.failures import ClientError, Unfinished
from easel.client.operations import Operations
from easel.client.orders import (
    DRAW_TIMEOUT_S,
    OrderFields,
    list_path,
    new_idempotency_key,
    order_body,
    order_headers,
    task_path,
)
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


class Client:
    """Talks to one service with one key. Every method raises ClientError if the service cannot do what it is asked."""

    def __init__(self, url: str | None = None, api_key: str | None = None, *, setting: str = SETTING) -> None:
        """Without arguments, the service and the key are those of EASEL_URL and EASEL_API_KEY.

        `setting` is what error messages tell the user to correct if the service cannot be reached. Raises ClientError
        if there is no key, the address is invalid, or the environment names an unusable proxy or certificates.
        """
        base = url_of(url)
        self._operations = Operations(base, setting)
        self._http = connection(base, base_url=base, headers={"authorization": f"Bearer {key_of(api_key)}"})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def generate(
        self,
        prompt: str,
        *,
        timeout_s: float = DRAW_TIMEOUT_S,
        on_progress: Callable[[Task], object] | None = None,
        idempotency_key: str | None = None,
        **order: Unpack[OrderFields],
    ) -> Picture:
        """Draw a picture: submit the order, wait, and download. `on_progress` receives every state of the task.

        If the time is up or the wait is interrupted, the task is cancelled, and nothing is charged. Raises TaskFailed,
        Unfinished, Refused, ClientError.
        """
        key = idempotency_key or new_idempotency_key()
        try:
            task = self.submit(prompt, idempotency_key=key, **order)
        except (KeyboardInterrupt, SystemExit):
            # The service may already have the order. Its answer to the same order again names the task.
            with suppress(ClientError):
                self.cancel(self.submit(prompt, idempotency_key=key, **order).id)
            raise
        try:
            for state in self.follow(task.id, timeout_s=timeout_s):
                task = state
                if on_progress is not None:
                    on_progress(state)
        except (Unfinished, KeyboardInterrupt, SystemExit):
            self.cancel(task.id)
            raise
        return self.picture(task.completed())

    def submit(self, prompt: str, *, idempotency_key: str | None = None, **order: Unpack[OrderFields]) -> Task:
        """Submit an order, and return its pending task. The same idempotency key returns the same task again."""
        headers, body = order_headers(idempotency_key), order_body(prompt, order)
        return self._run(self._operations.ask("POST", "/v1/images/generations", task_of, headers, body))

    def follow(self, task_id: str, *, timeout_s: float = DRAW_TIMEOUT_S) -> Iterator[Task]:
        """Every state of a task as it changes; the last one has ended. Raises Unfinished."""
        return self._drive(self._operations.follow(task_id, timeout_s))

    def wait(self, task_id: str, *, timeout_s: float = DRAW_TIMEOUT_S) -> Task:
        """The task once it has ended, completed or failed. Raises Unfinished."""
        return self._run(self._operations.follow(task_id, timeout_s))

    def picture(self, task: Task) -> Picture:
        """Download the picture of a completed task."""
        return self._run(self._operations.picture(task))

    def task(self, task_id: str) -> Task:
        """The task as it is."""
        return self._run(self._operations.ask("GET", task_path(task_id), task_of))

    def tasks(self, *, status: str | None = None, page: int = 1, page_size: int = 20) -> TaskPage:
        """A page of the account's tasks, newest first. `page_size` is at most 50."""
        return self._run(self._operations.ask("GET", list_path(status, page, page_size), page_of))

    def cancel(self, task_id: str) -> Task:
        """Cancel a task, and return it: ended and free, stopping, or completed before."""
        return self._run(self._operations.cancel(task_id))

    def delete(self, task_id: str) -> None:
        """Remove the picture and the prompt of a task that has ended."""
        self._run(self._operations.ask("DELETE", task_path(task_id), lambda _answer: None))

    def credits(self) -> Credits:
        """The credits of the key and its account."""
        return self._run(self._operations.ask("GET", "/v1/credits", credits_of))

    def models(self) -> list[str]:
        """The models that the key may use."""
        return self._run(self._operations.ask("GET", "/v1/models", models_of))

    def _run(self, operation: Operation[_Outcome]) -> _Outcome:
        """Do an operation, and return its outcome."""
        steps = self._drive(operation)
        try:
            while True:
                next(steps)
        except StopIteration as stop:
            outcome: _Outcome = stop.value
            return outcome

    def _drive(self, operation: Operation[_Outcome]) -> Generator[Task, None, _Outcome]:
        """Do an operation, and yield what it tells."""
        outcome: Any = None
        fault: Exception | None = None
        with ExitStack() as stream:
            pieces: Iterator[bytes] = iter(())
            try:
                while True:
                    step = operation.send(outcome) if fault is None else operation.throw(fault)
                    outcome = fault = None
                    try:
                        if isinstance(step, Tell):
                            yield step.task
                        elif isinstance(step, Read):
                            outcome = next(pieces, b"")
                        elif isinstance(step, Open):
                            stream.close()
                            outcome, pieces = self._opened(step, stream)
                        else:
                            outcome = self._done(step)
                    except FAULTS as error:
                        fault = error
            except StopIteration as stop:
                result: _Outcome = stop.value
                return result

    def _done(self, step: Step) -> Reply | None:
        if isinstance(step, Ask):
            with self._http.stream(step.method, step.path, headers=step.headers, json=step.body) as response:
                return _reply(response, ANSWER_BYTES_MAX)
        if isinstance(step, Fetch):
            with connection(step.url) as http, http.stream("GET", step.url) as response:
                return _reply(response, step.bytes_max)
        assert isinstance(step, Pause)
        time.sleep(step.seconds)
        return None

    def _opened(self, step: Open, stream: ExitStack) -> tuple[Reply, Iterator[bytes]]:
        opening = self._http.stream("GET", step.path, headers=step.headers, timeout=step.read_timeout_s)
        response = stream.enter_context(opening)
        if response.status_code != 200:
            return _reply(response, ANSWER_BYTES_MAX), iter(())
        return Reply(200, dict(response.headers), b""), response.iter_bytes()


def _reply(response: httpx2.Response, bytes_max: int) -> Reply:
    body = bytearray()
    for piece in response.iter_bytes():
        add_piece(body, piece, bytes_max)
    return Reply(response.status_code, dict(response.headers), bytes(body))
