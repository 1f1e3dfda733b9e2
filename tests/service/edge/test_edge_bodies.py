"""Bodies and URLs that are expensive to parse are refused, and ordinary ones are not."""

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from easel.domain.errors import InvalidRequest
from easel.web.edge import limits as edge_limits
from easel.web.edge.chunks import CHUNKS_MAX, ChunkCount
from tests.support.bare_http import HOST, Peer, answers, asked, assert_refused, create
from tests.support.running_service import ORDER, Service

CRUMBS: Final = "The body has too many chunks, or too much data around its chunks"


@pytest.fixture(scope="module")
def key(service: Service) -> str:
    return service.new_key("edge-bodies", "1000")


def in_chunks(body: bytes, size_bytes: int, extension: bytes = b"") -> bytes:
    parts = [body[start : start + size_bytes] for start in range(0, len(body), size_bytes)]
    return b"".join(b"%x%b\r\n%b\r\n" % (len(part), extension, part) for part in parts) + b"0\r\n\r\n"


def chunked_head(key: str) -> bytes:
    return create(key, b"Transfer-Encoding: chunked", b"Connection: close", b"")


@pytest.mark.parametrize(
    ("padding", "size_bytes", "extension"),
    [
        (0, 1, b""),
        (0, 1, b";x=" + b"y" * 40),
        (60_000, 128, b""),
        (60_000, 40_000, b""),
        (30_000, 30_000, b";" + b"z" * 9000),
    ],
)
def test_a_chunked_order_is_accepted(
    service: Service, key: str, padding: int, size_bytes: int, extension: bytes
) -> None:
    body = json.dumps({**ORDER, "other": "x" * padding}).encode()
    (answer,) = asked(service, chunked_head(key) + in_chunks(body, size_bytes, extension))
    assert answer.status == 200


@pytest.mark.parametrize(
    "body",
    [
        in_chunks(b" " * 2000, 1),
        in_chunks(b" " * 400, 1, b";x=" + b"y" * 200),
        in_chunks(b"\r\n\r\n" * 4000, 16_000),
    ],
    ids=["one byte each", "extensions", "blank lines"],
)
@pytest.mark.parametrize("has_key", [True, False])
def test_a_body_in_tiny_chunks_is_refused_and_its_connection_closed(
    service: Service, key: str, body: bytes, *, has_key: bool
) -> None:
    with Peer(service) as peer, ThreadPoolExecutor(1) as pool:
        pool.submit(peer.send_as_long_as_it_is_taken, chunked_head(key if has_key else "x") + body, times=1)
        found = answers(peer.until_closed())
    if has_key:
        assert_refused(found[-1], 400, "invalid_request", CRUMBS)
    else:  # refused before its body has arrived, if the answer still finds the client
        assert all(answer.status in {400, 401} for answer in found)


def test_other_clients_are_answered_while_bodies_arrive_in_tiny_chunks(service: Service) -> None:
    crumbs = in_chunks(b"\r\n\r\n" * 100_000, 16_000)
    web = service.child_pid("web")
    with service.client() as client, ThreadPoolExecutor(4) as pool:
        ends_at_s = time.monotonic() + 3
        before_s = processor_s(web)

        def attack() -> int:
            times = 0
            while times == 0 or time.monotonic() < ends_at_s:
                with Peer(service) as peer:
                    peer.send_as_long_as_it_is_taken(chunked_head("x") + crumbs, times=1)
                times += 1
            return times

        attacks = [pool.submit(attack) for _ in range(4)]
        asked = 0
        while asked == 0 or time.monotonic() < ends_at_s:
            assert client.get("/healthz").status_code == 200
            asked += 1
        attacked = sum(each.result() for each in attacks)
    # Each such connection once held everybody up for a second. What it costs is the same on a busy machine.
    assert (processor_s(web) - before_s - 0.01 * asked) / attacked < 0.3


def processor_s(pid: int) -> float:
    """The processor time that a process has had."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize(
    ("size_bytes", "status"), [(edge_limits.TARGET_BYTES_MAX, 404), (edge_limits.TARGET_BYTES_MAX + 1, 431)]
)
def test_a_url_has_at_most_four_kilobytes(service: Service, size_bytes: int, status: int) -> None:
    target = b"/" + b"x" * ((size_bytes - 1) % 3) + b"%41" * ((size_bytes - 1) // 3)
    (answer,) = asked(service, b"GET " + target + b" HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n")
    assert answer.status == status


@given(sizes_bytes=st.lists(st.integers(1, 70_000), min_size=1, max_size=4), at_once_bytes=st.integers(1000, 80_000))
@settings(max_examples=20, deadline=None)
def test_each_body_ends_where_its_length_says(service: Service, sizes_bytes: list[int], at_once_bytes: int) -> None:
    bodies = [b"x" * size_bytes for size_bytes in sizes_bytes]
    head = b"POST /healthz HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n"
    last = b"GET /healthz HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n"
    sent = b"".join(head % len(body) + body for body in bodies) + last
    with Peer(service) as peer, ThreadPoolExecutor(1) as pool:
        for at in range(0, len(sent), at_once_bytes):
            pool.submit(peer.send, sent[at : at + at_once_bytes])
        found = answers(peer.until_closed())
    assert [answer.status for answer in found] == [405] * len(bodies) + [200]


# The rule alone.


@given(st.lists(st.integers(1, 5000), max_size=2000))
def test_too_many_chunks_per_kilobyte_are_refused(sizes_bytes: list[int]) -> None:
    count = ChunkCount()
    total_bytes = 0
    for number, size_bytes in enumerate(sizes_bytes, start=1):
        total_bytes += size_bytes
        count.note_read(size_bytes)
        if number > CHUNKS_MAX + total_bytes // 1024:
            with pytest.raises(InvalidRequest):
                count.note_chunk(size_bytes)
            return
        count.note_chunk(size_bytes)
