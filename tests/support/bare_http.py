"""A raw HTTP client: it sends any bytes and parses the answers."""

import json
import re
import socket
import time
from dataclasses import dataclass
from typing import Any, Final

from tests.support.patience import PATIENCE_S, eventually
from tests.support.running_service import GENERATIONS, Service

GIVE_UP_S: Final = PATIENCE_S
HOST: Final = b"Host: easel.example\r\n"
ALIVE: Final = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"
CREATE: Final = b"POST " + GENERATIONS.encode() + b" HTTP/1.1\r\n" + HOST


@dataclass(frozen=True)
class Answer:
    """A parsed HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes


def answers(raw: bytes, *, have_bodies: bool = True) -> list[Answer]:
    """Parse these bytes. Fails unless they are complete, well-formed answers and nothing else."""
    found = []
    while raw:
        head, end, rest = raw.partition(b"\r\n\r\n")
        lines = head.decode("ascii").split("\r\n")
        status = re.fullmatch(r"HTTP/1\.1 ([1-5][0-9]{2}) [A-Za-z -]+", lines[0])
        assert end, raw[:200]
        assert status, raw[:200]
        fields = [re.fullmatch(r"([a-z-]+): ([ -~]*)", line) for line in lines[1:]]
        headers = {field[1]: field[2] for field in fields if field is not None}
        assert len(headers) == len(fields), head  # every line is a field, and no field stands twice
        length = int(headers["content-length"]) if have_bodies else 0
        assert len(rest) >= length
        found.append(Answer(int(status[1]), headers, rest[:length]))
        raw = rest[length:]
    return found


class Peer:
    """A client that can send any bytes."""

    def __init__(self, service: Service, address: str = "127.0.0.1") -> None:
        self._socket = socket.create_connection(
            ("127.0.0.1", service.port), timeout=GIVE_UP_S, source_address=(address, 0)
        )

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def send_as_long_as_it_is_taken(self, data: bytes, times: int, pause_s: float = 0.0) -> None:
        """Send the same bytes repeatedly until the other side stops reading."""
        try:
            for _ in range(times):
                self._socket.sendall(data)
                time.sleep(pause_s)
        except ConnectionError:
            pass

    def until_closed(self) -> bytes:
        """Read until the other side closes, or resets the connection after an answer."""
        raw = b""
        try:
            while chunk := self._socket.recv(65536):
                raw += chunk
        except ConnectionError:
            pass
        return raw

    def some(self) -> bytes:
        """The next bytes that arrive."""
        return self._socket.recv(65536)

    def one_answer(self) -> Answer:
        """The next answer on a connection that stays open."""
        raw = b""
        while b"\r\n\r\n" not in raw or len(raw.partition(b"\r\n\r\n")[2]) < int(
            re.findall(rb"content-length: (\d+)", raw)[0]
        ):
            chunk = self._socket.recv(65536)
            assert chunk, raw
            raw += chunk
        (answer,) = answers(raw)
        return answer

    def half_close(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)


def asked(service: Service, *sent: bytes) -> list[Answer]:
    """Send these bytes, and return all answers up to the end of the connection."""
    with Peer(service) as peer:
        for data in sent:
            peer.send(data)
        return answers(peer.until_closed())


def assert_refused(answer: Answer, status: int, code: str, message: str) -> None:
    """Fails unless the answer is this error of the contract, with the headers of every answer."""
    error = {"code": code, "message": message, "type": "invalid_request_error"}
    body = json.dumps({"error": error}, sort_keys=True, separators=(",", ":")).encode()
    assert (answer.status, answer.body) == (status, body)
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,64}", answer.headers["x-request-id"])
    assert answer.headers.items() >= {
        "content-type": "application/json", "connection": "close", "cache-control": "no-store",
        "x-content-type-options": "nosniff", "referrer-policy": "no-referrer",
    }.items()  # fmt: skip
    assert "server" not in answer.headers


def create(key: str, *headers: bytes) -> bytes:
    """The request line and headers of a valid POST, without the empty line at the end."""
    return CREATE + b"Authorization: Bearer " + key.encode() + b"\r\n" + b"".join(line + b"\r\n" for line in headers)


def log_lines(service: Service, request_id: str) -> list[dict[str, Any]]:
    """The log lines of a request. Waits for the first."""
    named = [line for line in service.log_lines() if line.get("request_id") == request_id]
    return named or eventually(lambda: [line for line in service.log_lines() if line.get("request_id") == request_id])
