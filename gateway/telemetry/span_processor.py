"""Passes ended spans to an exporter in batches."""

from __future__ import annotations

from gateway.telemetry.batch_processor import BatchProcessor, Encoded
from gateway.telemetry.span import RecordedSpan


class SpanProcessor(BatchProcessor[RecordedSpan, Encoded]):
    """A bounded queue of ended spans, and a thread that encodes and exports these spans."""

    def put(self, item: RecordedSpan) -> None:
        """Add an ended span to the queue if it is sampled. If the queue is full, drop the span."""
        if item.is_sampled:
            BatchProcessor.put(self, item)  # super() is a look-up for each span

    def put_kept(self, span: RecordedSpan) -> None:
        """Add an ended span to the queue, even if the sampler has not selected it."""
        super().put(span)
