"""The data of one call."""

from __future__ import annotations

from uuid import UUID

import pytest

from gateway.call import Call, Caller, choose_idempotency_key
from gateway.schema import Schema
from gateway.telemetry import Tracing

CREATE = "yandex.cloud.baremetal.v1alpha.ImageService/Create"
GET = "yandex.cloud.baremetal.v1alpha.ImageService/Get"


def test_a_change_without_a_key_gets_a_new_one(schema: Schema) -> None:
    keys = {choose_idempotency_key(schema.methods[CREATE], {}) for _ in range(3)}
    assert len(keys) == 3
    assert all(str(UUID(key)) == key for key in keys)


def test_the_callers_own_key_is_used(schema: Schema) -> None:
    given = {"idempotency-key": "mine"}
    assert {choose_idempotency_key(schema.methods[name], given) for name in (CREATE, GET)} == {"mine"}


def test_a_read_without_a_key_has_none(schema: Schema) -> None:
    assert choose_idempotency_key(schema.methods[GET], {}) == ""


@pytest.mark.parametrize("secret", ["Bearer t0ken"])
def test_no_credentials_are_shown(schema: Schema, secret: str) -> None:
    method = schema.methods[CREATE]
    call = Call(
        id="1",
        method=method,
        caller=Caller(),
        request=method.request(),
        metadata={"authorization": secret},
        deadline=0.0,
        span=Tracing().start_server("x", {}, {}),
    )
    assert secret not in repr(call)


def test_an_unknown_caller_has_nothing() -> None:
    caller = Caller()
    assert (caller.id, caller.kind, caller.groups, caller.address, dict(caller.claims)) == (
        "",
        "none",
        (),
        "",
        {},
    )
