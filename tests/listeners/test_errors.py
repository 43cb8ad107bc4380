"""Errors that listeners raise themselves."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from gateway.errors import Code
from gateway.listeners.errors import (
    HttpError,
    headers_too_large,
    internal_error,
    stopping_error,
)


def test_an_http_error_has_a_status_of_its_own() -> None:
    error = HttpError(HTTPStatus.IM_A_TEAPOT, Code.UNKNOWN, "TEAPOT", "short", headers={"Allow": "GET"})
    assert (error.status, error.headers, error.code) == (418, {"Allow": "GET"}, Code.UNKNOWN)


def test_a_failure_of_the_gateway_shows_only_its_trace() -> None:
    error = internal_error("abc")
    assert (error.code, error.reason, error.violations) == (Code.INTERNAL, "INTERNAL", ())
    assert "under trace abc" in error.message


def test_codes() -> None:
    assert headers_too_large().status == 431


async def test_a_call_that_is_cut_can_still_send_its_response() -> None:
    async def call() -> str:
        try:
            await asyncio.sleep(20)
        except asyncio.CancelledError:
            error = stopping_error()
            await asyncio.sleep(0)
            return error.reason
        return ""

    task = asyncio.create_task(call())
    await asyncio.sleep(0)
    task.cancel()
    assert await task == "STOPPING"
    assert not task.cancelling()
