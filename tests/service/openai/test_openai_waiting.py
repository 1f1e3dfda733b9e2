"""OpenAI's route waits: for clients that leave or lose patience, tasks that fail, and a service that stops
meanwhile."""

import asyncio
import base64
import json
import os
import random
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import openai
import pytest
from openai.types import ImagesResponse

from easel.actions import abandon, settle
from easel.domain.picture import object_name
from easel.domain.task import ErrorCode
from easel.outside.postgres import private_postgres
from easel.store.database import Database
from tests.support.data_folders import prepared_folder
from tests.support.faults import await_draw, entries, events, postgres_of
from tests.support.frozen import nobody_draws
from tests.support.openai_client import (
    DRAWN,
    OPENAI_GENERATIONS,
    PRICE,
    account_of,
    async_sdk,
    attempts,
    links,
    pictures,
    sdk,
    seeds,
)
from tests.support.patience import eventually
from tests.support.running_service import Service, submit

STEP_S: Final = 0.15


@pytest.fixture(scope="module")
def slow() -> Iterator[Service]:
    """A service that draws slowly, one picture at a time."""
    with prepared_folder() as folder, Service(folder, workers="1", blank_step_s=str(STEP_S)) as running:
        yield running
        running.audit()


@pytest.fixture
def key(slow: Service) -> str:
    """The key of an account that no other test uses."""
    return slow.new_key(f"waiting-{os.urandom(6).hex()}", "1")


@contextmanager
def asking(service: Service, key: str, **options: Any) -> Iterator["Future[ImagesResponse]"]:
    """Request pictures with the SDK in a thread."""
    changes = options.pop("changes", {})
    with sdk(service, key, **options) as client, ThreadPoolExecutor(1) as pool:
        yield pool.submit(lambda: client.images.generate(**{**DRAWN, **changes}))


def tasks_in(service: Service, key: str, status: str, count: int = 1) -> list[str]:
    """The ids of the account's tasks of one status, the first drawn first, once there are so many."""

    def found() -> list[str]:
        tasks = account_of(service, key)["tasks"]
        ids = [task["id"] for task in reversed(tasks) if task["status"] == status]
        return ids if len(ids) >= count else []

    return eventually(found)


def await_draw_of(service: Service, key: str) -> None:
    """Wait until the first of the account's tasks is being drawn, or was."""
    ids = eventually(lambda: [task["id"] for task in account_of(service, key)["tasks"]])
    await_draw(service, ids[-1])


def messages(service: Service, key: str) -> list[str]:
    """Why the account's tasks failed."""
    with service.client(key) as client:
        ids = [task["id"] for task in account_of(service, key)["tasks"]]
        tasks = client.post("/v1/tasks/batch", json={"task_ids": ids}).json()["data"]
    return [task["error"]["message"] for task in tasks if task["status"] == "failed"]


def fail(service: Service, task_id: str, code: ErrorCode) -> None:
    """Fail a task as the service does when it cannot draw it."""

    async def act(url: str) -> None:
        database = Database(url, 2)
        await database.open()
        try:
            assert await settle.fail(database, task_id, code, f"It failed: {code}")
        finally:
            await database.close()

    with private_postgres.attach(service.data_dir) as server:
        asyncio.run(act(server.url))


def sent(service: Service, key: str, order: dict[str, Any], *headers: str) -> socket.socket:
    """A connection on which an order was sent."""
    body = json.dumps(order).encode()
    lines = [f"POST {OPENAI_GENERATIONS} HTTP/1.1", f"Host: 127.0.0.1:{service.port}", f"Authorization: Bearer {key}"]
    head = "\r\n".join([*lines, *headers, f"Content-Length: {len(body)}", "", ""])
    connection = socket.create_connection(("127.0.0.1", service.port), timeout=30)
    connection.sendall(head.encode() + body)
    return connection


def test_the_tasks_of_a_client_that_disconnects_are_cancelled_and_refunded(slow: Service, key: str) -> None:
    with sent(slow, key, {**DRAWN, "n": 4}, "x-request-id: openai-leaver") as connection:
        await_draw_of(slow, key)
        with nobody_draws(slow):
            assert account_of(slow, key)["remaining"] == pytest.approx(1 - 4 * PRICE)
            connection.close()
            ids = tasks_in(slow, key, "failed", 4)
    # Nothing was drawn on: one was being drawn, and none is completed.
    assert [len(events(slow, "draw_started", task_id)) for task_id in ids] == [1, 0, 0, 0]
    assert messages(slow, key) == [abandon.MESSAGE] * 4
    assert account_of(slow, key)["remaining"] == 1
    eventually(lambda: [line["status"] for line in attempts(slow, "openai-leaver")] == [499])


def test_pictures_drawn_before_the_client_disconnected_are_charged_and_listed(slow: Service, key: str) -> None:
    with sent(slow, key, {**DRAWN, "n": 6}):
        tasks_in(slow, key, "completed")
    assert tasks_in(slow, key, "failed")
    done = tasks_in(slow, key, "completed")
    eventually(lambda: account_of(slow, key)["remaining"] == pytest.approx(1 - PRICE * len(done)))
    with slow.client(key) as client:
        for task_id in done:
            assert client.get(client.get(f"/v1/tasks/{task_id}").json()["results"][0]).status_code == 200


def test_a_cancelled_call_of_the_asynchronous_client_cancels_its_tasks(slow: Service, key: str) -> None:
    async def ask_and_leave() -> None:
        async with async_sdk(slow, key) as client:
            asked = asyncio.create_task(client.images.generate(**DRAWN, n=3))
            await asyncio.to_thread(await_draw_of, slow, key)
            with nobody_draws(slow):
                asked.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await asked
                await asyncio.to_thread(tasks_in, slow, key, "failed", 3)

    asyncio.run(ask_and_leave())
    assert account_of(slow, key)["remaining"] == 1


def test_with_an_idempotency_key_a_client_can_disconnect_and_return(slow: Service, key: str) -> None:
    order = {**DRAWN, "n": 2}
    with sent(slow, key, order, "Idempotency-Key: openai-waiting-0001"):
        await_draw_of(slow, key)
    named = {"extra_headers": {"Idempotency-Key": "openai-waiting-0001"}}
    with asking(slow, key, changes={"n": 2, **named}) as asked:
        assert len(links(asked.result())) == 2
    account = account_of(slow, key)
    assert (len(account["tasks"]), account["used"]) == (2, pytest.approx(2 * PRICE))


def make_busy(service: Service, key: str, pictures: int) -> None:
    """Have that many pictures to draw before any further one of the account."""
    with service.client(key) as client:
        for _ in range(pictures):
            submit(client)


def test_a_client_is_answered_before_its_timeout_and_does_not_retry(slow: Service, key: str) -> None:
    make_busy(slow, key, 4)
    named = {"extra_headers": {"x-request-id": "openai-impatient"}}
    with asking(slow, key, timeout=4, max_retries=2, changes=named) as asked, pytest.raises(openai.APIError) as raised:
        asked.result()
    assert isinstance(raised.value, openai.InternalServerError)
    assert (raised.value.status_code, raised.value.code) == (504, "generation_timeout")
    eventually(lambda: [line["status"] for line in attempts(slow, "openai-impatient")] == [504])
    assert messages(slow, key) == [abandon.MESSAGE]
    tasks_in(slow, key, "completed", 4)
    assert account_of(slow, key)["remaining"] == pytest.approx(1 - 4 * PRICE)


def test_at_the_clients_timeout_only_the_finished_pictures_are_returned_and_charged(slow: Service, key: str) -> None:
    with asking(slow, key, timeout=5, changes={"n": 6, "extra_body": {"seed": 20}}) as asked:
        answer = asked.result()
    count = len(links(answer))
    assert 1 <= count <= 3
    assert seeds(answer) == [20, 21, 22][:count]
    cancelled = {"code": "request_cancelled", "message": abandon.MESSAGE}
    assert (answer.model_extra or {})["errors"] == [cancelled] * (6 - count)
    account = account_of(slow, key)
    assert (len(account["tasks"]), account["used"]) == (6, pytest.approx(count * PRICE))
    assert account["remaining"] == pytest.approx(1 - count * PRICE)


def test_with_an_idempotency_key_the_sdk_retries_until_its_picture_is_ready(slow: Service, key: str) -> None:
    make_busy(slow, key, 4)
    named = {"extra_headers": {"Idempotency-Key": "openai-waiting-0002", "x-request-id": "openai-stubborn"}}
    with asking(slow, key, timeout=4, max_retries=5, changes=named) as asked:
        assert len(links(asked.result())) == 1
    # An answer is logged after it was sent.
    eventually(lambda: {line["status"] for line in attempts(slow, "openai-stubborn")} == {503, 200})
    account = account_of(slow, key)
    assert (len(account["tasks"]), account["used"]) == (5, pytest.approx(5 * PRICE))


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        (ErrorCode.IMAGE_PROCESSING_ERROR, 400, openai.BadRequestError),
        (ErrorCode.INVALID_PARAMETERS, 400, openai.BadRequestError),
        (ErrorCode.SERVICE_ERROR, 500, openai.InternalServerError),
        (ErrorCode.RESOURCE_EXHAUSTED, 503, openai.InternalServerError),
        (ErrorCode.GENERATION_TIMEOUT, 504, openai.InternalServerError),
    ],
)
def test_a_failed_task_is_an_error_with_its_code(
    slow: Service, key: str, code: ErrorCode, status: int, kind: type[openai.APIStatusError]
) -> None:
    with nobody_draws(slow), asking(slow, key) as asked:
        fail(slow, tasks_in(slow, key, "pending")[0], code)
        with pytest.raises(kind) as raised:
            asked.result()
    assert (raised.value.status_code, raised.value.code) == (status, code)
    assert f"It failed: {code}" in str(raised.value)
    headers = raised.value.response.headers
    assert ("retry-after" in headers, headers.get("x-should-retry")) == (
        status == 503, "false" if status == 504 else None,
    )  # fmt: skip
    assert account_of(slow, key)["remaining"] == 1


def test_a_task_that_its_owner_cancels_is_a_bad_request_error(slow: Service, key: str) -> None:
    with nobody_draws(slow), asking(slow, key, max_retries=2) as asked, slow.client(key) as client:
        task_id = tasks_in(slow, key, "pending")[0]
        assert client.post(f"/v1/tasks/{task_id}/cancel").status_code == 200
        with pytest.raises(openai.BadRequestError) as raised:
            asked.result()
    assert raised.value.code == "request_cancelled"


def test_if_one_of_three_fails_the_answer_has_the_others_and_the_reason(slow: Service, key: str) -> None:
    order: dict[str, Any] = {**DRAWN, "n": 3, "extra_body": {"seed": 5}, "response_format": "b64_json"}
    with sdk(slow, key) as client, ThreadPoolExecutor(1) as pool:
        with nobody_draws(slow):
            asked = pool.submit(lambda: client.images.generate(**order))
            second = tasks_in(slow, key, "pending", 3)[1]
            fail(slow, second, ErrorCode.CONTENT_POLICY_VIOLATION)
        answer = asked.result()
    assert len(pictures(answer)) == 2
    assert seeds(answer) == [5, 7]
    failed = {"code": "moderation_blocked", "message": "It failed: content_policy_violation"}
    assert (answer.model_extra or {})["errors"] == [failed]
    assert entries(slow, second) == ["hold", "release"]
    assert account_of(slow, key)["used"] == pytest.approx(2 * PRICE)


def test_if_one_of_three_fails_the_streams_last_event_has_the_reason(slow: Service, key: str) -> None:
    with sdk(slow, key) as client, ThreadPoolExecutor(1) as pool:
        with nobody_draws(slow):
            asked = pool.submit(lambda: list(client.images.generate(**DRAWN, n=3, stream=True)))
            fail(slow, tasks_in(slow, key, "pending", 3)[1], ErrorCode.SERVICE_ERROR)
        first, last = asked.result()
    assert "errors" not in (first.model_extra or {})
    failed = {"code": "service_error", "message": "It failed: service_error"}
    assert (last.model_extra or {})["errors"] == [failed]
    assert account_of(slow, key)["used"] == pytest.approx(2 * PRICE)


def test_a_stopping_service_answers_503_and_refunds(data_dir: Path) -> None:
    with Service(data_dir, workers="1", blank_step_s="1") as service:
        key = service.new_key("stopped", "1")
        with asking(service, key, changes={"n": 2}) as asked:
            await_draw_of(service, key)
            service.stop()
            with pytest.raises(openai.InternalServerError) as raised:
                asked.result()
        assert (raised.value.status_code, raised.value.code) == (503, "service_unavailable")
        assert raised.value.response.headers["retry-after"] == "2"
        service.start()
        assert messages(service, key) == [abandon.MESSAGE] * 2
        assert account_of(service, key)["remaining"] == 1
        service.audit()


def test_an_outage_loses_neither_a_waiting_client_nor_a_disconnection(data_dir: Path) -> None:
    with Service(data_dir, workers="1", blank_step_s="0.5") as service:
        key = service.new_key("outage", "1")
        with asking(service, key) as asked:
            await_draw_of(service, key)
            os.kill(postgres_of(data_dir)[0], signal.SIGQUIT)
            assert len(links(asked.result())) == 1
        with sent(service, key, {**DRAWN, "n": 10}):
            await_draw(service, tasks_in(service, key, "pending", 9)[0])
            assert service.process is not None
            os.kill(service.process.pid, signal.SIGSTOP)  # so that nobody starts the database anew
            os.kill(postgres_of(data_dir)[0], signal.SIGQUIT)
        time.sleep(1)
        os.kill(service.process.pid, signal.SIGCONT)
        assert len(tasks_in(service, key, "failed", 5)) >= 5
        eventually(lambda: {task["status"] for task in account_of(service, key)["tasks"]} <= {"completed", "failed"})
        account = account_of(service, key)
        drawn = [task for task in account["tasks"] if task["status"] == "completed"]
        assert account["used"] == pytest.approx(len(drawn) * PRICE)
        service.audit()


def resident_bytes(service: Service) -> int:
    """What the web process has in memory, at its highest."""
    status = Path(f"/proc/{service.child_pid('web')}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) * 1024


def enlarge(service: Service, key: str, size_bytes: int) -> list[bytes]:
    """Put large files in the place of an account's pictures; what they hold, the first picture's first."""
    files = []
    with service.database() as connection:
        for task_id in tasks_in(service, key, "completed"):
            update = "UPDATE tasks SET picture_bytes = %s WHERE id = %s RETURNING picture_name"
            row = connection.execute(update, (size_bytes, task_id)).fetchone()
            assert row is not None
            files.append(random.randbytes(size_bytes))
            (service.data_dir / "pictures" / object_name(row[0])).write_bytes(files[-1])
    return files


def test_large_answers_use_little_memory_however_slowly_they_are_read(slow: Service, key: str) -> None:
    named = "Idempotency-Key: openai-waiting-0003"
    order = {**DRAWN, "n": 2, "response_format": "b64_json"}
    with sent(slow, key, order, named) as connection:
        assert connection.recv(15) == b"HTTP/1.1 200 OK"
    files = enlarge(slow, key, 16 * 1024 * 1024 + 1)
    before_bytes = resident_bytes(slow)
    with ExitStack() as open_connections:
        stalled = [open_connections.enter_context(sent(slow, key, order, named)) for _ in range(8)]
        for connection in stalled:
            assert connection.recv(15) == b"HTTP/1.1 200 OK"
        with asking(slow, key, changes={**order, "extra_headers": {"Idempotency-Key": named[17:]}}) as asked:
            answer = asked.result()
    assert resident_bytes(slow) - before_bytes < 48 * 1024 * 1024, "eight answers of 45 MB each are under way"
    assert answer.data is not None
    assert [base64.b64decode(each.b64_json or "") for each in answer.data] == files
