"""The metadata service of a virtual machine, over the wire."""

from __future__ import annotations

import time

import pytest

from gateway.emulator import Emulator
from gateway.emulator.token_server import MACHINE, TokenServer
from gateway.upstream.credentials.access_token import CredentialsError
from gateway.upstream.credentials.metadata_service import MetadataService


async def test_the_machine_gets_a_token(emulator: Emulator, token_server: TokenServer) -> None:
    emulator.tokens.life_s = 600
    source = MetadataService(token_server.address)
    source.load()
    token = await source.fetch()
    assert emulator.tokens.is_valid(token.value)
    assert emulator.tokens.issued == [MACHINE]
    assert 500 < token.expires_at - time.time() <= 600
    await source.close()


async def test_a_service_that_fails_is_named(token_server: TokenServer) -> None:
    token_server.fail_with = 404
    source = MetadataService(token_server.address)
    with pytest.raises(CredentialsError, match=f"http://{token_server.address}/.*HTTP 404"):
        await source.fetch()
    await source.close()
