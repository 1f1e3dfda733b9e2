"""The edge of the web process under too slow or too many clients.

The limits are the real ones. Everything that waits for one waits concurrently, in `waits`.
"""

import json
import resource
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import Final

import pytest

from easel.commands.web import CLOSE_IDLE_AFTER_S, FILES_BESIDE_CONNECTIONS
from easel.web.edge import limits as edge_limits
from tests.support.bare_http import (
    ALIVE,
    GIVE_UP_S,
    Answer,
    Peer,
    answers,
    asked,
    assert_refused,
    create,
    log_lines,
)
from tests.support.patience import eventually
from tests.support.running_service import GENERATIONS, Service

TOO_LATE: Final = "The request did not arrive in time"
SLOW_CLIENTS: Final = 300


@pytest.fixture(scope="module")
def key(service: Service) -> str:
    return service.new_key("edge", "1000")


# What is too slow.


def slow(service: Service, *sent: bytes, dripped: bytes = b"") -> tuple[list[Answer], float]:
    """Send this, then optionally a byte every 0.2 s, and return what the client gets and after how long."""
    with Peer(service) as peer, ThreadPoolExecutor(1) as pool:
        began_s = time.monotonic()
        for data in sent:
            peer.send(data)
        if dripped:
            pool.submit(peer.send_as_long_as_it_is_taken, dripped, times=100, pause_s=0.2)
        found = answers(peer.until_closed())
        return found, time.monotonic() - began_s


def waits_of(service: Service, key: str) -> dict[str, Callable[[], tuple[list[Answer], float]]]:
    body = create(key, b"Content-Length: 60000", b"X-Request-Id: edge-slow-body", b"")
    unread = ALIVE[:-2] + b"Content-Length: 60000\r\n\r\n"
    return {
        "one byte": lambda: slow(service, b"G"),
        "half a head": lambda: slow(service, b"GET / HTTP/1.1\r\nHost:"),
        "a dripping head": lambda: slow(service, b"GET / HTTP/1.1\r\nX: ", dripped=b"x"),
        "half a second head": lambda: slow(service, ALIVE + b"GET "),
        "half a body": lambda: slow(service, body, b'{"model"'),
        "a dripping body": lambda: slow(service, create(key, b"Content-Length: 60000", b"") + b"{", dripped=b" "),
        "dripping chunks": lambda: slow(
            service, create(key, b"Transfer-Encoding: chunked", b""), dripped=b"1\r\n \r\n"
        ),
        "half of a body that nobody reads": lambda: slow(service, unread),
        "nothing": lambda: slow(service),
        "blank lines": lambda: slow(service, dripped=b"\r\n"),
        "nothing after an answer": lambda: slow(service, ALIVE),
    }


Waits = dict[str, Future[tuple[list[Answer], float]]]


@pytest.fixture(scope="module")
def waits(service: Service, key: str) -> Iterator[Waits]:
    """Run all slow clients concurrently."""
    made = waits_of(service, key)
    with ThreadPoolExecutor(len(made)) as pool:
        yield {name: pool.submit(wait) for name, wait in made.items()}


@pytest.mark.parametrize(
    ("name", "statuses", "limit_s"),
    [
        ("one byte", [408], edge_limits.HEAD_TIMEOUT_S),
        ("half a head", [408], edge_limits.HEAD_TIMEOUT_S),
        ("a dripping head", [408], edge_limits.HEAD_TIMEOUT_S),
        ("half a second head", [200, 408], edge_limits.HEAD_TIMEOUT_S),
        ("half a body", [408], edge_limits.BODY_TIMEOUT_S),
        ("a dripping body", [408], edge_limits.BODY_TIMEOUT_S),
        ("dripping chunks", [408], edge_limits.BODY_TIMEOUT_S),
        ("half of a body that nobody reads", [200], edge_limits.BODY_TIMEOUT_S),
        ("nothing", [], CLOSE_IDLE_AFTER_S),
        ("blank lines", [], CLOSE_IDLE_AFTER_S),
        ("nothing after an answer", [200], CLOSE_IDLE_AFTER_S),
    ],
)
def test_a_stalled_request_is_answered_and_closed_at_its_time_limit(
    waits: Waits, name: str, statuses: list[int], limit_s: float
) -> None:
    found, elapsed_s = waits[name].result(GIVE_UP_S)
    assert [answer.status for answer in found] == statuses
    if statuses and statuses[-1] == 408:
        assert_refused(found[-1], 408, "request_timeout", TOO_LATE)
    assert limit_s - 0.1 <= elapsed_s <= limit_s + 4


def test_the_handler_of_a_missing_body_ends_with_the_answer(waits: Waits, service: Service) -> None:
    ((answer,), _) = waits["half a body"].result(GIVE_UP_S)
    assert answer.headers["x-request-id"] == "edge-slow-body"
    (line,) = log_lines(service, "edge-slow-body")
    assert (line["event"], line["status"], line["route"]) == ("request", 408, GENERATIONS)


def test_a_normal_client_is_served_beside_hundreds_of_slow_ones(service: Service, key: str) -> None:
    halves = [b"GET / HTTP/1.1\r\nX: ", create(key, b"Content-Length: 60000", b"") + b"{", b""]
    with ExitStack() as open_, service.client(key) as client:
        peers = [open_.enter_context(Peer(service)) for _ in range(SLOW_CLIENTS)]
        for number, peer in enumerate(peers):
            peer.send(halves[number % len(halves)])
        took_s = []
        for _ in range(200):
            began_s = time.monotonic()
            assert client.get("/v1/models").status_code == 200
            took_s.append(time.monotonic() - began_s)
    # Whoever had to wait until the slow ones are sent away would wait for longer.
    assert sorted(took_s)[197] < edge_limits.HEAD_TIMEOUT_S - 1


def test_beyond_its_connection_limit_the_service_answers_503_until_some_close(service: Service) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = edge_limits.CONNECTIONS_MAX + FILES_BESIDE_CONNECTIONS
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"this machine lets no process open {wanted} files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    try:
        with ExitStack() as open_:
            for number in range(edge_limits.CONNECTIONS_MAX):
                # One address may have no more than its share of them.
                open_.enter_context(Peer(service, f"127.0.0.{2 + number % 16}"))
            (answer,) = asked(service)
            assert (answer.status, answer.headers["retry-after"]) == (503, "2")
            assert json.loads(answer.body)["error"]["code"] == "service_unavailable"
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    with service.client() as client:
        eventually(lambda: client.get("/healthz").status_code == 200)
