"""The hash of a call's credentials."""

from __future__ import annotations

from gateway.call import Caller
from gateway.operations.waiting.credentials import hash_credentials
from tests.operations.waiting.conftest import MakeGet


async def test_the_caller_and_what_may_authorize_make_a_difference(make_get: MakeGet) -> None:
    calls = [
        make_get("a"),
        make_get("b"),
        make_get("a", caller=Caller(id="x", kind="mtls")),
        make_get("a", caller=Caller(id="x", kind="jwt")),
        make_get("a", metadata={"authorization": "a", "x-folder-bin": b"f"}),
        make_get("a", metadata={}),
        make_get("a", metadata={"authorizationa": ""}),
    ]
    assert len({hash_credentials(one) for one in calls}) == len(calls)


async def test_ids_of_requests_and_addresses_make_none(make_get: MakeGet) -> None:
    further = {"x-client-request-id": "r", "x-client-trace-id": "t", "idempotency-key": "k"}
    caller = Caller(address="192.0.2.1")
    same = make_get(metadata={"authorization": "a", **further}, caller=caller, id="other")
    assert hash_credentials(make_get("a")) == hash_credentials(same)


async def test_the_hash_does_not_contain_the_credentials(make_get: MakeGet) -> None:
    assert b"Bearer secret" not in hash_credentials(make_get("Bearer secret"))


async def test_the_callers_credentials_do_not_matter_if_the_gateway_has_its_own(make_get: MakeGet) -> None:
    one, other = make_get("a"), make_get("b")
    assert hash_credentials(one, is_own=True) == hash_credentials(other, is_own=True)
    callers = [Caller(), Caller(id="x", kind="mtls"), Caller(id="y", kind="mtls")]
    calls = [make_get(caller=caller) for caller in callers]
    calls.append(make_get(metadata={"authorization": "a", "x-folder": "f"}))
    assert len({hash_credentials(call, is_own=True) for call in calls}) == len(calls)
