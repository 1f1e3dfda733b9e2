"""Connections that stay open between posts: they save handshakes, and change nothing else."""

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest
import uvloop

from easel.domain.callback import Destinations
from easel.domain.delivery import Attempted, AttemptOutcome
from easel.outside.safe_http.client import SafeHttp
from easel.outside.safe_http.connection import RECEIVED_BYTES_MAX
from easel.outside.safe_http.kept import KeptConnections
from tests.support.name_server import NameServer, name_server
from tests.support.patience import eventually
from tests.support.tls_receiver import Authority, TlsReceiver, read_request, reset, tls_receiver

FIRST, SECOND = "hooks.receiver.net", "hooks.elsewhere.net"
OK: Final = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
ERROR: Final = b"HTTP/1.1 500 X\r\ncontent-length: 0\r\n\r\n"
FORBIDDEN: Final = "169.254.169.254"
DELIVERED: Final = (AttemptOutcome.DELIVERED, 200)


@dataclass
class Visits:
    """A receiver's behaviour: it answers every request on a connection until its sender closes. Keeps the requests, by
    connection. `answer` sends the answer to the request of this number, counted over all connections from 1."""

    answer: Callable[[socket.socket, int], None] = lambda connection, _: connection.sendall(OK)
    requests: list[list[bytes]] = field(default_factory=list)
    ended: int = 0

    def __call__(self, connection: socket.socket) -> None:
        heads: list[bytes] = []
        self.requests.append(heads)
        try:
            while True:
                head, _ = read_request(connection)
                heads.append(head)
                self.answer(connection, self.count)
        finally:
            self.ended += 1

    @property
    def count(self) -> int:
        """How many requests have arrived."""
        return sum(map(len, self.requests))


class Sender:
    """Posts to loopback under two names."""

    def __init__(self, runner: asyncio.Runner, names: NameServer, ca_file: Path) -> None:
        self.names, self._ca_file, self._runner = names, ca_file, runner

    def run(
        self, act: Callable[[SafeHttp], Awaitable[None]], *receivers: TlsReceiver, kept: KeptConnections | None = None
    ) -> None:
        async def run() -> None:
            allowed = frozenset((name, receiver.port) for name in (FIRST, SECOND) for receiver in receivers)
            http = SafeHttp(
                Destinations(allowed, ()), ca_file=self._ca_file, nameservers=[self.names.address], kept=kept
            )
            try:
                await act(http)
            finally:
                await http.close()

        self.names.zone |= {FIRST: ["127.0.0.1"], SECOND: ["127.0.0.1"]}
        self._runner.run(run())


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def certified(authority: Authority) -> ssl.SSLContext:
    return authority.context(FIRST, SECOND)


@pytest.fixture(scope="module", params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def sender(
    request: pytest.FixtureRequest, authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sender]:
    ca_file = authority.write(tmp_path_factory.mktemp("authority") / "ca.pem")
    with name_server() as names, asyncio.Runner(loop_factory=request.param) as runner:
        yield Sender(runner, names, ca_file)


async def post(http: SafeHttp, receiver: TlsReceiver, path: str = "/", host: str = FIRST) -> Attempted:
    return await http.post(f"https://{host}:{receiver.port}{path}", b"{}", {}, 5.0)


async def outcome(http: SafeHttp, receiver: TlsReceiver) -> tuple[AttemptOutcome, int | None]:
    attempted = await post(http, receiver)
    return attempted.outcome, attempted.status_code


def test_posts_to_one_receiver_share_a_connection(sender: Sender, certified: ssl.SSLContext) -> None:
    async def act(http: SafeHttp) -> None:
        for path in ("/a", "/b", "/c?d"):
            assert (await post(http, receiver, path)).outcome is AttemptOutcome.DELIVERED
        assert not visits.ended

    visits = Visits()
    with tls_receiver(visits, certified) as receiver:
        sender.run(act, receiver)
        assert receiver.connections == 1
        eventually(lambda: visits.ended == 1)
    (heads,) = visits.requests
    assert [head.split(b"\r\n")[0] for head in heads] == [b"POST /%s HTTP/1.1" % path for path in (b"a", b"b", b"c?d")]


def test_no_more_connections_are_opened_than_posts_run_at_once(sender: Sender, certified: ssl.SSLContext) -> None:
    async def act(http: SafeHttp) -> None:
        for _ in range(5):
            ended = await asyncio.gather(*(post(http, receiver) for _ in range(8)))
            assert {each.outcome for each in ended} == {AttemptOutcome.DELIVERED}

    visits = Visits()
    with tls_receiver(visits, certified) as receiver:
        sender.run(act, receiver)
        assert receiver.connections <= 8
        assert visits.count == 40


def test_the_kept_connections_of_all_receivers_are_limited(sender: Sender, certified: ssl.SSLContext) -> None:
    async def act(http: SafeHttp) -> None:
        for receiver in receivers:
            assert await outcome(http, receiver) == DELIVERED
        await asyncio.to_thread(eventually, lambda: visits.ended == len(receivers) - 2)
        for receiver in receivers[-2:]:
            assert await outcome(http, receiver) == DELIVERED
        assert sum(receiver.connections for receiver in receivers) == len(receivers)

    visits = Visits()
    with (
        tls_receiver(visits, certified) as a,
        tls_receiver(visits, certified) as b,
        tls_receiver(visits, certified) as c,
        tls_receiver(visits, certified) as d,
    ):
        receivers = (a, b, c, d)
        sender.run(act, *receivers, kept=KeptConnections(kept_max=2))


def test_a_connection_without_posts_is_closed_after_a_moment(sender: Sender, certified: ssl.SSLContext) -> None:
    async def act(http: SafeHttp) -> None:
        assert await outcome(http, receiver) == DELIVERED
        began_s = time.monotonic()
        while not visits.ended and time.monotonic() < began_s + 30:  # noqa: ASYNC110 - the receiver is no coroutine
            await asyncio.sleep(0.01)
        assert 0.25 <= time.monotonic() - began_s < 30
        assert await outcome(http, receiver) == DELIVERED

    visits = Visits()
    with tls_receiver(visits, certified) as receiver:
        sender.run(act, receiver, kept=KeptConnections(idle_s=0.3))
        assert receiver.connections == 2


def test_each_answer_has_the_whole_limit_on_what_is_read(sender: Sender, certified: ssl.SSLContext) -> None:
    size = RECEIVED_BYTES_MAX * 3 // 4
    long = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size + bytes(size)

    async def act(http: SafeHttp) -> None:
        for _ in range(3):
            assert await outcome(http, receiver) == DELIVERED

    with tls_receiver(Visits(lambda connection, _: connection.sendall(long)), certified) as receiver:
        sender.run(act, receiver)
        assert receiver.connections == 1


CLOSING: Final = {
    "says so": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok",
    "does not say so": OK,
    "speaks HTTP/1.0": b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
    "ends its answer so": b"HTTP/1.1 200 OK\r\n\r\nok",
}


@pytest.mark.parametrize("answer", CLOSING.values(), ids=CLOSING)
def test_a_receiver_that_closes_after_each_answer_gets_every_post_once(
    sender: Sender, certified: ssl.SSLContext, answer: bytes
) -> None:
    def close(connection: socket.socket, _: int) -> None:
        connection.sendall(answer)
        raise ConnectionError

    async def act(http: SafeHttp) -> None:
        for number in range(1, 6):
            assert await outcome(http, receiver) == DELIVERED
            await asyncio.to_thread(eventually, lambda number=number: visits.ended == number)

    visits = Visits(close)
    with tls_receiver(visits, certified) as receiver:
        sender.run(act, receiver)
        assert receiver.connections == visits.count == 5


@pytest.mark.parametrize("leave", [reset, socket.socket.close], ids=["reset", "closed"])
def test_a_post_on_a_connection_that_ends_without_an_answer_is_sent_once_more(
    sender: Sender, certified: ssl.SSLContext, leave: Callable[[socket.socket], None]
) -> None:
    def answer(connection: socket.socket, number: int) -> None:
        if number == 2:
            leave(connection)
            raise ConnectionError
        connection.sendall(OK)

    async def act(http: SafeHttp) -> None:
        assert await outcome(http, receiver) == DELIVERED
        assert await outcome(http, receiver) == DELIVERED

    visits = Visits(answer)
    with tls_receiver(visits, certified) as receiver:
        sender.run(act, receiver)
    assert [len(heads) for heads in visits.requests] == [2, 1]
    assert visits.requests[0][1] == visits.requests[1][0]


def test_a_post_is_not_sent_a_third_time(sender: Sender, certified: ssl.SSLContext) -> None:
    def answer(connection: socket.socket, number: int) -> None:
        if number > 1:
            raise ConnectionError
        connection.sendall(OK)

    async def act(http: SafeHttp) -> None:
        assert await outcome(http, receiver) == DELIVERED
        assert await outcome(http, receiver) == (AttemptOutcome.CONNECTION_FAILED, None)

    visits = Visits(answer)
    with tls_receiver(visits, certified) as receiver:
        sender.run(act, receiver)
    assert visits.count == 3


@pytest.mark.parametrize("beginning", [b"H", OK[:20], b"HTTP/1.1 100 Continue\r\n\r\n", b"nonsense\r\n\r\n"])
def test_a_post_whose_answer_began_is_not_sent_again(
    sender: Sender, certified: ssl.SSLContext, beginning: bytes
) -> None:
    def answer(connection: socket.socket, number: int) -> None:
        connection.sendall(OK if number != 2 else beginning)
        if number == 2:
            raise ConnectionError

    async def act(http: SafeHttp) -> None:
        assert await outcome(http, receiver) == DELIVERED
        assert await outcome(http, receiver) == (AttemptOutcome.CONNECTION_FAILED, None)
        assert await outcome(http, receiver) == DELIVERED

    visits = Visits(answer)
    with tls_receiver(visits, certified) as receiver:
        sender.run(act, receiver)
    assert visits.count == 3


@pytest.mark.parametrize("pause_s", [None, 0.0, 0.05], ids=["together", "apart", "later"])
def test_what_follows_an_answer_is_never_taken_for_the_next_one(
    sender: Sender, certified: ssl.SSLContext, pause_s: float | None
) -> None:
    sent = threading.Semaphore(0)

    def answer(connection: socket.socket, _: int) -> None:
        if pause_s is None:
            connection.sendall(OK + ERROR)
        else:
            connection.sendall(OK)
            time.sleep(pause_s)
            connection.sendall(ERROR)
        sent.release()

    async def act(http: SafeHttp) -> None:
        for _ in range(3):
            assert await outcome(http, receiver) == DELIVERED
            await asyncio.to_thread(sent.acquire, timeout=60)

    visits = Visits(answer)
    with tls_receiver(visits, certified) as receiver:
        sender.run(act, receiver)
        assert receiver.connections == visits.count == 3


def test_an_answer_that_does_not_end_gives_its_connection_up(sender: Sender, certified: ssl.SSLContext) -> None:
    def answer(connection: socket.socket, number: int) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok" if number == 1 else OK)

    async def act(http: SafeHttp) -> None:
        assert await outcome(http, receiver) == DELIVERED
        assert await outcome(http, receiver) == DELIVERED

    visits = Visits(answer)
    with tls_receiver(visits, certified) as receiver:
        sender.run(act, receiver)
    assert [len(heads) for heads in visits.requests] == [1, 1]


def test_two_names_at_one_address_have_connections_of_their_own(sender: Sender, certified: ssl.SSLContext) -> None:
    async def act(http: SafeHttp) -> None:
        for _ in range(3):
            for host in (FIRST, SECOND):
                assert (await post(http, receiver, host=host)).outcome is AttemptOutcome.DELIVERED

    visits = Visits()
    with tls_receiver(visits, certified) as receiver:
        sender.run(act, receiver)
        assert receiver.server_names == [FIRST, SECOND]
        for name, heads in zip((FIRST, SECOND), visits.requests, strict=True):
            host = f"host: {name}:{receiver.port}".encode()
            assert [host in head.split(b"\r\n") for head in heads] == [True] * 3


def test_a_connection_outlives_a_change_of_the_certificate_only_for_its_lifetime(
    sender: Sender, authority: Authority, certified: ssl.SSLContext
) -> None:
    async def act(http: SafeHttp) -> None:
        assert await outcome(http, receiver) == DELIVERED
        authority.certify(certified, "other.receiver.net")
        assert await outcome(http, receiver) == DELIVERED
        await asyncio.sleep(2)
        assert await outcome(http, receiver) == (AttemptOutcome.TLS_FAILED, None)

    visits = Visits()
    with tls_receiver(visits, certified) as receiver:
        sender.run(act, receiver, kept=KeptConnections(idle_s=5, lifetime_s=2))
        assert receiver.connections == 2
    assert visits.count == 2


def test_a_connection_is_not_used_once_its_name_leads_to_a_forbidden_address(
    sender: Sender, certified: ssl.SSLContext
) -> None:
    async def act(http: SafeHttp) -> None:
        assert await outcome(http, receiver) == DELIVERED
        for addresses in ([FORBIDDEN], ["127.0.0.1", FORBIDDEN]):
            sender.names.zone[FIRST] = addresses
            assert await outcome(http, receiver) == (AttemptOutcome.REFUSED, None)
        sender.names.zone[FIRST] = ["127.0.0.1"]
        assert await outcome(http, receiver) == DELIVERED

    visits = Visits()
    with tls_receiver(visits, certified) as receiver:
        sender.run(act, receiver)
    assert visits.count == 2


def test_a_connection_is_not_used_once_its_name_leads_elsewhere(sender: Sender, certified: ssl.SSLContext) -> None:
    async def act(http: SafeHttp) -> None:
        sender.names.zone[FIRST] = ["127.0.0.1", "::1"]
        assert await outcome(http, receiver) == DELIVERED
        sender.names.zone[FIRST] = ["::1"]
        assert await outcome(http, receiver) == (AttemptOutcome.CONNECTION_FAILED, None)
        del sender.names.zone[FIRST]
        assert await outcome(http, receiver) == (AttemptOutcome.DNS_FAILED, None)

    visits = Visits()
    with tls_receiver(visits, certified) as receiver:
        sender.run(act, receiver)
    assert visits.count == 1
