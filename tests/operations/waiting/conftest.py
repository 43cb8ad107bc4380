"""A reader of operations that tests control, and calls that wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from gateway.call import Call, Caller
from gateway.config import Config
from gateway.errors import GatewayError
from gateway.operations.waiting.operation_state import read_state
from gateway.operations.waiting.reader import Reading
from gateway.schema import Schema, load_schema
from gateway.telemetry import without_sampling

GET = "yandex.cloud.operation.OperationService/Get"
OPERATION = "yandex.cloud.operation.Operation"

MakeGet = Callable[..., Call]


class ControlledReader:
    """Returns what a test sets, and counts the reads by their tokens."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self.confirmed: list[str] = []
        self.polled: list[str] = []
        self.error: Exception | None = None
        self.refused: dict[str, GatewayError] = {}
        self.requested_s = 0.0
        self.delay_s = 0.0
        self.number = 0
        self.done = False

    def operation(self) -> Any:
        operation: Any = self._schema.message(OPERATION)(id="one", done=self.done)
        operation.modified_at.seconds = self.number
        return operation

    async def confirm(self, get: Call) -> Reading:
        self.confirmed.append(token_of(get))
        return await self._read(get)

    async def poll(self, get: Call) -> Reading:
        self.polled.append(token_of(get))
        return await self._read(get)

    async def _read(self, get: Call) -> Reading:
        await asyncio.sleep(self.delay_s)
        error = self.refused.get(token_of(get), self.error)
        if error is not None:
            raise error
        return Reading(read_state(self.operation()), self.requested_s)


def token_of(get: Call) -> str:
    return str(get.metadata.get("authorization", ""))


@pytest.fixture(scope="session")
def served() -> Schema:
    return load_schema(Config().served)


@pytest.fixture
def reader(served: Schema) -> ControlledReader:
    return ControlledReader(served)


@pytest.fixture
def make_get(served: Schema) -> MakeGet:
    def make(token: str = "a", **changes: Any) -> Call:  # noqa: S107 - made up
        method = served.methods[GET]
        values: dict[str, Any] = {
            "id": "call",
            "method": method,
            "caller": Caller(),
            "request": method.request(operation_id="one"),
            "metadata": {"authorization": token},
            "deadline": asyncio.get_running_loop().time() + 30,
            "span": without_sampling(""),
        }
        return Call(**values | changes)

    return make
