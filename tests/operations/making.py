"""Parts for tests of settlement and following: calls to upstreams that are answered to order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from gateway.call import Reply
from gateway.errors import Code, GatewayError
from gateway.ledger.events import now, to_us
from gateway.ledger.work import OpenCall
from gateway.ledger.writer import LedgerWriter
from gateway.operations.own_calls import OwnCalls
from gateway.telemetry import Health, Metrics, Tracer, Tracing
from tests.ledger.records import CREATE, intent_of, record
from tests.ledger.stores import HeldStore

if TYPE_CHECKING:
    from gateway.ledger.batch import Entry
    from gateway.schema import Method, Schema
    from gateway.telemetry import Span

SERVICE = "yandex.cloud.baremetal.v1alpha.ImageService"
IMAGE_ID = "ly5image"
OPERATION_ID = "ly6operation"


class ScriptedCalls(OwnCalls):
    """Answers the calls of the gateway from a list.

    Attributes:
        answers: the replies and the errors of the next calls.
        made: the methods of the calls that were made, with the requests and the keys.
    """

    def __init__(self, schema: Schema, *answers: Any) -> None:
        self._methods = {f"/{name}": method for name, method in schema.methods.items()}
        self.answers = list(answers)
        self.made: list[tuple[str, Any, str]] = []
        self.metadata: dict[str, str] = {}

    def find(self, path: str) -> Method | None:
        return self._methods.get(path)

    def forget(self, path: str) -> None:
        """Serve a method no longer."""
        del self._methods[path]

    async def make(
        self, open_call: OpenCall, method: Method, request: Any, *, span: Span | None = None, key: str = ""
    ) -> Reply:
        assert open_call is not None
        assert span is None or span.get_span_context().is_valid
        self.made.append((method.name.rpartition("/")[2], request, key))
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return Reply(message=answer, metadata=self.metadata)


class CollectingWriter(LedgerWriter):
    """Keeps the entries.

    Attributes:
        added: the entries.
    """

    def __init__(self) -> None:
        super().__init__(HeldStore(), make_metrics(), Health({}), capacity=10, when_full="drop")
        self.added: list[Entry] = []
        self.is_broken = False

    @property
    def is_failing(self) -> bool:
        return self.is_broken

    def add(self, entry: Entry) -> None:
        self.added.append(entry)

    def offer_quietly(self, entry: Entry) -> None:
        self.added.append(entry)


def make_metrics() -> Metrics:
    return Metrics(Resource.create())


def make_tracing() -> tuple[Tracing, InMemorySpanExporter]:
    """Return tracing, and the exporter that has its spans."""
    exporter = InMemorySpanExporter()
    processor = SimpleSpanProcessor(exporter)
    tracer = Tracer(TracerProvider(shutdown_on_exit=False), lambda span: processor.on_end(span.to_readable()))
    return Tracing(tracer), exporter


def metric(metrics: Metrics, start: str) -> str:
    lines = metrics.expose().decode().splitlines()
    return next((line.rpartition(" ")[2] for line in lines if line.startswith(start)), "")


def open_call(call: str = "call-1", *, age_s: float = 0.0, tries: int = 0, **changes: Any) -> OpenCall:
    """Return a create that is not settled, or whose operation has not ended."""
    facts = record(call, intent=intent_of()) | changes.pop("record", {})
    fields: dict[str, Any] = {
        "id": call,
        "epoch": 3,
        "tries": tries,
        "time_us": to_us(now()) - int(age_s * 1e6),
        "call_id": facts["call_id"],
        "method": facts["method"],
        "outcome": "pending",
        "operation_id": None,
        "record": facts,
    }
    return OpenCall(**fields | changes)


def error_of(code: Code, *, may_have_acted: bool = False) -> GatewayError:
    return GatewayError(code, "REASON", "a message", may_have_acted=may_have_acted)


def operation_of(schema: Schema, *, done: bool = False, **fields: Any) -> Any:
    """Return the operation of a create."""
    method = schema.methods[CREATE]
    operation: Any = method.reply(id=OPERATION_ID, done=done, **fields)
    metadata = schema.pool.FindMessageTypeByName("yandex.cloud.baremetal.v1alpha.CreateImageMetadata")
    operation.metadata.Pack(_new(metadata)(image_id=IMAGE_ID))
    return operation


def image_of(schema: Schema, *, created_us: int | None = None, **fields: Any) -> Any:
    """Return an image as the upstream lists it."""
    image: Any = schema.methods[f"{SERVICE}/Get"].reply(
        **{"id": IMAGE_ID, "folder_id": "b1gexample", "name": "image-1", "checksum": "md5"} | fields
    )
    image.created_at.FromMicroseconds(to_us(now()) if created_us is None else created_us)
    return image


def listed(schema: Schema, *images: Any) -> Any:
    """Return the response of a listing."""
    return schema.methods[f"{SERVICE}/List"].reply(images=images)


def operations_listed(schema: Schema, *operations: Any) -> Any:
    return schema.methods[f"{SERVICE}/ListOperations"].reply(operations=operations)


def _new(descriptor: Any) -> Any:
    from google.protobuf import message_factory  # noqa: PLC0415 - only here

    return message_factory.GetMessageClass(descriptor)
