"""The hash of a call's credentials, and their fingerprint."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.call import Caller
from gateway.operations.waiting.credentials import fingerprint_credentials, hash_credentials
from tests.operations.waiting.conftest import MakeGet

if TYPE_CHECKING:
    from collections.abc import Callable

BOTH = pytest.mark.parametrize("identify", [hash_credentials, fingerprint_credentials])


@BOTH
async def test_the_caller_and_what_may_authorize_make_a_difference(
    make_get: MakeGet, identify: Callable[..., object]
) -> None:
    calls = [
        make_get("a"),
        make_get("b"),
        make_get("a", caller=Caller(id="x", kind="mtls")),
        make_get("a", caller=Caller(id="x", kind="jwt")),
        make_get("a", metadata={"authorization": "a", "x-folder-bin": b"f"}),
        make_get("a", metadata={}),
        make_get("a", metadata={"authorizationa": ""}),
    ]
    assert len({identify(one) for one in calls}) == len(calls)


@BOTH
async def test_ids_of_requests_and_addresses_make_none(
    make_get: MakeGet, identify: Callable[..., object]
) -> None:
    further = {"x-client-request-id": "r", "x-client-trace-id": "t", "idempotency-key": "k"}
    caller = Caller(address="192.0.2.1")
    same = make_get(metadata={"authorization": "a", **further}, caller=caller, id="other")
    assert identify(make_get("a")) == identify(same)


async def test_the_hash_does_not_contain_the_credentials(make_get: MakeGet) -> None:
    assert b"Bearer secret" not in hash_credentials(make_get("Bearer secret"))


@BOTH
async def test_the_callers_credentials_do_not_matter_if_the_gateway_has_its_own(
    make_get: MakeGet, identify: Callable[..., object]
) -> None:
    one, other = make_get("a"), make_get("b")
    assert identify(one, is_own=True) == identify(other, is_own=True)
    callers = [Caller(), Caller(id="x", kind="mtls"), Caller(id="y", kind="mtls")]
    calls = [make_get(caller=caller) for caller in callers]
    calls.append(make_get(metadata={"authorization": "a", "x-folder": "f"}))
    assert len({identify(call, is_own=True) for call in calls}) == len(calls)
