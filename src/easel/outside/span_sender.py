"""Records spans with OpenTelemetry's SDK, and sends them with OTLP over HTTP.

OpenTelemetry's own variables configure it: `OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_EXPORTER_OTLP_HEADERS`,
`OTEL_TRACES_SAMPLER`, `OTEL_RESOURCE_ATTRIBUTES` and so on. Spans are sent in batches, by a thread. Those that cannot
be sent are lost, and the service goes on.
"""

from collections.abc import Mapping
from typing import Final

from easel.domain.errors import Unusable
from easel.runtime import distribution

try:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.trace import Span, SpanKind, StatusCode, set_span_in_context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
except ImportError as error:
    raise Unusable(
        "EASEL_TRACES=on needs OpenTelemetry's SDK, which is not installed: "
        f"install Easel's otel extra with `{distribution.install_extra('otel')}`."
    ) from error

_KINDS: Final = {"internal": SpanKind.INTERNAL, "server": SpanKind.SERVER, "client": SpanKind.CLIENT}
_W3C: Final = TraceContextTextMapPropagator()


class SentSpan:
    """A span that has begun."""

    def __init__(self, span: Span) -> None:
        self._span = span

    @property
    def traceparent(self) -> str:
        """W3C's header that names it."""
        carrier: dict[str, str] = {}
        _W3C.inject(carrier, set_span_in_context(self._span))
        return carrier["traceparent"]

    def set(self, attributes: Mapping[str, str | int | float]) -> None:
        """Add attributes."""
        self._span.set_attributes(dict(attributes))

    def end(self, error: str | None) -> None:
        """End it."""
        if error is not None:
            self._span.set_status(StatusCode.ERROR, error)
        self._span.end()


class SpanSender:
    """The spans of one process, whose name is `service`. Create it after the last fork: it starts a thread."""

    def __init__(self, service: str, version: str) -> None:
        # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES take precedence.
        own = Resource.create({"service.name": service, "service.version": version})
        resource = own.merge(OTELResourceDetector().detect())
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("easel", version)

    def begin(self, name: str, parent: str | None, kind: str, attributes: Mapping[str, str | int | float]) -> SentSpan:
        """Begin a span. A parent that is no traceparent counts as none."""
        context = None if parent is None else _W3C.extract({"traceparent": parent})
        return SentSpan(self._tracer.start_span(name, context, _KINDS[kind], dict(attributes)))

    def close(self) -> None:
        """Send what is left. Takes as long as the exporter's time-out at most."""
        self._provider.shutdown()
