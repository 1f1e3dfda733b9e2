"""The edge under clients that do not read, send without end or are too many: memory use, and when connections close."""

import asyncio
import contextlib
import gc
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2
import pytest
import uvicorn

from easel.web.edge.crowd import MUCH_BYTES, Crowd
from easel.web.edge.protocol import EdgeProtocol
from easel.web.shared_check import SharedCheck
from tests.support.bare_http import ALIVE, HOST, Peer, answers
from tests.support.patience import PATIENCE_S, eventually
from tests.support.running_fleet import Fleet
from tests.support.running_service import GENERATIONS, ORDER, Service, finish, submit

MB: Final = 1_000_000
LARGE_BYTES: Final = 5 * MB
BEHIND: Final = 1


def resident_bytes(service: Service) -> int:
    """The memory of the web process."""
    status = Path(f"/proc/{service.child_pid('web')}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) * 1024


@pytest.fixture(scope="module")
def key(service: Service) -> str:
    return service.new_key("edge-crowd", "1000")


@pytest.fixture(scope="module")
def large(service: Service, key: str) -> tuple[str, bytes]:
    """A link to a picture of five megabytes, and the picture."""
    with service.client(key) as client:
        (link,) = finish(client, submit(client)["id"])["results"]
    (file,) = (service.data_dir / "pictures").rglob(Path(urlsplit(link).path).name)
    content = bytes(number * 7 % 251 for number in range(10_007)) * (LARGE_BYTES // 10_007 + 1)
    file.write_bytes(content[:LARGE_BYTES])
    return link, content[:LARGE_BYTES]


# Requests on one connection.


def test_a_client_that_reads_no_answers_is_not_read_from(service: Service) -> None:
    before_bytes, sent_bytes = resident_bytes(service), 0
    with socket.create_connection(("127.0.0.1", service.port), timeout=2) as client:
        with contextlib.suppress(OSError):
            while sent_bytes < 40 * MB:
                client.sendall(ALIVE * 2000)
                sent_bytes += len(ALIVE) * 2000
        with service.client() as other:
            assert other.get("/healthz").status_code == 200
        assert resident_bytes(service) < before_bytes + 20 * MB
    assert sent_bytes < 40 * MB


def test_a_client_that_pipelines_many_requests_gets_every_answer_in_constant_memory(service: Service) -> None:
    before_bytes, count = resident_bytes(service), 20_000
    most_bytes = 0
    with Peer(service) as peer:
        last = ALIVE.replace(b"Host", b"Connection: close\r\nHost")
        sending = threading.Thread(target=peer.send, args=(ALIVE * count + last,))
        sending.start()
        raw = peer.until_closed()
        most_bytes = resident_bytes(service)
        sending.join()
    assert raw.count(b"HTTP/1.1 200 OK\r\n") == count + 1
    assert most_bytes < before_bytes + 20 * MB


@pytest.mark.parametrize("filler", [b"a", b"\r\n"], ids=["a header", "blank lines"])
def test_little_is_read_of_an_endless_request(service: Service, filler: bytes) -> None:
    begun = b"GET / HTTP/1.1\r\nX: " if filler == b"a" else b""
    sent_bytes = 0
    with (
        socket.create_connection(("127.0.0.1", service.port), timeout=PATIENCE_S) as client,
        contextlib.suppress(OSError),
    ):
        client.sendall(begun)
        while sent_bytes < 60 * MB:
            sent_bytes += client.send(filler * 32768)
    # What the system holds on both sides is among it.
    assert sent_bytes < 20 * MB


def test_little_is_read_of_a_refused_body(service: Service) -> None:
    sent_bytes = 0
    with (
        socket.create_connection(("127.0.0.1", service.port), timeout=PATIENCE_S) as client,
        contextlib.suppress(OSError),
    ):
        client.sendall(
            b"POST " + GENERATIONS.encode() + b" HTTP/1.1\r\nContent-Length: 1000000000\r\n" + HOST + b"\r\n"
        )
        while sent_bytes < 60 * MB:
            sent_bytes += client.send(b"{" * 65536)
    assert sent_bytes < 20 * MB


# Pictures.


def test_a_large_picture_is_served_whole_and_in_ranges(service: Service, large: tuple[str, bytes]) -> None:
    link, content = large
    with service.client() as client:
        assert client.get(link).content == content
        head = client.head(link)
        assert (head.headers["content-length"], head.content) == (str(LARGE_BYTES), b"")
        for start, end in ((0, 1), (1, LARGE_BYTES), (300_001, 2_900_000), (LARGE_BYTES - 1, LARGE_BYTES)):
            part = client.get(link, headers={"range": f"bytes={start}-{end - 1}"})
            assert (part.status_code, part.content) == (206, content[start:end])


def test_many_clients_that_do_not_read_a_large_picture_cost_little_memory(
    service: Service, large: tuple[str, bytes]
) -> None:
    link, content = large
    before_bytes = resident_bytes(service)
    with ExitStack() as open_:
        for _ in range(200):
            peer = open_.enter_context(Peer(service))
            peer.send(f"GET {urlsplit(link).path} HTTP/1.1\r\n".encode() + HOST + b"\r\n")
        with service.client() as client:
            assert client.get(link).content == content
        assert resident_bytes(service) < before_bytes + 50 * MB


# A protocol of the test's own, whose times are short.


class Hurried(EdgeProtocol):
    """An edge that abandons an answer unread for two seconds."""

    untaken_timeout_s = 2.0
    untaken_check_s = 0.2


async def _large_answers(scope: dict[str, Any], _receive: object, send: Callable[[dict[str, Any]], Any]) -> None:
    if scope["type"] != "http":
        return
    size_bytes = 20 * MB if scope["path"] == "/large" else 2
    start = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(size_bytes).encode())]}
    await send(start)
    if scope["path"] == "/slow":
        await asyncio.sleep(1)
    await send({"type": "http.response.body", "body": b"x" * size_bytes})


@contextlib.contextmanager
def edge_of(crowd: Crowd) -> Iterator[int]:
    """Run a server with its own edge, and return its port."""
    config = uvicorn.Config(
        _large_answers, http=Hurried.among(crowd), log_config=None, lifespan="off", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            eventually(lambda: server.started)
            yield port
        finally:
            server.should_exit = True
            thread.join()


def opened(open_: ExitStack, port: int, asked: bytes = b"") -> socket.socket:
    client = open_.enter_context(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S))
    client.sendall(asked)
    return client


def is_cut(client: socket.socket, got_bytes: int = 0) -> bool:
    """Whether the answer, read so far, ends before it is complete."""
    with contextlib.suppress(ConnectionError):
        while chunk := client.recv(1 << 20):
            got_bytes += len(chunk)
    return got_bytes < 20 * MB


LARGE: Final = b"GET /large HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n"


def test_an_unread_answer_is_abandoned_and_a_slowly_read_one_is_not() -> None:
    with edge_of(Crowd(10, [])) as port, ExitStack() as open_:
        idle, slow = opened(open_, port, LARGE), opened(open_, port, LARGE)
        taken_bytes = 0
        for _ in range(40):
            taken_bytes += len(slow.recv(200_000))
            time.sleep(0.1)
        assert is_cut(idle)
        assert not is_cut(slow, taken_bytes)


def test_the_longest_stalled_connections_are_closed_when_all_together_hold_too_much() -> None:
    with edge_of(Crowd(10, [], held_bytes_max=30 * MB)) as port, ExitStack() as open_:
        first = opened(open_, port, LARGE)
        time.sleep(0.3)
        second = opened(open_, port, LARGE)
        assert not is_cut(second)
        assert is_cut(first)


@pytest.mark.parametrize("what", ["heads", "bodies"])
def test_a_long_large_upload_is_closed_and_an_ordinary_waiting_request_is_not(what: str) -> None:
    unfinished = {
        "heads": b"GET /large HTTP/1.1\r\nX: " + b"x" * 30_000,
        "bodies": b"POST /slow HTTP/1.1\r\nContent-Length: 65000\r\n" + HOST + b"\r\n" + b"x" * 60_000,
    }
    with edge_of(Crowd(100, [], held_bytes_max=MB)) as port, ExitStack() as open_:
        waiting = opened(open_, port, b"GET /slow HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n")
        time.sleep(0.2)
        senders = []
        for _ in range(30):
            senders.append(opened(open_, port, unfinished[what]))
            time.sleep(0.01)
        assert waiting.recv(12) == b"HTTP/1.1 200"
        eventually(lambda: is_closed(senders[0]))
        # The last comes first, because some may be given up meanwhile.
        given_up = [is_closed(sender) for sender in reversed(senders)][::-1]
        assert given_up[0]
        assert not given_up[-1]
        assert sorted(given_up, reverse=True) == given_up, "whoever came first went first"


def is_closed(client: socket.socket) -> bool:
    """Whether the other side is known to have closed, without waiting."""
    client.setblocking(False)
    try:
        while client.recv(65536):
            pass
    except BlockingIOError:
        return False
    except ConnectionError:
        pass
    return True


def test_memory_is_released_when_a_crowd_has_left() -> None:
    relieved: list[int] = []
    crowd = Crowd(100, [], on_relief=lambda: relieved.append(1))
    first, second = Silent(), Silent()
    crowd.note(first, MUCH_BYTES // 2)
    crowd.note(first, 0)
    assert not relieved
    crowd.note(first, MUCH_BYTES)
    crowd.note(second, 1)
    crowd.note(first, 0)
    assert not relieved
    crowd.leave(second)
    assert relieved == [1]


class Silent:
    """A connection that does nothing."""

    def give_up(self) -> None:
        raise AssertionError


def test_connections_are_limited_by_address_and_the_refusal_says_when_to_retry() -> None:
    with edge_of(Crowd(2, [])) as port:
        with ExitStack() as open_:
            kept = [opened(open_, port) for _ in range(2)]
            third = opened(open_, port)
            (answer,) = answers(b"".join(iter(lambda: third.recv(65536), b"")))
            assert (answer.status, answer.headers["retry-after"]) == (429, "5")
            assert b"rate_limit_exceeded" in answer.body
            kept[0].close()
            time.sleep(0.2)
            opened(open_, port, ALIVE.replace(b"healthz", b"small")).recv(100)
        with contextlib.closing(
            socket.create_connection(("127.0.0.1", port), source_address=("127.0.0.2", 0))
        ) as other:
            other.sendall(ALIVE)
            assert other.recv(12) == b"HTTP/1.1 200"


def test_a_trusted_proxys_connections_are_not_limited() -> None:
    with edge_of(Crowd(1, [ip_network("127.0.0.0/8")])) as port, ExitStack() as open_:
        for client in [opened(open_, port, ALIVE) for _ in range(5)]:
            assert client.recv(12) == b"HTTP/1.1 200"


def test_connections_lost_during_an_answer_leave_nothing_behind() -> None:
    with edge_of(Crowd(10, [])) as port:
        with ExitStack() as open_:
            for path in (b"/slow", b"/large", b"/slow"):
                opened(open_, port, b"GET " + path + b" HTTP/1.1\r\n" + HOST + b"\r\n")
            time.sleep(0.3)

        def left() -> int:
            gc.collect()
            # By type alone: other libraries' objects may warn when they are asked for anything.
            return sum(issubclass(type(each), Hurried) for each in gc.get_objects())

        eventually(lambda: not left(), every_s=0.3)


# Streams and waiting requests.


def test_streams_are_limited_by_key_and_by_address(two_webs: Fleet) -> None:
    first, second = two_webs.issue(), two_webs.issue()
    with ExitStack() as open_:

        def client(key: str, address: str) -> httpx2.Client:
            made = open_.enter_context(two_webs.client(key, BEHIND))
            made.headers["x-forwarded-for"] = address
            return made

        mine, elsewhere = client(first.key, "203.0.113.77"), client(first.key, "203.0.113.78")
        others = client(second.key, "203.0.113.77")
        task, other_task = submit(mine)["id"], submit(others)["id"]

        def stream(client: httpx2.Client, task: str) -> httpx2.Response:
            return open_.enter_context(client.stream("GET", f"/v1/tasks/{task}/events"))

        assert [stream(mine, task).status_code for _ in range(6)] == [200] * 5 + [429]
        refused = elsewhere.get(f"/v1/tasks/{task}", params={"wait": 1})
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "5")
        assert refused.json()["error"]["code"] == "rate_limit_exceeded"
        # An order is accepted all the same. It is not waited for.
        made = elsewhere.post(GENERATIONS, json=ORDER, headers={"prefer": "wait=30"})
        assert (made.status_code, made.headers.get("preference-applied")) == (200, None)
        assert [stream(others, other_task).status_code for _ in range(3)] == [200, 200, 429]
    with two_webs.client(first.key, BEHIND) as client_again:
        client_again.headers["x-forwarded-for"] = "203.0.113.77"
        eventually(lambda: client_again.get(f"/v1/tasks/{task}", params={"wait": 1}).status_code == 200, every_s=1)


# Readiness.


def test_concurrent_readiness_requests_share_one_check() -> None:
    found = 0

    async def find() -> int:
        nonlocal found
        await asyncio.sleep(0.01)
        found += 1
        return found

    async def ask() -> None:
        check = SharedCheck(find, lifetime_s=60)
        assert await asyncio.gather(*(check.found() for _ in range(50))) == [1] * 50
        assert await check.found() == 1
        brief = SharedCheck(find, lifetime_s=0.05)
        assert await brief.found() == 2
        await asyncio.sleep(0.1)
        assert await brief.found() == 3

    asyncio.run(ask())
