"""A real HTTP server on loopback that behaves like a good or a bad image server, as scripted by a test.

It speaks OpenAI's `POST /v1/images/generations`. Each request gets the next behaviour of the script, and
the last behaviour repeats. Requests for the list of models and for the engine's check are answered apart from the
script.
"""

import base64
import io
import json
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from PIL import Image

from easel.engines.remote.checks import CHECK_PROMPT

GENERATIONS: Final = "/v1/images/generations"
SPOT_PX: Final = 16
MODELS: Final = "/v1/models"
MODEL: Final = "Tongyi-MAI/Z-Image-Turbo"


@dataclass(frozen=True)
class Asked:
    """A received request."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any
    at_s: float


Behaviour = Callable[[BaseHTTPRequestHandler, Asked], None]


@dataclass
class ImageServer:
    """The requests received, and the behaviours to come."""

    url: str
    script: list[Behaviour]
    lists: Behaviour
    """How requests for the list of models are answered."""
    asked: list[Asked] = field(default_factory=list)
    looked: list[Asked] = field(default_factory=list)
    """The requests for the list of models."""
    check: Behaviour | None = None
    """How the pictures of the engine's check are drawn; None to draw them well."""
    checked: list[Asked] = field(default_factory=list)
    """The requests for pictures of the engine's check."""
    most_at_once: int = 0
    """How many pictures were being drawn at the same time, at most."""
    hung_up_at_s: list[float] = field(default_factory=list)
    """When clients closed connections that were not answered yet."""
    is_closing: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._at_once = 0

    def behaves(self, *script: Behaviour) -> None:
        """Forget the requests, and follow another script."""
        with self._lock:
            self.script, self.asked, self.looked, self.hung_up_at_s = list(script), [], [], []
            self.most_at_once = 0

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        length = int(handler.headers.get("content-length", "0"))
        content = handler.rfile.read(length)
        with self._lock:
            body = json.loads(content) if content else None
            headers = {name.lower(): value for name, value in handler.headers.items()}
            asked = Asked(handler.command, handler.path, headers, body, time.monotonic())
            behaviour = self._noted(asked)
        try:
            behaviour(handler, asked)
        except OSError:
            self.hung_up_at_s.append(time.monotonic())

    def _noted(self, asked: Asked) -> Behaviour:
        """Keep the request, and return how it is answered."""
        if asked.path.endswith(MODELS):
            self.looked.append(asked)
            return self.lists
        if isinstance(asked.body, dict) and CHECK_PROMPT in str(asked.body.get("prompt")):
            self.checked.append(asked)
            return self.check or draws()
        self.asked.append(asked)
        return self.script.pop(0) if len(self.script) > 1 else self.script[0]

    @contextmanager
    def drawing(self) -> Iterator[None]:
        """Count a draw in progress. The block ends before the answer is sent."""
        with self._lock:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        yield
        with self._lock:
            self._at_once -= 1


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_: object) -> None:
        """Ignore a client that disconnects."""


@contextmanager
def image_server(*script: Behaviour) -> Iterator[ImageServer]:
    """A server that runs until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            state.serve(self)

        def do_GET(self) -> None:
            state.serve(self)

        def log_message(self, *_: object) -> None:
            pass

    server = _Server(("127.0.0.1", 0), Handler)
    state = ImageServer(f"http://127.0.0.1:{server.server_port}", list(script), lists(MODEL))
    server.state = state  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        state.is_closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


def picture(
    width_px: int,
    height_px: int,
    file_format: str = "PNG",
    mode: str = "RGB",
    colour: Any = "teal",
    spot: Any = "gold",
    **options: Any,
) -> bytes:
    """A picture's file, saved with these `options`: one colour, and another spot in the middle, because a picture has
    to have some content."""
    file = io.BytesIO()
    image = Image.new(mode, (width_px, height_px), colour)
    image.paste(spot, (width_px // 2, height_px // 2, width_px // 2 + SPOT_PX, height_px // 2 + SPOT_PX))
    image.save(file, file_format, **options)
    return file.getvalue()


def drawn(asked: Asked, file_format: str = "PNG") -> bytes:
    """A picture file of the requested size, in a colour derived from the seed."""
    width_px, height_px = map(int, asked.body["size"].split("x"))
    seed: int = asked.body["seed"]
    return picture(width_px, height_px, file_format, colour=(seed % 251, seed // 251 % 251, 7))


def reply(
    handler: BaseHTTPRequestHandler, status: int, content: bytes, headers: Mapping[str, str] | None = None
) -> None:
    """Send a complete answer."""
    handler.send_response(status)
    for name, value in {"content-type": "application/json", **(headers or {})}.items():
        handler.send_header(name, value)
    handler.send_header("content-length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)


def says(status: int, content: object, **headers: str) -> Behaviour:
    """Answer every request with this `content`: text, bytes, or anything that JSON can hold."""
    if isinstance(content, str):
        content = content.encode()
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler, _: reply(handler, status, raw, named)


def lists(*models: str, **fields: object) -> Behaviour:
    """Answer with a list of these models, each with these `fields`."""
    named = {"object": "model", "created": 1, "owned_by": "nobody", **fields}
    return says(200, {"object": "list", "data": [{"id": model, **named} for model in models]})


def gives(file: bytes) -> Behaviour:
    """Answer with this file in base64."""
    return says(200, {"created": 1, "data": [{"b64_json": base64.b64encode(file).decode()}]})


def draws(file_format: str = "PNG", after_s: float = 0.0) -> Behaviour:
    """Answer like a good server."""

    def behave(handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        with _state(handler).drawing():
            time.sleep(after_s)
        gives(drawn(asked, file_format))(handler, asked)

    return behave


def hangs(handler: BaseHTTPRequestHandler, asked: Asked) -> None:
    """Send nothing until the client disconnects."""
    while not _has_hung_up(handler.connection):
        if _state(handler).is_closing.is_set():
            return
    raise ConnectionAbortedError


def drips(handler: BaseHTTPRequestHandler, asked: Asked) -> None:
    """Answer one byte at a time."""
    handler.send_response(200)
    handler.send_header("content-length", "1000000")
    handler.end_headers()
    while not _has_hung_up(handler.connection):
        if _state(handler).is_closing.is_set():
            return
        handler.wfile.write(b" ")
    raise ConnectionAbortedError


def breaks_off(handler: BaseHTTPRequestHandler, asked: Asked) -> None:
    """Close the connection in the middle of an answer."""
    handler.send_response(200)
    handler.send_header("content-length", "1000000")
    handler.end_headers()
    handler.wfile.write(b'{"data":[{"b64_json":"')
    handler.close_connection = True


def hangs_up(handler: BaseHTTPRequestHandler, asked: Asked) -> None:
    """Close the connection without an answer."""
    handler.close_connection = True


def floods(handler: BaseHTTPRequestHandler, asked: Asked) -> None:
    """Send an endless answer."""
    handler.send_response(200)
    handler.send_header("connection", "close")
    handler.end_headers()
    while True:
        handler.wfile.write(b" " * 1_000_000)


def _has_hung_up(connection: socket.socket) -> bool:
    is_readable, _, _ = select.select([connection], [], [], 0.02)
    return bool(is_readable) and connection.recv(1, socket.MSG_PEEK) == b""


def _state(handler: BaseHTTPRequestHandler) -> ImageServer:
    state: ImageServer = handler.server.state  # type: ignore[attr-defined]
    return state
