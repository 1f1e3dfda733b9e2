"""Posting to receivers of every kind: what arrives at good ones, and how and when attempts at bad ones end."""

import asyncio
import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Final, TypeVar

import pytest
import uvloop

from easel.domain.callback import Destinations
from easel.domain.delivery import ATTEMPT_TIMEOUT_S, Attempted, AttemptOutcome
from easel.outside.safe_http.client import FAREWELL_TIMEOUT_S, SafeHttp
from easel.outside.safe_http.connection import RECEIVED_BYTES_MAX
from tests.support.name_server import FAILURE, SILENCE, NameServer, name_server
from tests.support.tls_receiver import (
    Authority,
    Behaviour,
    TlsReceiver,
    answering,
    read_request,
    reset,
    tls_receiver,
    waiting,
)

HOST: Final = "hooks.receiver.net"
BODY: Final = b'{"id":"task-unified-1","status":"completed"}'
OK: Final = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
SHORT_S: Final = 0.6
SLACK_S: Final = 3.0
CLOCKS_APART_S: Final = 0.005
"""uvloop has timers of whole milliseconds."""
T = TypeVar("T")


class Sender:
    """A SafeHttp that may post to the test host on loopback, and its event loop."""

    def __init__(self, runner: asyncio.Runner, names: NameServer, ca_file: Path) -> None:
        self.names, self.ca_file, self._runner = names, ca_file, runner
        self.is_like_workers = isinstance(runner.get_loop(), uvloop.Loop)

    def post(
        self, receiver: TlsReceiver | int, timeout_s: float = 20.0, host: str = HOST, path: str = "/"
    ) -> Attempted:
        port = receiver if isinstance(receiver, int) else receiver.port
        return self.run(port, lambda http: http.post(f"https://{host}:{port}{path}", BODY, {}, timeout_s), host)

    def run(self, port: int, action: Callable[[SafeHttp], Awaitable[T]], host: str = HOST) -> T:
        async def act() -> T:
            allowed = frozenset({(host.strip("[]"), port)})
            http = SafeHttp(Destinations(allowed, ()), ca_file=self.ca_file, nameservers=[self.names.address])
            try:
                return await action(http)
            finally:
                await http.close()

        return self._runner.run(act())


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def certified(authority: Authority) -> ssl.SSLContext:
    return authority.context(HOST, "127.0.0.1", "::1")


@pytest.fixture(scope="module", params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def sender(
    request: pytest.FixtureRequest, authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sender]:
    ca_file = authority.write(tmp_path_factory.mktemp("authority") / "ca.pem")
    with name_server() as names, asyncio.Runner(loop_factory=request.param) as runner:
        names.zone[HOST] = ["127.0.0.1"]
        yield Sender(runner, names, ca_file)


def test_a_post_arrives_unchanged_and_without_a_proxy(
    sender: Sender, certified: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    seen = []

    def behave(connection: socket.socket) -> None:
        seen.append(read_request(connection))
        connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    with tls_receiver(behave, certified) as receiver:
        url = f"https://Hooks.Receiver.NET:{receiver.port}/a%20b//c?x=1&y"
        given = {"webhook-id": "msg_1", "user-agent": "easel-test"}
        attempted = sender.run(receiver.port, lambda http: http.post(url, BODY, given))
        assert (attempted.outcome, attempted.status_code) == (AttemptOutcome.DELIVERED, 204)
        assert 0 <= attempted.duration_ms < 2000
        assert receiver.server_names[-1] == HOST
    (head, body), *others = seen
    assert not others
    assert body == BODY
    assert head.split(b"\r\n") == [
        b"POST /a%20b//c?x=1&y HTTP/1.1",
        b"host: Hooks.Receiver.NET:%d" % receiver.port,
        b"accept: */*",
        b"accept-encoding: identity",
        b"content-type: application/json",
        b"user-agent: easel-test",
        b"webhook-id: msg_1",
        b"content-length: %d" % len(BODY),
    ]


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_an_allowed_address_is_not_looked_up(sender: Sender, certified: ssl.SSLContext, host: str) -> None:
    asked = len(sender.names.asked)
    with tls_receiver(answering(OK), certified, host.strip("[]")) as receiver:
        assert sender.post(receiver, host=host).outcome is AttemptOutcome.DELIVERED
    assert len(sender.names.asked) == asked


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_every_2xx_counts_as_delivered(sender: Sender, certified: ssl.SSLContext, status: int) -> None:
    with tls_receiver(answering(b"HTTP/1.1 %d X\r\n\r\n" % status), certified) as receiver:
        attempted = sender.post(receiver)
    assert (attempted.outcome, attempted.status_code) == (AttemptOutcome.DELIVERED, status)


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308, 400, 401, 404, 410, 429, 500, 503, 599])
def test_other_statuses_are_answers_and_redirects_are_not_followed(
    sender: Sender, certified: ssl.SSLContext, status: int
) -> None:
    with tls_receiver(answering(OK), certified) as elsewhere:
        location = b"https://%s:%d/" % (HOST.encode(), elsewhere.port)
        answer = b"HTTP/1.1 %d X\r\nlocation: %s\r\nset-cookie: a=b\r\ncontent-length: 0\r\n\r\n" % (status, location)
        with tls_receiver(answering(answer), certified) as receiver:
            attempted = sender.post(receiver)
            assert receiver.connections == 1
        assert elsewhere.connections == 0
    assert (attempted.outcome, attempted.status_code) == (AttemptOutcome.ANSWERED, status)


def test_informational_responses_are_skipped(sender: Sender, certified: ssl.SSLContext) -> None:
    hints = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"
    with tls_receiver(answering(hints + OK), certified) as receiver:
        assert sender.post(receiver).outcome is AttemptOutcome.DELIVERED


BODIES_THAT_DO_NOT_COUNT: Final = {
    "shorter than promised": b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nok",
    "longer than promised": b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n" + b"ok" * 1000,
    "broken chunks": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzzz\r\n",
    "without an end": b"HTTP/1.0 200 OK\r\n\r\nhello",
    "endless": b"HTTP/1.1 200 OK\r\ncontent-length: 9000000\r\n\r\n" + bytes(9_000_000),
    "compressed, it says": b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\nno gzip",
}


@pytest.mark.parametrize("answer", BODIES_THAT_DO_NOT_COUNT.values(), ids=BODIES_THAT_DO_NOT_COUNT)
def test_the_status_alone_decides_the_outcome(sender: Sender, certified: ssl.SSLContext, answer: bytes) -> None:
    with tls_receiver(answering(answer), certified) as receiver:
        attempted = sender.post(receiver)
    assert (attempted.outcome, attempted.status_code) == (AttemptOutcome.DELIVERED, 200)


def _dripping(beginning: bytes) -> Behaviour:
    def behave(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(beginning)
        while True:
            time.sleep(0.02)
            connection.sendall(b"x")

    return behave


def _dripping_tls(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc")  # one record, with one long server hello
    while True:
        time.sleep(0.02)
        connection.sendall(b"\x03")


def test_a_slow_body_is_abandoned_after_a_second(sender: Sender, certified: ssl.SSLContext) -> None:
    with tls_receiver(_dripping(b"HTTP/1.1 200 OK\r\n\r\n"), certified) as receiver:
        began_s = time.monotonic()
        attempted = sender.post(receiver)
        took_s = time.monotonic() - began_s
    assert attempted.outcome is AttemptOutcome.DELIVERED
    assert FAREWELL_TIMEOUT_S - 0.05 <= took_s <= FAREWELL_TIMEOUT_S + SLACK_S
    assert attempted.duration_ms / 1000 <= took_s - FAREWELL_TIMEOUT_S + 0.05


def _reset_instead_of_answering(connection: socket.socket) -> None:
    read_request(connection)
    reset(connection)


def _reset_after_answering(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(OK)
    time.sleep(0.1)
    reset(connection)


def _answer_without_reading(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 413 X\r\nconnection: close\r\n\r\n")


def _reset_before_tls(connection: socket.socket) -> None:
    connection.recv(1)
    reset(connection)


def _speak_plain_http(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def _end_before_tls(connection: socket.socket) -> None:
    connection.recv(65536)


BEHIND_TLS: Final[list[tuple[str, Behaviour, AttemptOutcome]]] = [
    ("reset instead of an answer", _reset_instead_of_answering, AttemptOutcome.CONNECTION_FAILED),
    ("reset after the answer", _reset_after_answering, AttemptOutcome.DELIVERED),
    ("an answer before the request", _answer_without_reading, AttemptOutcome.ANSWERED),
    ("an end instead of an answer", answering(b""), AttemptOutcome.CONNECTION_FAILED),
    ("an end within the head", answering(b"HTTP/1.1 200 OK\r\nx"), AttemptOutcome.CONNECTION_FAILED),
    ("no HTTP", answering(b"220 mail.receiver.net ESMTP\r\n\r\n"), AttemptOutcome.CONNECTION_FAILED),
    ("a change of protocol", answering(b"HTTP/1.1 101 X\r\nupgrade: x\r\n\r\n"), AttemptOutcome.CONNECTION_FAILED),
    ("a head without end", answering(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 50_000), AttemptOutcome.CONNECTION_FAILED),
    ("hints without end", answering(b"HTTP/1.1 103 X\r\n\r\n" * 50_000), AttemptOutcome.CONNECTION_FAILED),
    ("a line without end", answering(b"x" * 1_000_000), AttemptOutcome.CONNECTION_FAILED),
]
BEFORE_TLS: Final[list[tuple[str, Behaviour, AttemptOutcome]]] = [
    ("reset", _reset_before_tls, AttemptOutcome.TLS_FAILED),
    ("plain HTTP", _speak_plain_http, AttemptOutcome.TLS_FAILED),
    ("an end", _end_before_tls, AttemptOutcome.TLS_FAILED),
]


@pytest.mark.parametrize(("behaviour", "outcome"), [case[1:] for case in BEHIND_TLS], ids=[c[0] for c in BEHIND_TLS])
def test_failures_of_an_exchange_are_distinguished(
    sender: Sender, certified: ssl.SSLContext, behaviour: Behaviour, outcome: AttemptOutcome
) -> None:
    with tls_receiver(behaviour, certified) as receiver:
        assert sender.post(receiver).outcome is outcome
        assert receiver.connections == 1


@pytest.mark.parametrize(("behaviour", "outcome"), [case[1:] for case in BEFORE_TLS], ids=[c[0] for c in BEFORE_TLS])
def test_failures_of_tls_are_distinguished(sender: Sender, behaviour: Behaviour, outcome: AttemptOutcome) -> None:
    with tls_receiver(behaviour, None) as receiver:
        assert sender.post(receiver).outcome is outcome
        assert receiver.connections == 1


def test_at_most_the_limit_is_read(sender: Sender, certified: ssl.SSLContext) -> None:
    taken: list[int] = []

    def behave(connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        read_request(connection)
        with contextlib.suppress(OSError):
            while sum(taken) < 100_000_000:
                taken.append(connection.send(b"a: b\r\n" * 100 if taken else b"HTTP/1.1 200 OK\r\n"))

    with tls_receiver(behave, certified) as receiver:
        assert sender.post(receiver).outcome is AttemptOutcome.CONNECTION_FAILED
    # The system's buffers take more.
    assert sum(taken) < RECEIVED_BYTES_MAX + 8_000_000


def test_certificates_are_checked(sender: Sender, authority: Authority) -> None:
    wanting = authority.context(HOST)
    wanting.verify_mode = ssl.CERT_REQUIRED
    authority.trusted_by(wanting)
    contexts = {
        "another name": authority.context("other.receiver.net"),
        "a wildcard one level up": authority.context("*.net"),
        "an address instead of the name": authority.context("127.0.0.1"),
        "expired": authority.context(HOST, expired=True),
        "another authority": Authority().context(HOST),
        "wants a certificate of ours": wanting,
    }
    outcomes = {}
    for name, context in contexts.items():
        with tls_receiver(answering(OK), context) as receiver:
            outcomes[name] = sender.post(receiver).outcome
            assert receiver.connections == 1
    assert outcomes == dict.fromkeys(contexts, AttemptOutcome.TLS_FAILED)


def test_without_a_ca_file_only_the_systems_authorities_count(sender: Sender, certified: ssl.SSLContext) -> None:
    async def post(port: int) -> Attempted:
        http = SafeHttp(Destinations(frozenset({("127.0.0.1", port)}), ()))
        return await http.post(f"https://127.0.0.1:{port}/", BODY, {})

    with tls_receiver(answering(OK), certified) as receiver:
        assert asyncio.run(post(receiver.port)).outcome is AttemptOutcome.TLS_FAILED


def test_a_closed_port_is_a_failed_connection(sender: Sender) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert sender.post(port).outcome is AttemptOutcome.CONNECTION_FAILED


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_one_listening_address_is_enough(sender: Sender, certified: ssl.SSLContext, address: str) -> None:
    sender.names.zone[HOST] = ["127.0.0.1", "::1"]
    try:
        with tls_receiver(answering(OK), certified, address) as receiver:
            assert sender.post(receiver).outcome is AttemptOutcome.DELIVERED
            assert receiver.connections == 1
    finally:
        sender.names.zone[HOST] = ["127.0.0.1"]


@pytest.mark.parametrize(("records", "outcome"), [
    (None, AttemptOutcome.DNS_FAILED), ([], AttemptOutcome.DNS_FAILED), ([FAILURE], AttemptOutcome.DNS_FAILED),
    (["CNAME hooks.elsewhere.net"], AttemptOutcome.DNS_FAILED), ([SILENCE], AttemptOutcome.TIMED_OUT),
])  # fmt: skip
def test_a_name_without_an_address_fails(sender: Sender, records: list[str] | None, outcome: AttemptOutcome) -> None:
    if records is not None:
        sender.names.zone["nowhere.receiver.net"] = records
    attempted = sender.post(443, SHORT_S, "nowhere.receiver.net")
    sender.names.zone.pop("nowhere.receiver.net", None)
    assert (attempted.outcome, attempted.status_code) == (outcome, None)


def test_every_stage_ends_at_the_deadline(sender: Sender, certified: ssl.SSLContext) -> None:
    timeout_s = ATTEMPT_TIMEOUT_S if sender.is_like_workers else SHORT_S
    sender.names.zone["slow.receiver.net"] = [SILENCE]
    with (
        tls_receiver(waiting, None) as no_tls,
        tls_receiver(_dripping_tls, None) as half_tls,
        tls_receiver(waiting, certified) as no_answer,
        tls_receiver(_dripping(b"HTTP/1.1 200 OK\r\nx: "), certified) as dripping_head,
        socket.create_server(("127.0.0.1", 0), backlog=0) as full,
        contextlib.ExitStack() as callers,
    ):
        ports = [no_tls.port, half_tls.port, no_answer.port, dripping_head.port]
        full_port = full.getsockname()[1]
        for _ in range(4):  # more than fit into the backlog of a listener that never accepts
            caller = callers.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(("127.0.0.1", full_port))
        urls = [f"https://{HOST}:{port}/" for port in [*ports, full_port]] + ["https://slow.receiver.net:8443/"]
        allowed = frozenset((HOST, port) for port in [*ports, full_port])
        ends = sender.run(0, lambda _: _all_ends(sender, allowed, urls, timeout_s))
    assert len(ends) == 6
    for attempted, took_s in ends:
        assert attempted.outcome is AttemptOutcome.TIMED_OUT
        assert timeout_s - CLOCKS_APART_S <= took_s <= timeout_s + SLACK_S
        assert attempted.duration_ms == pytest.approx(took_s * 1000, abs=500)


async def _all_ends(
    sender: Sender, allowed: frozenset[tuple[str, int]], urls: list[str], timeout_s: float
) -> list[tuple[Attempted, float]]:
    http = SafeHttp(Destinations(allowed, ()), ca_file=sender.ca_file, nameservers=[sender.names.address])

    async def post(url: str) -> tuple[Attempted, float]:
        began_s = time.monotonic()
        return await http.post(url, BODY, {}, timeout_s), time.monotonic() - began_s

    try:
        return await asyncio.gather(*map(post, urls))
    finally:
        await http.close()


def test_cancelling_a_post_closes_its_connection(sender: Sender) -> None:
    async def cancel(http: SafeHttp) -> None:
        post = asyncio.ensure_future(http.post(f"https://{HOST}:{receiver.port}/", BODY, {}))
        await asyncio.to_thread(met.wait, 5)
        post.cancel()
        with pytest.raises(asyncio.CancelledError):
            await post
        await asyncio.to_thread(ended.wait, 5)

    met, ended = threading.Event(), threading.Event()

    def behave(connection: socket.socket) -> None:
        met.set()
        waiting(connection)
        ended.set()

    with tls_receiver(behave, None) as receiver:
        sender.run(receiver.port, cancel)
        assert ended.is_set()
