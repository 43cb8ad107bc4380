"""The spans of a call that is not sampled wait until its end, which decides on them."""

from __future__ import annotations

import gc
import weakref

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, DEFAULT_ON, Sampler
from opentelemetry.trace import Status, StatusCode

from gateway.telemetry import Reason, Tail, Tracer, Tracing, keep
from gateway.telemetry.span import RecordedSpan
from gateway.telemetry.tail import KEPT, MAX_SPANS

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"


class Exported:
    """A tracing that exports nothing unless it is kept, and what it has exported."""

    def __init__(self, *reasons: Reason, sampler: Sampler = ALWAYS_OFF) -> None:
        self.spans: list[RecordedSpan] = []
        provider = TracerProvider(sampler, shutdown_on_exit=False)
        tracer = Tracer(provider, self.refuse, Tail(reasons or tuple(Reason), self.spans.append))
        self.tracing = Tracing(tracer, slow_s=1)

    def refuse(self, span: RecordedSpan) -> None:
        raise AssertionError(span.name)

    @property
    def names(self) -> list[tuple[str, object]]:
        return [(span.name, span.attributes[KEPT]) for span in self.spans]


def run(exported: Exported, *, is_failure: bool = False, duration_s: float | None = 0.1) -> bool:
    """Make a call with one attempt. Return whether its attributes are needed."""
    server = exported.tracing.start_server("server", {}, {})
    exported.tracing.start_client("client", server, {}).end()
    is_exported = exported.tracing.is_exported(server, is_failure=is_failure, duration_s=duration_s)
    server.end()
    return is_exported


def test_a_call_without_a_reason_is_dropped() -> None:
    exported = Exported()
    assert not run(exported)
    assert not run(exported, duration_s=None)
    assert exported.names == []


def test_all_spans_of_a_call_are_exported_together() -> None:
    exported = Exported()
    assert run(exported, is_failure=True)
    assert run(exported, duration_s=1.5)
    assert exported.names == [
        ("client", "failed"), ("server", "failed"), ("client", "slow"), ("server", "slow"),
    ]  # fmt: skip


def test_the_first_reason_counts() -> None:
    exported = Exported()
    server = exported.tracing.start_server("server", {}, {})
    keep(server, Reason.DENIED)
    assert exported.tracing.is_exported(server, is_failure=True, duration_s=9)
    server.end()
    assert exported.names == [("server", "denied")]


def test_only_listed_reasons_count() -> None:
    exported = Exported(Reason.SLOW)
    assert not run(exported, is_failure=True)
    assert run(exported, duration_s=2)


def test_a_sampler_that_decides_for_each_span_decides_first() -> None:
    exported = Exported(sampler=DEFAULT_ON)
    server = exported.tracing.start_server("server", {"traceparent": PARENT}, {})
    assert not exported.tracing.is_exported(server, is_failure=False, duration_s=0)
    server.end()
    assert exported.names == []


@pytest.mark.parametrize("is_failure", [True, False])
def test_an_attempt_that_ends_after_its_call_is_exported_if_it_fails(*, is_failure: bool) -> None:
    exported = Exported()
    server = exported.tracing.start_server("server", {}, {})
    client = exported.tracing.start_client("client", server, {})
    exported.tracing.is_exported(server, is_failure=False, duration_s=0)
    server.end()
    if is_failure:
        client.set_status(Status(StatusCode.ERROR))
    client.end()
    assert exported.names == ([("client", "failed")] if is_failure else [])


def test_a_late_attempt_of_a_kept_call_is_exported() -> None:
    exported = Exported()
    server = exported.tracing.start_server("server", {}, {})
    client = exported.tracing.start_client("client", server, {})
    keep(server, Reason.DENIED)
    server.end()
    client.end()
    assert exported.names == [("server", "denied"), ("client", "denied")]


def test_the_spans_of_one_call_are_limited() -> None:
    exported = Exported()
    server = exported.tracing.start_server("server", {}, {})
    for _ in range(MAX_SPANS + 5):
        exported.tracing.start_client("client", server, {}).end()
    keep(server, Reason.FAILED)
    server.end()
    assert len(exported.spans) == MAX_SPANS + 1


def test_dropped_spans_leave_the_memory_without_the_garbage_collector() -> None:
    exported = Exported()
    gc.disable()
    try:
        server = exported.tracing.start_server("server", {}, {})
        client = exported.tracing.start_client("client", server, {})
        client.end()
        known = weakref.ref(client.kept)  # type: ignore[attr-defined]
        server.end()
        del server, client
        assert known() is None
    finally:
        gc.enable()


def test_a_failed_operation_is_exported_and_another_one_is_not() -> None:
    exported = Exported()
    for name, is_failure in (("failed", True), ("done", False)):
        exported.tracing.record_past(name, {"traceparent": PARENT}, 1, {}, is_failure=is_failure)
    assert exported.names == [("failed", "failed")]
