"""A receiver of OTLP on loopback, as an OpenTelemetry collector is: it keeps the spans that it is sent."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True, slots=True)
class Received:
    """A span, as it arrived. Ids are in hexadecimal; `parent` is empty for a span that has none."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    attributes: dict[str, Any]
    is_error: bool


class OtlpReceiver:
    """The running receiver."""

    def __init__(self) -> None:
        self.spans: list[Received] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                assert self.path == "/v1/traces"
                receiver.spans += _spans(body)
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def of_trace(self, trace: str) -> dict[str, Received]:
        """The spans of a trace by their names."""
        return {span.name: span for span in self.spans if span.trace == trace}

    def stop(self) -> None:
        """Close it."""
        self._server.shutdown()
        self._server.server_close()


def _spans(body: bytes) -> Iterator[Received]:
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        about = {each.key: each.value.string_value for each in resource.resource.attributes}
        for scope in resource.scope_spans:
            for span in scope.spans:
                attributes = {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes}
                yield Received(
                    about["service.name"], span.name, span.trace_id.hex(), span.span_id.hex(),
                    span.parent_span_id.hex(), attributes, span.status.code == 2,
                )  # fmt: skip


@contextmanager
def otlp_receiver() -> Iterator[OtlpReceiver]:
    """A receiver that is stopped at the end of the block."""
    receiver = OtlpReceiver()
    try:
        yield receiver
    finally:
        receiver.stop()
