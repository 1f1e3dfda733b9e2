"""`easel.Client` and `easel.AsyncClient` at a running service: every test is played with both."""

import asyncio
import contextlib
import inspect
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import easel
from easel.live.forecast import MEASUREMENT_LIFETIME_S
from tests.support.command_line import environment
from tests.support.faults import await_draw
from tests.support.frozen import nobody_draws
from tests.support.moderated import REFUSED
from tests.support.running_service import Service
from tests.support.slow_service import STEPS, slow_service

SIZE = "376x376"


class Played:
    """The asynchronous client, called like the other one."""

    def __init__(self, url: str, key: str) -> None:
        self._runner = asyncio.Runner()
        self._client = easel.AsyncClient(url, key)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)
        if inspect.isasyncgenfunction(method):
            return lambda *given, **named: self._iterated(method(*given, **named))
        return lambda *given, **named: self._runner.run(method(*given, **named))

    def _iterated(self, states: Any) -> Iterator[easel.Task]:
        with contextlib.suppress(StopAsyncIteration):
            while True:
                yield self._runner.run(anext(states))

    def close(self) -> None:
        self._runner.run(self._client.aclose())
        self._runner.close()


@pytest.fixture(params=[easel.Client, Played], ids=["Client", "AsyncClient"])
def connected(request: pytest.FixtureRequest) -> Iterator[Callable[[str, str], easel.Client]]:
    """Opens clients of one kind."""
    with contextlib.ExitStack() as opened:

        def connect(url: str, key: str) -> easel.Client:
            client: easel.Client = request.param(url, key)
            opened.callback(client.close)
            return client

        yield connect


@pytest.fixture
def client(connected: Callable[[str, str], easel.Client], service: Service, account: str) -> easel.Client:
    return connected(service.url, service.new_key(account))


@pytest.fixture(scope="module")
def slow() -> Iterator[Service]:
    with slow_service() as running:
        yield running


@pytest.fixture
def at_slow(connected: Callable[[str, str], easel.Client], slow: Service) -> easel.Client:
    return connected(slow.url, slow.new_key("slow", "1000"))


def test_generate_returns_the_picture_and_its_task(client: easel.Client, tmp_path: Path) -> None:
    states: list[easel.Task] = []
    picture = client.generate("a cat", size="752x376", seed=7, output_format="png", on_progress=states.append)
    with Image.open(BytesIO(picture.file)) as image:
        assert (image.format, image.size) == ("PNG", (752, 376))
    assert picture.save(tmp_path / "cat.png").read_bytes() == picture.file
    (result,) = picture.task.results
    assert (result.width, result.height, result.seed, result.engine) == (752, 376, 7, "blank")
    assert picture.task.credits == 0.026
    assert states[-1] == picture.task


def test_a_task_is_submitted_waited_for_and_read(client: easel.Client) -> None:
    task = client.submit("a cat", size=SIZE)
    assert (task.status, task.progress, task.has_ended) == ("pending", 0, False)
    ended = client.wait(task.id)
    assert ended.status == "completed"
    assert client.task(task.id) == ended
    assert [listed.id for listed in client.tasks(status="completed").tasks] == [task.id]
    assert client.tasks(status="failed").total == 0
    assert client.picture(ended).file.startswith(b"RIFF")


def test_credits_and_models_are_read(client: easel.Client) -> None:
    client.generate("a cat", size=SIZE)
    assert client.credits() == easel.Credits(99.974, 0.026, False, 99.974, 0.026)
    assert client.models() == ["z-image-turbo"]


def test_the_same_idempotency_key_gives_the_same_task(client: easel.Client) -> None:
    first = client.submit("a cat", size=SIZE, idempotency_key="order-4711-4711-4711")
    assert client.submit("a cat", size=SIZE, idempotency_key="order-4711-4711-4711").id == first.id
    with pytest.raises(easel.Refused) as refused:
        client.submit("a dog", size=SIZE, idempotency_key="order-4711-4711-4711")
    assert (refused.value.status, refused.value.code) == (409, "idempotency_conflict")


def test_following_shows_the_place_in_line_and_the_steps(slow: Service, at_slow: easel.Client) -> None:
    first = at_slow.submit("a cat", size=SIZE)
    await_draw(slow, first.id)
    with nobody_draws(slow):
        # Until then, the service may answer from the line that it read before the first draw began.
        time.sleep(MEASUREMENT_LIFETIME_S)
        second = at_slow.submit("a cat", size=SIZE)
        following = iter(at_slow.follow(second.id))
        states = [next(following)]
    assert states[0].place_in_line == 1
    states += following
    steps = [(state.steps_done, state.steps_total) for state in states if state.status == "processing"]
    assert steps[-1][1] == STEPS
    assert steps == sorted(steps)
    assert states[-1].status == "completed"
    assert at_slow.task(first.id).status == "completed"


def test_a_cancelled_task_is_free_and_a_completed_one_stays(slow: Service, at_slow: easel.Client) -> None:
    with nobody_draws(slow):
        task = at_slow.submit("a cat", size=SIZE)
        at_slow.cancel(task.id)
    ended = at_slow.wait(task.id)
    assert ended.credits == 0
    with pytest.raises(easel.TaskFailed) as failed:
        ended.completed()
    assert failed.value.code == "request_cancelled"
    done = at_slow.wait(at_slow.submit("a cat", size=SIZE).id)
    assert at_slow.cancel(done.id) == done


def test_giving_up_the_wait_cancels_the_task(slow: Service, at_slow: easel.Client) -> None:
    with nobody_draws(slow), pytest.raises(easel.Unfinished, match=r"did not end within 0\.5 seconds"):
        at_slow.generate("a cat", size=SIZE, timeout_s=0.5)
    last = at_slow.tasks().tasks[0]
    assert at_slow.wait(last.id).fields["error"]["code"] == "request_cancelled"


def test_a_cancelled_coroutine_cancels_its_task(slow: Service) -> None:
    key = slow.new_key("left")

    async def leave() -> easel.Task:
        async with easel.AsyncClient(slow.url, key) as client:
            begun: asyncio.Future[easel.Task] = asyncio.get_running_loop().create_future()

            def note(task: easel.Task) -> None:
                if not begun.done():  # several states may come at once
                    begun.set_result(task)

            drawing = asyncio.create_task(client.generate("a cat", size=SIZE, on_progress=note))
            task = await begun
            drawing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await drawing
            return await client.wait(task.id)

    ended = asyncio.run(leave())
    assert ended.error is not None
    assert ended.error.code == "request_cancelled"


def test_a_coroutine_that_is_cancelled_while_it_submits_leaves_nothing_to_pay(slow: Service) -> None:
    key = slow.new_key("left while submitting")

    async def leave(after_s: float) -> None:
        async with easel.AsyncClient(slow.url, key) as client:
            drawing = asyncio.create_task(client.generate("a cat", size=SIZE))
            await asyncio.sleep(after_s)
            drawing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await drawing

    with easel.Client(slow.url, key) as client:
        for after_s in (0.0, 0.001, 0.003, 0.01):
            asyncio.run(leave(after_s))
        left = client.tasks().tasks
        assert left
        assert {client.wait(task.id).credits for task in left} == {0}


def test_an_interruption_while_an_order_is_submitted_leaves_nothing_to_pay(slow: Service) -> None:
    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    def generate(client: easel.Client, after_s: float) -> None:
        threading.Timer(after_s, os.kill, (os.getpid(), signal.SIGUSR1)).start()
        client.generate("a cat", size=SIZE)

    with easel.Client(slow.url, slow.new_key("interrupted")) as client:
        before = signal.signal(signal.SIGUSR1, interrupt)
        try:
            for after_s in (0.001, 0.002, 0.004, 0.01):
                client.models()  # opens the connection: the HTTP library leaves the socket of an interrupted one to Python
                with pytest.raises(KeyboardInterrupt):
                    generate(client, after_s)
        finally:
            signal.signal(signal.SIGUSR1, before)
        left = client.tasks().tasks
        assert left
        assert {client.wait(task.id).credits for task in left} == {0}


def test_a_deleted_picture_is_gone(client: easel.Client) -> None:
    task = client.generate("a cat", size=SIZE).task
    client.delete(task.id)
    assert client.task(task.id).results == ()
    with pytest.raises(easel.ClientError, match=f"Task {task.id} has no picture"):
        client.picture(client.task(task.id))


def test_a_refused_prompt_fails_with_the_reason(client: easel.Client) -> None:
    with pytest.raises(easel.TaskFailed, match=r"The prompt was refused: .*Nothing was charged") as failed:
        client.generate(REFUSED)
    assert failed.value.code == "content_policy_violation"


def test_an_unknown_task_is_refused(client: easel.Client) -> None:
    for ask in (client.task, client.wait, client.cancel, client.delete):
        with pytest.raises(easel.Refused) as refused:
            ask("task-unified-1757165031-uyujaw3d")
        assert (refused.value.status, refused.value.code) == (404, "task_not_found")


def test_the_service_and_the_key_come_from_the_environment(service: Service, new_key: Callable[..., str]) -> None:
    program = "import easel\nwith easel.Client() as client: print(client.models())"
    settings = environment(EASEL_URL=service.url + "/v1", EASEL_API_KEY=new_key())
    ran = subprocess.run([sys.executable, "-c", program], env=settings, capture_output=True, text=True, check=False)
    assert ran.stdout == "['z-image-turbo']\n", ran.stderr


def test_importing_easel_does_not_load_the_client() -> None:
    program = "import sys, easel; assert not {'httpx2', 'msgspec', 'easel.client'} & set(sys.modules); easel.Client"
    ran = subprocess.run(
        [sys.executable, "-c", program], env=environment(), capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr


def test_every_public_name_is_there() -> None:
    for name in dir(easel):
        assert getattr(easel, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        _ = easel.Nothing  # type: ignore[attr-defined]
