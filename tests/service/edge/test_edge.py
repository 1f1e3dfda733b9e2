"""The edge of the web process, tested with raw sockets: invalid, oversized and valid HTTP."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from easel.web.edge import refusing
from tests.support.bare_http import (
    ALIVE,
    CREATE,
    HOST,
    Peer,
    answers,
    asked,
    assert_refused,
    create,
    log_lines,
)
from tests.support.running_service import GENERATIONS, ORDER, Service

ONE_HOST: Final = "The request must have exactly one Host header"
ONE_LENGTH: Final = (
    "The length of the body must be given once, by one Content-Length or, in HTTP/1.1, by Transfer-Encoding: chunked"
)
TOO_LARGE: Final = (
    "The request has over 100 headers, a path and query of over 4096 bytes, or a line and headers of over 32768 bytes"
)


@pytest.fixture(scope="module")
def key(service: Service) -> str:
    return service.new_key("edge", "1000")


def resident_bytes(service: Service) -> int:
    """The memory of the web process."""
    status = Path(f"/proc/{service.child_pid('web')}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) * 1024


# What cannot be read.

MALFORMED = {
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "an unknown method": b"BREW /coffee HTTP/1.1\r\n" + HOST + b"\r\n",
    "lower-case method": b"get / HTTP/1.1\r\n" + HOST + b"\r\n",
    "HTTP/2's preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no version": b"GET / HTTP/x\r\n\r\n",
    "bare line feeds": b"GET / HTTP/1.1\nHost: a\n\n",
    "a folded header": b"GET / HTTP/1.1\r\n" + HOST + b"X: a\r\n b\r\n\r\n",
    "a blank before the colon": b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
    "NUL in a header": b"GET / HTTP/1.1\r\n" + HOST + b"X: a\0b\r\n\r\n",
    "a tunnel": b"CONNECT example.org:443 HTTP/1.1\r\n" + HOST + b"\r\n",
    "an address without a path": b"GET http://example.org HTTP/1.1\r\n" + HOST + b"\r\n",
}
LENGTHS = {
    "a length and chunks": b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    "chunks and a length": b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    "two lengths": b"Content-Length: 5\r\nContent-Length: 6\r\n",
    "a length twice": b"Content-Length: 5\r\nContent-Length: 5\r\n",
    "a list of lengths": b"Content-Length: 5, 5\r\n",
    "a negative length": b"Content-Length: -5\r\n",
    "a coding that is not chunked": b"Transfer-Encoding: gzip\r\n",
}
HOSTS = {
    "no Host": b"",
    "an empty Host": b"Host:\r\n",
    "two Hosts": HOST + b"Host: other.example\r\n",
    "the same Host twice": HOST + HOST,
}


@pytest.mark.parametrize("name", MALFORMED)
def test_invalid_http_is_refused_in_the_contracts_words(service: Service, name: str) -> None:
    (answer,) = asked(service, MALFORMED[name])
    assert_refused(answer, 400, "invalid_request", refusing.MALFORMED)


@pytest.mark.parametrize("name", LENGTHS)
def test_a_body_of_ambiguous_length_is_refused(service: Service, name: str) -> None:
    (answer,) = asked(service, CREATE + LENGTHS[name] + b"\r\n0\r\n\r\n")
    assert_refused(answer, 400, "invalid_request", ONE_LENGTH)


def test_chunked_bodies_require_http_1_1(service: Service) -> None:
    head = CREATE.replace(b"HTTP/1.1", b"HTTP/1.0") + b"Transfer-Encoding: chunked\r\n\r\n"
    (answer,) = asked(service, head + b"0\r\n\r\n")
    assert_refused(answer, 400, "invalid_request", ONE_LENGTH)


@pytest.mark.parametrize("name", HOSTS)
def test_a_request_without_exactly_one_host_is_refused(service: Service, name: str) -> None:
    (answer,) = asked(service, b"GET /healthz HTTP/1.1\r\n" + HOSTS[name] + b"\r\n")
    assert_refused(answer, 400, "invalid_request", ONE_HOST)


@pytest.mark.parametrize("version", [b"2.0", b"0.9"])
def test_an_unsupported_http_version_is_refused(service: Service, version: bytes) -> None:
    (answer,) = asked(service, b"GET /healthz HTTP/" + version + b"\r\n" + HOST + b"\r\n")
    assert_refused(answer, 400, "invalid_request", "The request must be HTTP/1.1 or HTTP/1.0")


def test_http_1_0_requires_no_host(service: Service) -> None:
    (answer,) = asked(service, b"GET /healthz HTTP/1.0\r\n\r\n")
    assert (answer.status, answer.body) == (200, b'{"status":"ok"}')


def test_a_refused_head_request_gets_no_body(service: Service) -> None:
    with Peer(service) as peer:
        peer.send(b"HEAD /healthz HTTP/1.1\r\n\r\n")
        (answer,) = answers(peer.until_closed(), have_bodies=False)
    assert (answer.status, answer.headers["connection"]) == (400, "close")


def test_a_refusal_is_one_log_line_without_what_was_sent(service: Service) -> None:
    (answer,) = asked(service, b"GET /quokka-path HTTP/1.1\r\nX-Request-Id: edge-mine\r\nX-Q: quokka-header\r\n\r\n")
    assert answer.headers["x-request-id"] == "edge-mine"
    (line,) = log_lines(service, "edge-mine")
    assert {line[name] for name in ("event", "method", "status")} == {"request", "GET", 400}
    assert line["ms"] >= 0
    assert "quokka-" not in service.log_file.read_text()


def test_a_broken_chunk_ends_the_request_with_one_answer_and_one_log_line(service: Service, key: str) -> None:
    (answer,) = asked(service, create(key, b"Transfer-Encoding: chunked", b"") + b"zz\r\n")
    assert_refused(answer, 400, "invalid_request", refusing.MALFORMED)
    (line,) = log_lines(service, answer.headers["x-request-id"])
    assert (line["status"], line["route"]) == (400, GENERATIONS)


# What is too large.


def padded(head_bytes: int) -> bytes:
    """A request whose request line and headers have this length."""
    empty = ALIVE[:-2] + b"X: \r\n\r\n"
    return empty.replace(b"X: ", b"X: " + b"x" * (head_bytes - len(empty)))


def test_headers_of_32_kb_are_accepted_and_one_byte_more_is_refused(service: Service) -> None:
    with Peer(service) as peer:
        peer.send(padded(32 * 1024))
        assert peer.one_answer().status == 200
    (answer,) = asked(service, padded(32 * 1024 + 1))
    assert_refused(answer, 431, "headers_too_large", TOO_LARGE)


@pytest.mark.parametrize("begun", [b"GET /", b"GET / HTTP/1.1\r\nX: ", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nX:"])
def test_endless_headers_are_refused_after_32_kb(service: Service, begun: bytes) -> None:
    filler = {b"GET / HTTP/1.1\r\n": b"x", b"GET / HTTP/1.1\r\nX:": b" "}.get(begun, b"a")
    (answer,) = asked(service, begun, filler * (32 * 1024 - len(begun)))
    assert_refused(answer, 431, "headers_too_large", TOO_LARGE)


def test_a_hundred_headers_are_accepted_and_one_more_is_refused(service: Service) -> None:
    with Peer(service) as peer:
        peer.send(ALIVE[:-2] + b"X: y\r\n" * 99 + b"\r\n")
        assert peer.one_answer().status == 200
    (answer,) = asked(service, ALIVE[:-2] + b"X: y\r\n" * 100 + b"\r\n")
    assert_refused(answer, 431, "headers_too_large", TOO_LARGE)


FLOODS = {
    "a header": b"X: ",
    "a trailer": b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: ",
    "a chunk's extension": b"Transfer-Encoding: chunked\r\n\r\n5;x=",
}


@pytest.mark.parametrize("name", FLOODS)
def test_two_megabytes_of_headers_are_refused_in_constant_memory(service: Service, key: str, name: str) -> None:
    before_bytes = resident_bytes(service)
    with ExitStack() as open_, ThreadPoolExecutor(16) as pool:
        peers = [open_.enter_context(Peer(service)) for _ in range(16)]
        for peer in peers:
            peer.send(create(key) + FLOODS[name])
        list(pool.map(lambda peer: peer.send_as_long_as_it_is_taken(b"a" * 65536, times=32), peers))
        grown_bytes = resident_bytes(service) - before_bytes
        given_ = [answers(peer.until_closed()) for peer in peers]
    assert grown_bytes < 8 * 1024 * 1024
    for (answer,) in given_:
        assert_refused(answer, 431, "headers_too_large", TOO_LARGE)


def test_trailers_are_accepted_and_are_not_headers(service: Service, key: str) -> None:
    body = json.dumps(ORDER).encode()
    head = CREATE + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    chunks = b"%x\r\n%b\r\n0\r\n" % (len(body), body)
    (answer,) = asked(service, head + chunks + b"Authorization: Bearer " + key.encode() + b"\r\n\r\n")
    assert answer.status == 401


# What is well made.


def test_a_kept_alive_connection_serves_several_requests(service: Service, key: str) -> None:
    body = json.dumps(ORDER).encode()
    with Peer(service) as peer:
        for _ in range(3):
            peer.send(ALIVE)
            assert peer.one_answer().status == 200
            peer.send(create(key, b"Content-Length: %d" % len(body), b"") + body)
            assert peer.one_answer().status == 200
            peer.send(b"\r\n")  # which some clients send after a body


@pytest.mark.parametrize("cut_bytes", [1, 7, 10_000])
def test_pipelined_requests_are_answered_in_order_however_they_are_split(
    service: Service, key: str, cut_bytes: int
) -> None:
    body = json.dumps(ORDER).encode()
    post = create(key, b"Content-Length: %d" % len(body), b"") + body
    nothing = b"GET /nowhere HTTP/1.1\r\n" + HOST + b"\r\n"
    last = b"GET /v1/models HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n"
    sent = post + ALIVE + nothing + post + last
    cuts = [sent[start : start + cut_bytes] for start in range(0, len(sent), cut_bytes)]
    assert [answer.status for answer in asked(service, *cuts)] == [200, 200, 404, 200, 401]


@pytest.mark.parametrize(
    ("wrong", "status"),
    [(b"nonsense\r\n\r\n", 400), (b"GET / HTTP/1.1\r\n\r\n", 400), (b"GET /" + b"a" * 70_000, 431),
     (CREATE + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400)],
)  # fmt: skip
def test_a_refusal_is_sent_after_the_answers_before_it(service: Service, key: str, wrong: bytes, status: int) -> None:
    body = json.dumps(ORDER).encode()
    post = create(key, b"Content-Length: %d" % len(body), b"") + body
    assert [answer.status for answer in asked(service, post + ALIVE + wrong + ALIVE)] == [200, 200, status]


def test_a_client_that_expects_100_continue_is_told_to_send_its_body(service: Service, key: str) -> None:
    body = json.dumps(ORDER).encode()
    with Peer(service) as peer:
        peer.send(create(key, b"Content-Length: %d" % len(body), b"Expect: 100-continue", b"Connection: close", b""))
        assert peer.some() == b"HTTP/1.1 100 Continue\r\n\r\n"
        peer.send(body)
        assert [answer.status for answer in answers(peer.until_closed())] == [200]


def test_no_100_continue_follows_a_refusal(service: Service, key: str) -> None:
    head = create(key, b"Transfer-Encoding: chunked", b"Expect: 100-continue", b"")
    with Peer(service) as peer:
        peer.send(head + b"zz\r\n")
        (answer,) = answers(peer.until_closed())
        assert_refused(answer, 400, "invalid_request", refusing.MALFORMED)
        assert [line["event"] for line in log_lines(service, answer.headers["x-request-id"])] == ["request"]


@pytest.mark.parametrize(
    "upgrade",
    [
        b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
        b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n",
    ],
)
def test_an_upgrade_is_ignored_and_the_connection_stays_open(service: Service, upgrade: bytes) -> None:
    last = b"GET /nowhere HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n"
    found = asked(service, ALIVE[:-2] + upgrade + b"\r\n" + last)
    assert [answer.status for answer in found] == [200, 404]


# Whatever else.

PIECES = st.sampled_from(
    [b"GET ", b"POST ", b"/", b"/healthz", GENERATIONS.encode(), b" HTTP/1.1", b" HTTP/1.0", b"\r\n", b"\r\n\r\n", HOST,
     b"Content-Length: ", b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n", b"5\r\n", b"Connection: close\r\n", ALIVE,
     b"Connection: Upgrade\r\nUpgrade: h2c\r\n", b"Expect: 100-continue\r\n", CREATE, b"Host:", b":", b" ", b"\0"]
)  # fmt: skip


@settings(max_examples=250)
@given(parts=st.lists(st.one_of(PIECES, st.binary(max_size=40)), max_size=30))
def test_any_bytes_get_only_whole_answers_or_a_close(service: Service, parts: list[bytes]) -> None:
    with Peer(service) as peer:
        peer.send_as_long_as_it_is_taken(b"".join(parts), times=1)
        peer.half_close()
        found = answers(peer.until_closed().replace(b"HTTP/1.1 100 Continue\r\n\r\n", b""))
    assert {answer.status for answer in found} <= {200, 400, 401, 404, 405, 413, 431}
    assert len(asked(service, ALIVE.replace(b"Host", b"Connection: close\r\nHost"))) == 1
