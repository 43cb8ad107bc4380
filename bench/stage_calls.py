"""The parts of a gateway, and what each stage of a call does with them."""

from __future__ import annotations

import asyncio
import os
import time
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from multidict import CIMultiDict, CIMultiDictProxy
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from bench.identify_calls import IdentifyCalls
from bench.processes import ROOT
from bench.stubs import Upstream
from bench.workloads import CREATE, IMAGES, Workload, workloads
from gateway.audit.record import to_record
from gateway.audit.record_line import RecordLines
from gateway.audit.record_writer import RecordWriter
from gateway.audit.reporter import Reporter, describe_decision
from gateway.bundles import read_bundle
from gateway.call import Call, Caller, Reply, ReplyStream, choose_idempotency_key
from gateway.config import Config, Limits
from gateway.config.limits import CallLimits
from gateway.config.rates import Rate
from gateway.limits import Admission, ConcurrencyLimit
from gateway.listeners.metadata import MetadataReader, read_timeout, request_id
from gateway.object_storage import DEFAULT_HOSTS
from gateway.pipeline import Pipeline
from gateway.policy import Decider, PolicyInput, load_bundle
from gateway.schema import load_schema
from gateway.sinks.stdout import StdoutSink
from gateway.telemetry import (
    Health,
    Metrics,
    SharedAttributes,
    Tracing,
    add_event,
    set_shared,
    to_headers,
    trace_id_of,
)
from gateway.telemetry.batch_processor import BatchSettings
from gateway.telemetry.log_formats import JsonFormatter
from gateway.telemetry.span_encoder import RequestEncoder, encode_span
from gateway.telemetry.span_processor import SpanProcessor
from gateway.telemetry.tracing import Tracer
from gateway.transcode import JsonWriter, Match, build_router, parse_target
from gateway.upstream import DetachedCall
from gateway.upstream.forwarder import describe_call
from gateway.validation import Validator

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from google.protobuf.message import Message

    from gateway.telemetry.span import RecordedSpan
    from gateway.transcode import Route
    from gateway.upstream import RetryingForwarder

    Batch: TypeAlias = Callable[[int], Awaitable[None]]

_CAPACITY = 1_000_000  # records of a batch wait until the event loop has its turn
_SPANS = 512  # of an export
_DEADLINE_S = 3600.0
_TEMPLATE = f"POST {IMAGES}"
_START = SharedAttributes({"http.request.method": "POST", "url.scheme": "http"})
_STATUS = SharedAttributes({"rpc.response.status_code": "OK"})
_SERVER_ATTRIBUTES = SharedAttributes(
    {
        "url.path": IMAGES,
        "http.route": IMAGES,
        "http.response.status_code": 200,
        "rpc.method": CREATE,
        "network.protocol.version": "1.1",
        "client.address": "127.0.0.1",
        "server.address": "127.0.0.1",
        "server.port": 8080,
        "user_agent.original": "bench",
    }
)
_CLIENT_ATTRIBUTES = describe_call(CREATE, "baremetal", "127.0.0.1:8082")
_CALLER = Caller(address="127.0.0.1")
_RATE = Rate(100_000_000, 1)
_LIMITS = Limits(
    rate=_RATE,
    per_caller=CallLimits(rate=_RATE, concurrency=100),
    per_method={CREATE: CallLimits(rate=_RATE, concurrency=100)},
)


def _drop(_spans: object) -> None:
    """Export nothing."""


class _NoUpstream:
    """A forwarder that has its response at once."""

    def __init__(self, message: Message) -> None:
        self._reply = Reply(message=message, metadata={})

    async def forward(self, _: Call, _on_failed_attempt: object = None) -> Reply | ReplyStream:
        return self._reply


def _ignore(_: asyncio.Task[None]) -> None:
    """Do nothing when a change has ended whose caller has gone: here none goes."""


def _repeat(function: Callable[[], object]) -> Batch:
    async def run(calls: int) -> None:
        for _ in range(calls):
            function()

    return run


def _repeat_async(function: Callable[[], Awaitable[object]]) -> Batch:
    async def run(calls: int) -> None:
        for _ in range(calls):
            await function()

    return run


class StageCalls:
    """Parts of a gateway, connected as in one, and one create that went through them."""

    def __init__(self) -> None:
        config, self._null = Config(), os.open(os.devnull, os.O_WRONLY)
        self._schema = load_schema(config.services)
        self._method = self._schema.methods[CREATE]
        self._metrics = Metrics(Resource({"service.name": "bench"}))
        self._spans = SpanProcessor(encode_span, _drop, lambda: None, BatchSettings.of({}))
        self._tracing = Tracing(Tracer(TracerProvider(shutdown_on_exit=False), self._spans.put))
        self._sampled = self._tracing.start_server("sampled", {}, {})
        self._read_call(config)
        self._make_parts(config)
        self._identify = IdentifyCalls(self._metrics, list(self._headers.items()), CREATE)
        self._mutated = self._decider.mutate(self._policy_input())
        self._decision = self._decider.evaluate(self._mutated)
        self._recorded = JsonWriter(self._schema.pool, refuses_unknown=True)
        self.record = self._to_record()
        self._lines = RecordLines(self._recorded.to_tree, DEFAULT_HOSTS)
        self.reply = self._method.reply.FromString(Upstream().respond(self._request.SerializeToString()))
        self._ended_spans = self._make_ended_spans()
        self._encoder = RequestEncoder(Resource({}), InstrumentationScope("bench"))
        self._lines_of_log = JsonFormatter()
        self._make_pipeline()

    def stages(self) -> Mapping[str, Batch]:
        """Return what each stage does for a number of calls, in the order of a call."""
        identify = {
            name: _repeat_async(partial(self._identify.identify, head))
            for name, head in self._identify.heads.items()
        }
        return identify | {
            "limits: none but the concurrency": _repeat_async(partial(self._admit, self._admission)),
            "limits: rates and concurrency of caller and method": _repeat_async(
                partial(self._admit, self._limited)
            ),
            "headers and identifiers": _repeat(self._read_headers),
            "route": _repeat(self._route),
            "JSON to message": _repeat(self._bind),
            "constraints": _repeat(lambda: self._validator.validate(self._request)),
            "find_oversized": _repeat(lambda: self._decider.find_oversized(CREATE, self._request)),
            "mutate": _repeat(lambda: self._decider.mutate(self._policy_input())),
            "evaluate": _repeat(lambda: self._decider.evaluate(self._mutated)),
            "record: build": _repeat(self._to_record),
            "record: encode and hand over, in one turn of the loop": _repeat_async(self._write_record),
            "record: the same, a turn for each": _repeat_async(self._write_record_in_a_turn),
            "forward: the task of a change": _repeat_async(self._forward),
            "spans: start and end": _repeat(lambda: self._make_spans(self._tracing)),
            "spans: OTLP encoding": self._encode_spans,
            "metrics": _repeat(self._count),
            "log line": _repeat(self._log_line),
            "message to JSON": _repeat(lambda: self._writer.write(self.reply)),
            "Pipeline.handle without records": _repeat_async(partial(self._handle, self._unrecorded)),
            "the whole Pipeline.handle": _repeat_async(partial(self._handle, self._pipeline)),
        }

    async def close(self) -> None:
        """Stop the threads."""
        await self._records.close()
        await asyncio.to_thread(self._spans.shutdown, 1.0)
        self._metrics.shutdown()
        os.close(self._null)

    def _read_call(self, config: Config) -> None:
        """Read the request of the workload."""
        create: Workload = workloads()[0]
        head, _, self._body = create.request.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")[1:]
        headers = CIMultiDict[str]()
        for line in lines:
            name, _, value = line.partition(": ")
            headers.add(name, value)
        self._headers = CIMultiDictProxy(headers)
        self._metadata = MetadataReader(config.api.pass_metadata, config.limits.header_bytes)
        self._router = build_router(self._schema, config.limits.elements)
        self._match = cast("Match[Route]", self._route())
        self._request = self._bind()

    def _make_parts(self, config: Config) -> None:
        self._validator = Validator(self._schema, config.limits.elements)
        self._decider = Decider(load_bundle(read_bundle(ROOT / "policies"), self._schema))
        self._decider.warm_up(self._schema)
        self._writer = JsonWriter(self._schema.pool)
        self._records = RecordWriter(
            StdoutSink(self._null), self._metrics, Health(), capacity=_CAPACITY, when_full="refuse"
        )
        self._deadline = asyncio.get_running_loop().time() + _DEADLINE_S
        self._admission, self._limited = (
            Admission(limits, self._metrics, Health()) for limits in (config.limits, _LIMITS)
        )

    def _make_pipeline(self) -> None:
        self._forwarder = _NoUpstream(self.reply)
        none = RecordWriter(None, self._metrics, Health(), capacity=1, when_full="refuse")
        self._pipeline, self._unrecorded = (
            Pipeline(
                self._decider,
                self._validator,
                Reporter(records, self._metrics, self._recorded.to_tree, DEFAULT_HOSTS),
                cast("RetryingForwarder", self._forwarder),
            )
            for records in (self._records, none)
        )
        self._concurrency = ConcurrencyLimit(1, self._metrics)
        self.call = Call(
            id="1d1a1b7e-6c1f-4bd5-9a52-0d4b8f2f6b11",
            method=self._method,
            caller=Caller(address="127.0.0.1"),
            request=self._request,
            metadata=self._metadata.read(self._metadata.list_headers(self._headers)),
            deadline=self._deadline,
            span=Tracing(None).start_server("POST", {}, {}),
            idempotency_key="4f9e6a0e-3d8b-4a5c-8a35-7f2d1c9b6e12",
        )

    # --- the stages

    async def _admit(self, admission: Admission) -> None:
        with await admission.admit(_CALLER, CREATE):
            pass

    def _read_headers(self) -> object:
        metadata = self._metadata.read(self._metadata.list_headers(self._headers))
        key = choose_idempotency_key(self._method, metadata)
        return request_id(self._headers), read_timeout(self._headers, _DEADLINE_S), key

    def _route(self) -> object:
        return self._router.find("POST", parse_target(IMAGES).segments)

    def _bind(self) -> Message:
        return self._match.route.binder.bind(self._match.captures, [], self._body, "application/json")

    def _policy_input(self) -> PolicyInput:
        return PolicyInput(CREATE, self._request, Caller(address="127.0.0.1"), datetime.now(UTC))

    def _to_record(self) -> dict[str, Any]:
        return to_record(
            self._decision,
            self._recorded.to_tree,
            DEFAULT_HOSTS,
            call_id="1d1a1b7e-6c1f-4bd5-9a52-0d4b8f2f6b11",
            trace_id="0af7651916cd43dd8448eb211c80319c",
            idempotency_key="4f9e6a0e-3d8b-4a5c-8a35-7f2d1c9b6e12",
        )

    def _encode_record(self) -> bytes:
        return self._lines.encode(
            self._decision,
            call_id="1d1a1b7e-6c1f-4bd5-9a52-0d4b8f2f6b11",
            trace_id="0af7651916cd43dd8448eb211c80319c",
            idempotency_key="4f9e6a0e-3d8b-4a5c-8a35-7f2d1c9b6e12",
        )

    async def _write_record(self) -> None:
        line = self._encode_record()
        await self._records.write(lambda: line, self._deadline)

    async def _write_record_in_a_turn(self) -> None:
        """Write a record and yield to the event loop, as a call does that waits for the upstream."""
        await self._write_record()
        await asyncio.sleep(0)

    async def _forward(self) -> None:
        await DetachedCall(self._forwarder.forward(self.call), _ignore).reply()

    def _make_spans(self, tracing: Tracing) -> None:
        server = tracing.start_server("POST", self._headers, _START)
        decision = self._decision
        violations = tuple([f"{one.action}: {one.reason}" for one in decision.violations])
        decided = describe_decision(decision.outcome, decision.bundle, violations)
        add_event(server, "decision", {"decision.id": decision.id}, decided)
        client = tracing.start_client(CREATE, server, _CLIENT_ATTRIBUTES)
        to_headers(client)
        trace_id_of(client)
        set_shared(client, _STATUS)
        client.end()
        if tracing.is_exported(server, is_failure=False, duration_s=0.001):
            server.update_name(_TEMPLATE)
            set_shared(server, _SERVER_ATTRIBUTES)
        server.end()

    async def _encode_spans(self, calls: int) -> None:
        """Encode the spans of so many calls, in batches of one export."""
        for first in range(0, calls * 2, _SPANS):
            self._encoder.encode([encode_span(one) for one in self._ended_spans[: calls * 2 - first]])

    def _make_ended_spans(self) -> Sequence[RecordedSpan]:
        """Return the spans of one export."""
        ended: list[RecordedSpan] = []
        tracing = Tracing(Tracer(TracerProvider(shutdown_on_exit=False), ended.append))
        for _ in range(_SPANS // 2):
            self._make_spans(tracing)
        return ended

    def _count(self) -> None:
        metrics, decision = self._metrics, self._decision
        metrics.record_decision(0.0001, CREATE, is_allowed=True)
        for one in decision.violations:
            metrics.record_violation(one.policy, one.reason, one.action, is_allowed=True)
        metrics.record_upstream(0.001, CREATE, "OK", "baremetal", self._sampled)
        metrics.record_request(0.002, "POST", IMAGES, 200, self._sampled)

    def _log_line(self) -> None:
        fields = {
            "call_id": "1d1a1b7e-6c1f-4bd5-9a52-0d4b8f2f6b11",
            "trace_id": "0af7651916cd43dd8448eb211c80319c",
            "duration_ms": 1.234,
        }
        repeated: dict[str, str | int] = {
            "http_method": "POST",
            "route": IMAGES,
            "method": CREATE,
            "decision": "allow",
            "caller_kind": "token",
            "caller_id": "ci",
            "caller_address": "127.0.0.1",
            "status": 200,
            "code": "OK",
            "outcome": "ok",
        }
        self._lines_of_log.encode_fields(time.time(), "bench.stages", "responded", fields, repeated)

    async def _handle(self, pipeline: Pipeline) -> None:
        with await self._concurrency.acquire() as slot:
            await pipeline.handle(self.call, slot)
