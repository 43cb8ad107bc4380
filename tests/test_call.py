"""The data of one call."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from uuid import RFC_4122, UUID

import pytest

from gateway.call import Call, Caller, choose_idempotency_key, derive_idempotency_key, find_scope, new_uuid
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


# Replicas of all versions must agree, so these keys never change.
DERIVED: list[tuple[Caller, dict[str, str | bytes], str, str]] = [
    (Caller(id="ci", kind="jwt"), {}, "mine", "3955c8cd-b18b-5247-a891-3ac764da214b"),
    (Caller(id="ci", kind="token"), {}, "mine", "5c8a4036-358d-51d4-9cd0-6a2257d56cc4"),
    (Caller(id="dev", kind="jwt"), {}, "mine", "033cdb07-c3e3-553a-8674-9345d7ebb93b"),
    (
        Caller(id="ci", kind="jwt"),
        {"authorization": "Bearer a"},
        "mine",
        "3955c8cd-b18b-5247-a891-3ac764da214b",
    ),
    (Caller(id="ci", kind="jwt", address="192.0.2.1"), {}, "other", "d90c83dd-1c6e-598f-85dd-3ff693ab7915"),
    (Caller(), {}, "mine", "0a39a559-7815-5821-bbe8-efa5b79755e6"),
    (Caller(), {"authorization": "Bearer a"}, "mine", "8585fd86-895a-55ff-bded-f36b53c65012"),
    (
        Caller(),
        {"authorization": "Bearer a", "x-client-trace-id": "t"},
        "mine",
        "8585fd86-895a-55ff-bded-f36b53c65012",
    ),
    (Caller(), {"authorization": b"Bearer b"}, "mine", "169f0a51-f962-5f95-8ccf-bf4558cace9e"),
    (Caller(id='ci", "mine', kind="jwt"), {}, "", "077d8b2b-c53a-5232-b672-35ec271f8ad4"),
    (Caller(id="почта", kind="mtls"), {}, "ключ", "a3125034-6fc0-5b2c-977e-40e6e45c5200"),
]


@pytest.mark.parametrize("index", range(len(DERIVED)))
def test_the_key_for_an_upstream_is_derived_from_the_caller_and_its_key(index: int) -> None:
    caller, metadata, key, expected = DERIVED[index]
    derived = derive_idempotency_key(caller, metadata, key)
    assert derived == expected
    assert UUID(derived).version == 5


def test_only_the_key_of_a_caller_is_derived(schema: Schema) -> None:
    caller, given = Caller(id="ci", kind="jwt"), {"idempotency-key": "mine"}
    derived = choose_idempotency_key(schema.methods[CREATE], given, caller)
    assert derived == derive_idempotency_key(caller, given, "mine")
    assert UUID(choose_idempotency_key(schema.methods[CREATE], {}, caller)).version == 4
    assert choose_idempotency_key(schema.methods[GET], {}, caller) == ""


def test_the_scope_of_an_anonymous_caller_is_its_credentials() -> None:
    one, other = ({"authorization": value} for value in ("a", "b"))
    assert find_scope(Caller(id="x", kind="jwt"), one) == ("jwt", "x")
    assert find_scope(Caller(), one) != find_scope(Caller(), other)
    assert find_scope(Caller(), one) == find_scope(Caller(), one | {"idempotency-key": "k"})


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


def test_an_identifier_is_a_uuid_of_version_4() -> None:
    for _ in range(1000):
        text = new_uuid()
        parsed = UUID(text)
        assert (str(parsed), parsed.version, parsed.variant) == (text, 4, RFC_4122)


def test_the_digits_of_identifiers_are_random() -> None:
    texts = [new_uuid() for _ in range(2000)]
    for at in range(36):
        seen = {text[at] for text in texts}
        assert len(seen) == (1 if at in {8, 13, 14, 18, 23} else 4 if at == 19 else 16)


def test_threads_get_different_identifiers() -> None:
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: [new_uuid() for _ in range(5000)], range(4)))
    texts = [text for part in made for text in part]
    assert len(set(texts)) == len(texts)


def test_a_child_process_gets_other_identifiers() -> None:
    new_uuid()
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.write(writer, new_uuid().encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        texts = {new_uuid() for _ in range(200)}
        assert pipe.read() not in texts
