"""An emulator on loopback, and a client of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
import pytest

from gateway.emulator import Emulator
from gateway.schema import load_schema

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from gateway.schema import Schema

SERVICES = (
    "yandex.cloud.baremetal.v1alpha.ImageService",
    "yandex.cloud.baremetal.v2.BootImageService",
    "yandex.cloud.operation.OperationService",
)


@pytest.fixture(scope="session")
def schema() -> Schema:
    return load_schema(SERVICES)


@pytest.fixture
def clock() -> list[float]:
    """Unix time in its one element, for tests to put forward."""
    return [1_800_000_000.0]


@pytest.fixture
def delay_s() -> float:
    """How long operations take; a test overrides it by parametrization."""
    return 0.0


@pytest.fixture
async def emulator(clock: list[float], delay_s: float) -> AsyncIterator[Emulator]:
    async with Emulator(delay_s=delay_s, clock=lambda: clock[0]) as started:
        yield started


@pytest.fixture
async def call(emulator: Emulator, schema: Schema) -> AsyncIterator[Callable[..., Any]]:
    """Start a call by its short name, "Image/Create" or "Operation/Get", with the request's fields."""
    names = {
        f"{service.rpartition('.')[2].removesuffix('Service')}/{name.rpartition('/')[2]}": method
        for service in SERVICES
        for name, method in schema.methods.items()
        if method.service == service
    }

    async with grpc.aio.insecure_channel(emulator.address) as channel:

        def start(
            short_name: str,
            /,
            *,
            metadata: tuple[tuple[str, str], ...] = (),
            timeout_s: float = 10,
            **fields: Any,
        ) -> Any:
            method = names[short_name]
            stub: Any = channel.unary_unary(
                method.path, method.request.SerializeToString, method.reply.FromString
            )
            return stub(method.request(**fields), metadata=metadata, timeout=timeout_s)

        yield start
