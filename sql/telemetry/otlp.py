"""Spans by OpenTelemetry's SDK, over OTLP/HTTP (https://opentelemetry.io/docs/specs/otlp/#otlphttp)."""

import threading

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, StatusCode, TraceFlags, set_span_in_context

from sql.telemetry.traces import Kind, Span

_QUEUE = 2_048
_EVERY_MS = 1_000
_TIMEOUT_S = 1.0
"""For a batch, tries again included: at its end a process waits no longer for a collector that is down."""
_KINDS = {Kind.INTERNAL: SpanKind.INTERNAL, Kind.CLIENT: SpanKind.CLIENT, Kind.SERVER: SpanKind.SERVER}
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)


class _Given(IdGenerator):
    """The ids of the span that this thread is about to start."""

    def __init__(self) -> None:
        self._next = threading.local()

    def give(self, span: Span) -> None:
        self._next.span = span

    def generate_span_id(self) -> int:
        return int(self._next.span.id)

    def generate_trace_id(self) -> int:
        return int(self._next.span.trace)


class OtlpExports:
    """Through `processor`, as spans of the service `role`."""

    def __init__(self, processor: SpanProcessor, role: str) -> None:
        self._ids = _Given()
        resource = Resource.create({"service.namespace": "tidemark", "service.name": role})
        self._provider = TracerProvider(sampler=ALWAYS_ON, resource=resource, id_generator=self._ids)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("tidemark")

    @classmethod
    def over_http(cls, url: str, role: str) -> "OtlpExports":
        exporter = OTLPSpanExporter(endpoint=url, timeout=_TIMEOUT_S)
        processor = BatchSpanProcessor(
            exporter, max_queue_size=_QUEUE, max_export_batch_size=_QUEUE, schedule_delay_millis=_EVERY_MS
        )
        return cls(processor, role)

    def put(self, span: Span) -> None:
        self._ids.give(span)
        context = set_span_in_context(NonRecordingSpan(_parent(span))) if span.parent else None
        started = self._tracer.start_span(
            span.name, context, _KINDS[span.kind], span.attributes, start_time=span.began_ns
        )
        if span.failed:
            started.set_status(StatusCode.ERROR, span.failed)
        started.end(span.ended_ns)

    def close(self) -> None:
        """Also at the process's end, unless it was called before."""
        self._provider.shutdown()


def _parent(span: Span) -> SpanContext:
    assert span.parent
    return SpanContext(span.trace, span.parent, is_remote=True, trace_flags=_SAMPLED)
