"""The emulated metadata service and token exchange."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from gateway.emulator.token_issuer import TokenIssuer
from gateway.emulator.token_server import EXCHANGE_PATH, METADATA_PATH, TokenServer

FORM = {
    "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
    "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
    "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
    "subject_token": "w",
    "audience": "aje",
}
GOOGLE = {"Metadata-Flavor": "Google"}

REQUESTS: dict[str, tuple[str, str, dict[str, Any], int]] = {
    "machine": ("GET", METADATA_PATH, {"headers": GOOGLE}, 200),
    "machine without its header": ("GET", METADATA_PATH, {}, 403),
    "exchange": ("POST", EXCHANGE_PATH, {"data": FORM}, 200),
    "exchange of another token": ("POST", EXCHANGE_PATH, {"data": FORM | {"subject_token": "x"}}, 401),
    "another grant": ("POST", EXCHANGE_PATH, {"data": FORM | {"grant_type": "password"}}, 400),
    "another path": ("GET", "/", {}, 404),
}


@pytest.mark.parametrize("name", REQUESTS)
async def test_what_is_asked_for_decides(name: str) -> None:
    http_method, path, given, status = REQUESTS[name]
    issuer = TokenIssuer(lambda: 1.0)
    issuer.trust_workload("w", "aje")
    async with TokenServer(issuer) as server, aiohttp.ClientSession() as client:
        async with client.request(http_method, f"http://{server.address}{path}", **given) as response:
            assert response.status == status
            if status == 200:
                body = await response.json()
                assert issuer.is_valid(body["access_token"])
                assert body["expires_in"] == issuer.life_s
        assert server.requests == 1
        server.fail_with = 500
        async with client.request(http_method, f"http://{server.address}{path}", **given) as response:
            assert response.status == 500
    assert server.address == ""
    await server.stop()
