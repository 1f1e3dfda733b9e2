"""The client at a service that falters: what it repeats, what it waits for, and when it gives up."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import easel
from easel.client.steps import ANSWER_BYTES_MAX
from tests.support.tls_receiver import tls_receiver

TASK: dict[str, Any] = {
    "created": 0, "id": "task-unified-0-00000000", "model": "z-image-turbo", "progress": 0, "status": "pending",
    "task_info": {"can_cancel": True, "estimated_time": 1},
}  # fmt: skip
DONE = TASK | {"status": "completed", "progress": 100, "results": ["http://127.0.0.1:9/x.webp"]}


def answer(status: int, body: object, *headers: str) -> bytes:
    content = json.dumps(body).encode()
    head = "\r\n".join([f"HTTP/1.1 {status} X", f"content-length: {len(content)}", "connection: close", *headers])
    return head.encode() + b"\r\n\r\n" + content


def error(status: int, code: str, *headers: str) -> bytes:
    return answer(status, {"error": {"code": code, "message": "No", "type": "t"}}, *headers)


def stream(*tasks: dict[str, Any]) -> bytes:
    """A stream that breaks off after these events."""
    events = b"".join(
        b"id: %d\nevent: x\ndata: %s\n\n" % (n, json.dumps(task).encode()) for n, task in enumerate(tasks)
    )
    return b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n" + events


@contextmanager
def answering(*answers: bytes) -> Iterator[tuple[easel.Client, list[str]]]:
    """A client of a service that gives these answers, one for each connection, and the requests that it gets."""
    left, asked = list(answers), []

    def behave(connection: socket.socket) -> None:
        asked.append(connection.recv(65536).decode())
        if left:
            connection.sendall(left.pop(0))

    with tls_receiver(behave, None) as service, easel.Client(f"http://127.0.0.1:{service.port}", "k") as client:
        yield client, asked


def header(request: str, name: str) -> str:
    return next(line.partition(": ")[2] for line in request.split("\r\n") if line.lower().startswith(f"{name}: "))


def test_a_lost_answer_is_asked_for_again_with_the_same_idempotency_key() -> None:
    with answering(b"", answer(200, TASK)) as (client, asked):
        assert client.submit("x").status == "pending"
    assert len(asked) == 2
    assert header(asked[0], "idempotency-key") == header(asked[1], "idempotency-key")


def test_a_busy_service_is_asked_again_after_the_time_that_it_names() -> None:
    began_s = time.monotonic()
    with answering(error(429, "rate_limit_exceeded", "retry-after: 1"), answer(200, TASK)) as (client, asked):
        client.submit("x")
    assert time.monotonic() - began_s >= 1
    assert len(asked) == 2


@pytest.mark.parametrize("odd", [b"1e999", b"NaN", b'"\\ud800"', b"[" * 60_000, b"null"])
def test_an_answer_that_is_no_task_is_refused_in_a_sentence(odd: bytes) -> None:
    body = json.dumps(TASK | {"progress": 0}).encode().replace(b'"progress": 0', b'"progress": ' + odd)
    head = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body)
    with answering(head + body) as (client, _), pytest.raises(easel.ClientError, match="but not like Easel"):
        client.task(TASK["id"])


@pytest.mark.parametrize("created", [-1, 253_402_300_800, 10**30, "soon"])
def test_a_time_that_no_calendar_has_is_refused_in_a_sentence(created: object) -> None:
    listed = {"id": "x", "status": "pending", "progress": 0, "model": "m", "created_at": created, "credits_used": 0,
              "has_results": False, "has_error": False}  # fmt: skip
    page = {"data": [listed], "page": 1, "page_size": 20, "total": 1}
    with answering(answer(200, TASK | {"created": created}), answer(200, page)) as (client, asked):
        for ask in (lambda: client.task(TASK["id"]), client.tasks):
            with pytest.raises(easel.ClientError, match="but not like Easel"):
                ask()
    assert len(asked) == 2


@pytest.mark.parametrize(
    "link", ["http://[::1", "\0", "file:///etc/passwd", "http://", "/pictures/x.webp", "http://a\n/x"]
)
def test_a_link_that_is_no_address_is_refused_in_a_sentence(link: str) -> None:
    with answering(answer(200, DONE | {"results": [link]})) as (client, _):
        task = client.task(TASK["id"])
        with pytest.raises(easel.ClientError, match="The link to the picture is not an address"):
            client.picture(task)


def test_a_prompt_that_cannot_be_sent_is_refused_before_any_request() -> None:
    with answering() as (client, asked), pytest.raises(easel.Refused, match="prompt is not text in UTF-8"):
        client.submit("a \ud800 cat")
    assert asked == []


@pytest.mark.parametrize("status", [200, 500])
def test_an_endless_answer_is_not_read_to_its_end(status: int) -> None:
    sent = 0

    def flood(connection: socket.socket) -> None:
        nonlocal sent
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 %d X\r\nconnection: close\r\n\r\n" % status)
        while sent < 10 * ANSWER_BYTES_MAX:
            sent += connection.send(b" " * 65536)

    with tls_receiver(flood, None) as service, easel.Client(f"http://127.0.0.1:{service.port}", "k") as client:
        for ask in (client.task, client.wait):
            sent = 0
            with pytest.raises(easel.ClientError):
                ask(TASK["id"])
            assert sent < 2 * ANSWER_BYTES_MAX


@pytest.mark.parametrize("task_id", ["../../admin/v1/keys/1/revoke?", "..", "a/b", "a%2fb", "a\n", ""])
def test_an_id_that_would_lead_elsewhere_is_not_sent(task_id: str) -> None:
    with answering() as (client, asked):
        for act in (client.task, client.cancel, client.delete, client.wait):
            with pytest.raises(easel.Refused, match="is not the id of a task") as refused:
                act(task_id)
            assert refused.value.code == "invalid_task_id"
    assert asked == []


def test_a_long_pause_is_left_to_the_caller() -> None:
    busy = error(429, "rate_limit_exceeded", "retry-after: 31")
    with answering(busy) as (client, asked), pytest.raises(easel.Refused) as refused:
        client.submit("x")
    assert refused.value.retry_after_s == 31
    assert len(asked) == 1


def test_a_broken_stream_is_continued_after_the_last_event() -> None:
    with answering(stream(TASK, TASK), stream(DONE)) as (client, asked):
        assert [task.status for task in client.follow(TASK["id"])] == ["pending", "pending", "completed"]
    assert header(asked[1], "last-event-id") == "1"


@pytest.mark.parametrize("refusal", [error(404, "not_found"), error(429, "rate_limit_exceeded")], ids=["none", "full"])
def test_without_a_stream_the_task_is_polled(refusal: bytes) -> None:
    with answering(refusal, answer(200, DONE)) as (client, asked):
        assert client.wait(TASK["id"]).status == "completed"
    assert asked[1].startswith(f"GET /v1/tasks/{TASK['id']} ")


def test_a_stream_that_stays_broken_is_given_up() -> None:
    with answering() as (client, _), pytest.raises(easel.ClientError, match="ended the connection without an answer"):
        client.wait(TASK["id"])


def test_a_silent_stream_is_left_when_the_time_is_up() -> None:
    def say_nothing(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(stream(TASK))
        connection.recv(1)

    began_s = time.monotonic()
    with tls_receiver(say_nothing, None) as service, easel.Client(f"http://127.0.0.1:{service.port}", "k") as client:
        with pytest.raises(easel.Unfinished):
            client.wait(TASK["id"], timeout_s=0.5)
        client.close()
    assert time.monotonic() - began_s < 15


def test_a_key_that_is_revoked_ends_the_wait() -> None:
    refused = (
        b'event: error\ndata: {"error":{"code":"unauthorized","message":"Authentication required","type":"t"}}\n\n'
    )
    with answering(stream(TASK) + refused) as (client, _), pytest.raises(easel.Refused) as ended:
        client.wait(TASK["id"])
    assert ended.value.status == 401
