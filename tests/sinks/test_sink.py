"""How a sink reports that it cannot be opened."""

from __future__ import annotations

from gateway.sinks import Sink, SinkError
from gateway.sinks.stdout import StdoutSink


def test_an_error_names_place_key_and_reason() -> None:
    error = SinkError("/x", "path", "cannot be opened")
    assert (error.place, error.key, error.reason) == ("/x", "path", "cannot be opened")
    assert str(error) == "/x: cannot be opened"


def test_a_sink_says_whether_records_outlive_the_process() -> None:
    sink: Sink = StdoutSink()
    assert not sink.is_durable
