"""The emulated cloud with its IAM, metadata service and token exchange."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from gateway.emulator import Emulator
from gateway.emulator.token_server import TokenServer


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator() as started:
        yield started


@pytest.fixture
async def token_server(emulator: Emulator) -> AsyncIterator[TokenServer]:
    async with TokenServer(emulator.tokens) as started:
        yield started
