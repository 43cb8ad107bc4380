"""HTTP endpoints that issue tokens, and what they may respond."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from gateway.upstream.credentials.access_token import CredentialsError
from gateway.upstream.credentials.token_endpoint import TokenEndpoint


@asynccontextmanager
async def endpoint(response: Any) -> AsyncIterator[TokenEndpoint]:
    """Return an endpoint whose server sends one response again and again."""

    async def handle(_: web.BaseRequest) -> web.Response:
        return web.Response(**response)

    runner = web.ServerRunner(web.Server(handle))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0]
    made = TokenEndpoint(f"http://{host}:{port}/token")
    try:
        yield made
    finally:
        await made.close()
        await runner.cleanup()


async def test_a_token_expires_after_its_life() -> None:
    async with endpoint({"text": '{"access_token": "t1.a", "expires_in": 60}'}) as made:
        one, two = await made.request("GET"), await made.request("GET")
    assert one.value == two.value == "t1.a"
    assert 0 <= two.expires_at - one.expires_at < 30


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no json": ({"text": "canary"}, "returned no expires_in"),
    "a list": ({"text": '["canary"]'}, "returned no expires_in"),
    "no life": ({"text": '{"access_token": "canary"}'}, "returned no expires_in"),
    "a life that is no number": ({"text": '{"access_token": "canary", "expires_in": true}'}, "no expires_in"),
    "no token": ({"text": '{"expires_in": 60}'}, "returned no token"),
    "a token with a line break": ({"text": '{"access_token": "canary\\n", "expires_in": 6}'}, "no token"),
    "too large": ({"body": b" " * 70_000 + b'{"access_token": "canary", "expires_in": 6}'}, "no expires_in"),
    "an error": (
        {"text": '{"error": "invalid_grant", "error_description": "token: canary"}', "status": 400},
        "HTTP 400: invalid_grant: token: …",
    ),
    "an error without a body": ({"status": 503}, "HTTP 503"),
    "a redirect": ({"status": 307, "headers": {"location": "http://127.0.0.1:1/canary"}}, "HTTP 307"),
    "a broken encoding": (
        {"body": b"canary", "headers": {"content-encoding": "gzip"}},
        "cannot be used: ",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_a_response_without_a_token_is_an_error_that_quotes_nothing(name: str) -> None:
    response, message = REFUSED[name]
    async with endpoint(response) as made:
        with pytest.raises(CredentialsError) as caught:
            await made.request("GET")
    assert message in str(caught.value)
    assert "canary" not in str(caught.value)


async def test_an_endpoint_that_is_away_is_an_error() -> None:
    made = TokenEndpoint("http://127.0.0.1:1/token")
    with pytest.raises(CredentialsError, match=r"http://127\.0\.0\.1:1/token cannot be used"):
        await made.request("POST", form={"subject_token": "canary"})
    await made.close()
    await made.close()
