"""Draws the pictures of one command: several at a time, each from its order to its file.

If the command is interrupted, the tasks that have not ended are cancelled. A second interruption ends it immediately.
"""

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from typing import Final

from easel.client.answers import Picture, Task
from easel.client.async_client import AsyncClient
from easel.client.failures import ClientError, Refused, TaskFailed, Unfinished
from easel.client.orders import OrderFields, new_idempotency_key
from easel.commands.terminal.client_session import SETTING, sentence
from easel.commands.terminal.draw_display import DrawDisplay
from easel.runtime.interruption import EXIT_INTERRUPTED

AT_ONCE: Final = 8
"""How many pictures are ordered at a time."""


@dataclass
class Job:
    """One picture to draw, and what became of it."""

    prompt: str
    order: OrderFields
    timeout_s: float
    idempotency_key: str = field(default_factory=new_idempotency_key)
    task: Task | None = None
    picture: Picture | None = None
    elapsed_s: float = 0.0
    error: str = ""
    """Why there is no picture, without a full stop."""
    error_code: str = ""
    was_left: bool = False
    """Whether the command was interrupted before the picture arrived."""
    has_begun: bool = False

    @property
    def is_open(self) -> bool:
        """Whether its task may still be drawn."""
        return self.has_begun and self.picture is None and not self.error


OnPicture = Callable[[Job], None]
"""Receives a job whose picture has arrived."""


def draw_all(jobs: Sequence[Job], service: tuple[str, str], display: DrawDisplay, on_picture: OnPicture) -> int:
    """Draw the pictures. Returns the exit status if the command was interrupted, and otherwise 0.

    Whatever else goes wrong is recorded in the jobs.
    """
    drawing = _Drawing(service, display, on_picture)
    try:
        asyncio.run(drawing.run(jobs))
    except KeyboardInterrupt:
        drawing.status = EXIT_INTERRUPTED
        for job in jobs:
            if job.is_open:
                name = "The task" if job.task is None else job.task.id
                job.was_left = True
                job.error = f"{name} may continue, because you did not wait until it was cancelled"
    return drawing.status


class _Drawing:
    """One run of the command. `status` is set when it is interrupted."""

    status = 0

    def __init__(self, service: tuple[str, str], display: DrawDisplay, on_picture: OnPicture) -> None:
        self._service = service
        self._display = display
        self._on_picture = on_picture
        self._places = asyncio.Semaphore(AT_ONCE)

    async def run(self, jobs: Sequence[Job]) -> None:
        """Draw the pictures, until they are drawn or a signal arrives."""
        url, key = self._service
        async with AsyncClient(url, key, setting=SETTING) as client:
            with self._until_signal(), contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(*(self._draw_in_turn(client, job) for job in jobs))
                return
        self.status = self.status or EXIT_INTERRUPTED

    @contextmanager
    def _until_signal(self) -> Iterator[None]:
        """Cancel the block when the command is told to end, as Ctrl-C does. A second signal ends the process."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        numbers = [each for each in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(each) is not signal.SIG_IGN]

        def end(number: signal.Signals) -> None:
            self.status = 128 + number
            for each in numbers:
                loop.remove_signal_handler(each)
            task.cancel()

        for number in numbers:
            loop.add_signal_handler(number, end, number)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)

    async def _draw_in_turn(self, client: AsyncClient, job: Job) -> None:
        """Draw one picture. Cancelled, it returns as soon as its task is cancelled, too."""
        try:
            async with self._places:
                job.has_begun = True
                await self._draw(client, job)
        except asyncio.CancelledError:
            if job.is_open:
                job.was_left = True
                job.error = await _left(client, job)
        finally:
            self._display.end(job.idempotency_key)

    async def _draw(self, client: AsyncClient, job: Job) -> None:
        began_s = time.monotonic()
        try:
            job.picture = await self._drawn(client, job)
            job.elapsed_s = time.monotonic() - began_s
            self._on_picture(job)
        except Unfinished as unfinished:
            job.error = f"{unfinished}. {await _cancelled(client, job)}"
        except ClientError as error:
            job.error = await _failure(client, job, error)
            job.error_code = getattr(error, "code", "")

    async def _drawn(self, client: AsyncClient, job: Job) -> Picture:
        job.task = task = await client.submit(job.prompt, idempotency_key=job.idempotency_key, **job.order)
        async with aclosing(client.follow(task.id, timeout_s=job.timeout_s)) as states:
            async for task in states:
                self._display.show(job.idempotency_key, job.prompt, task)
                job.task = task
        return await client.picture(task.completed())


async def _failure(client: AsyncClient, job: Job, error: ClientError) -> str:
    """Why there is no picture."""
    if job.task is not None and job.task.results and not isinstance(error, TaskFailed):
        return f"{error}. {_where(job.task)}"
    if not isinstance(error, Refused) or error.code != "model_access_denied":
        return sentence(error)
    denied = f"This API key may not use the model {job.order['model']}"
    try:
        return f"{denied}; it may use {', '.join(await client.models()) or 'none'}"
    except ClientError:
        return denied


async def _left(client: AsyncClient, job: Job) -> str:
    """What became of the task of a job that was interrupted."""
    if job.task is not None and job.task.results:
        return _where(job.task)
    return await _cancelled(client, job)


async def _cancelled(client: AsyncClient, job: Job) -> str:
    """Cancel the task of a job, and return a sentence about its state.

    The idempotency key finds the task, because the interruption may have come before the answer with the task's id.
    """
    name = "The task"
    try:
        name = (await client.submit(job.prompt, idempotency_key=job.idempotency_key, **job.order)).id
        task = await client.cancel(name)
    except Refused as refused:
        return f"Nothing was drawn or charged ({refused})"
    except ClientError as error:
        return f"{name} may continue, because it could not be cancelled ({error})"
    if task.status == "completed":
        return f"{name} had already completed and was charged. {_where(task)}"
    return f"{name} was cancelled. Nothing was charged"


def _where(task: Task) -> str:
    return f"For 24 hours the picture is at {task.results[0].url}"
