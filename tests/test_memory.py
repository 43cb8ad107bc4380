"""Memory: whatever becomes of a call, nothing of it is kept.

The counts of blocks that Python has allocated are compared, because they grow by less than a page of the
process for some hundred calls. `make soak` measures the whole process.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import logging
import os
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from google.protobuf.message import Message
from opentelemetry.sdk.resources import Resource

from gateway.audit.record_writer import RecordWriter
from gateway.audit.reporter import Reporter
from gateway.call import Call, Caller, Reply, ReplyStream, choose_idempotency_key
from gateway.config.ledger import LedgerSection
from gateway.errors import Code, GatewayError
from gateway.ledger import Ledger
from gateway.ledger.service import LedgerService
from gateway.limits import ConcurrencyLimit
from gateway.object_storage import DEFAULT_HOSTS
from gateway.pipeline import Pipeline
from gateway.policy import Decider
from gateway.schema import Schema
from gateway.serving.sources import open_bundle
from gateway.sinks.file import FileSink
from gateway.telemetry import Health, Metrics, Tracing
from gateway.transcode import JsonWriter
from gateway.validation import Validator
from tests.conftest import GOOD_IMAGE, IMAGES, Running, Start, make_config
from tests.rounds import rounds

if TYPE_CHECKING:
    from gateway.upstream import RetryingForwarder

ROUNDS = rounds(150, 2000)
CHANGES = rounds(2000, 25_000)
MEASUREMENTS = 3
"""What a call keeps is seen in each of them; what is made once, in one."""
SERVICE = "yandex.cloud.baremetal.v1alpha.ImageService"
CREATE, GET = f"{SERVICE}/Create", f"{SERVICE}/Get"
GOOD = {"folder_id": "b1gexample"} | {name: value for name, value in GOOD_IMAGE.items() if name != "folderId"}
AN_ID = "a" * 20


MOST_BLOCKS = ROUNDS
"""One for each call; a message alone takes several."""


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0.002)  # callbacks, and the thread that writes records
    gc.collect()


async def least_growth(
    call: Callable[[], Awaitable[None]],
    rounds: int = ROUNDS,
    settle: Callable[[], Awaitable[None]] = settle,
) -> int:
    """Return by how many blocks the memory has grown in the best of several measurements."""
    for _ in range(rounds):
        await call()
    least = sys.maxsize
    for _ in range(MEASUREMENTS):
        await settle()
        before = sys.getallocatedblocks()
        for _ in range(rounds):
            await call()
        await settle()
        least = min(least, sys.getallocatedblocks() - before)
    return least


class Immediate:
    """Responds at once, instead of an upstream."""

    def __init__(self, failure: GatewayError | None = None) -> None:
        self.failure = failure

    async def forward(self, call: Call, _on_failed_attempt: object = None) -> Reply | ReplyStream:
        if call.metadata.get("x-stream"):
            return ReplyStream(messages=self._stream(call))
        if self.failure is not None:
            raise GatewayError(self.failure.code, self.failure.reason, self.failure.message)
        return Reply(message=call.method.reply(), metadata={})

    async def _stream(self, call: Call) -> AsyncGenerator[Message, None]:
        for _ in range(3):
            yield call.method.reply()
        if self.failure is not None:
            raise GatewayError(self.failure.code, self.failure.reason, self.failure.message)


class Calls:
    """Takes calls through a pipeline with the default bundle, and a forwarder that responds at once."""

    def __init__(self, schema: Schema, metrics: Metrics, ledger: Ledger | None = None) -> None:
        config = make_config("127.0.0.1:1")
        sink = FileSink(Path(os.devnull), survives_power_loss=False)
        self.writer = RecordWriter(sink, metrics, Health(), capacity=1000, when_full="refuse")
        self.limit = ConcurrencyLimit(10, metrics)
        self.forwarder = Immediate()
        self._schema = schema
        self._tracing = Tracing()
        self._pipeline = Pipeline(
            Decider(open_bundle(config, schema)),
            Validator(schema, config.limits.elements),
            Reporter(self.writer, metrics, JsonWriter(schema.pool).to_tree, DEFAULT_HOSTS, ledger),
            cast("RetryingForwarder", self.forwarder),
            ledger=ledger,
        )

    async def make(
        self, method_name: str, fields: dict[str, Any], read: int | None = None, key: str = ""
    ) -> None:
        """Make a call to its end.

        Args:
            method_name: full name.
            fields: of the request.
            read: messages of a stream that are read; None for a unary call.
            key: the idempotency key that the caller sends.
        """
        method = self._schema.methods[method_name]
        metadata: dict[str, str | bytes] = {} if read is None else {"x-stream": "1"}
        if key:
            metadata["idempotency-key"] = key
        call = Call(
            id="1",
            method=method,
            caller=Caller(address="192.0.2.1"),
            request=method.request(**fields),
            metadata=metadata,
            deadline=asyncio.get_running_loop().time() + 30,
            span=self._tracing.start_server("x", {}, {}),
            idempotency_key=choose_idempotency_key(method, metadata),
        )
        with suppress(GatewayError), await self.limit.acquire() as slot:
            reply = await self._pipeline.handle(call, slot)
            if isinstance(reply, ReplyStream):
                async with aclosing(reply):
                    for _ in range(read or 0):
                        await anext(reply, None)
        while self.limit.forwarding:
            await asyncio.wait(self.limit.forwarding)


@pytest.fixture(autouse=True)
def nothing_is_logged() -> Iterator[None]:
    """The test runner would keep each line."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
async def calls(schema: Schema) -> AsyncIterator[Calls]:
    made = Calls(schema, Metrics(Resource.create()))
    yield made
    await made.writer.close()


@pytest.fixture
async def recorded_calls(schema: Schema, tmp_path: Path) -> AsyncIterator[Calls]:
    """Calls that are recorded in a ledger."""
    metrics = Metrics(Resource.create())
    section = LedgerSection(url=f"sqlite:///{tmp_path}/ledger.db", durability="process")
    service = LedgerService(section, metrics, Health(), Tracing())
    await service.start()
    made = Calls(schema, metrics, service.ledger)
    yield made
    await made.writer.close()
    await service.stop()


READ = (GET, {"image_id": AN_ID})
CHANGE = (CREATE, GOOD)
PIPELINE: dict[str, tuple[Any, ...]] = {
    "a read": READ,
    "an allowed change": CHANGE,
    "a denied change": (CREATE, GOOD | {"labels": {"env": "x"}}),
    "a request that is not valid": (CREATE, GOOD | {"folder_id": "Not Valid"}),
    "a stream of a read": (*READ, 4),
    "a stream of a change": (*CHANGE, 4),
    "a stream that is left": (*CHANGE, 1),
    "a stream that is never read": (*CHANGE, 0),
}


FAILING = {
    f"{name}, and the upstream fails": PIPELINE[name]
    for name in ("an allowed change", "a stream of a change")
}


@pytest.mark.parametrize("case", [*PIPELINE, *FAILING])
async def test_of_the_pipeline(calls: Calls, case: str) -> None:
    if case in FAILING:
        calls.forwarder.failure = GatewayError(Code.UNAVAILABLE, "GONE", "gone")
    arguments = (PIPELINE | FAILING)[case]
    assert await least_growth(lambda: calls.make(*arguments)) < MOST_BLOCKS
    assert not calls.limit.forwarding


@pytest.mark.parametrize("case", [*PIPELINE, *FAILING])
async def test_of_the_pipeline_with_a_ledger(recorded_calls: Calls, case: str) -> None:
    if case in FAILING:
        recorded_calls.forwarder.failure = GatewayError(Code.UNAVAILABLE, "GONE", "gone")
    arguments = (PIPELINE | FAILING)[case]

    async def settle_with_ledger() -> None:
        await recorded_calls.make(*CHANGE)  # its intent is committed after all that waits
        await settle()

    # The outcome of the last change may wait for its commit when the blocks are counted.
    calls = 2 * ROUNDS
    growth = await least_growth(lambda: recorded_calls.make(*arguments), calls, settle_with_ledger)
    assert growth < calls


@pytest.mark.parametrize("key", ["", "a new one", "the same"])
async def test_of_thousands_of_recorded_changes(recorded_calls: Calls, key: str) -> None:
    numbers = itertools.count()

    async def call() -> None:
        await recorded_calls.make(*CHANGE, key=f"{key} {next(numbers)}" if key == "a new one" else key)

    # The statements for groups of new sizes are cached, at most some hundred.
    assert await least_growth(call, CHANGES) < CHANGES / 4


BODY = json.dumps(GOOD_IMAGE | {"labels": {}})
REST = {
    "a read": f"GET {IMAGES}/{AN_ID}",
    "a denied change": f"POST {IMAGES}\n{BODY}",
    "a request that is malformed": f'POST {IMAGES}\n{{"x": 1}}',
    "a path that is not served": "GET /nowhere",
}


class Connection:
    """A connection to the REST listener that keeps nothing of the responses."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: str) -> None:
        self._reader, self.writer = reader, writer
        target, _, body = request.partition("\n")
        head = f"{target} HTTP/1.1\r\nHost: gateway\r\nContent-Length: {len(body)}\r\n\r\n"
        self._request = (head + body).encode()

    @classmethod
    async def open(cls, running: Running, request: str) -> Connection:
        return cls(*await asyncio.open_connection(*str(running.addresses.rest).split(":")), request)

    async def exchange(self) -> None:
        self.writer.write(self._request)
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = next(line for line in head.split(b"\r\n") if line.startswith(b"content-length:"))
        await self._reader.readexactly(int(length.partition(b":")[2]))


@pytest.mark.parametrize("case", REST)
async def test_of_the_rest_listener(start: Start, case: str) -> None:
    running = await start(decision_log__type="file", decision_log__path=os.devnull)
    connection = await Connection.open(running, REST[case])

    async def call() -> None:
        running.emulator.calls.clear()
        await connection.exchange()

    assert await least_growth(call) < MOST_BLOCKS
    connection.writer.close()
