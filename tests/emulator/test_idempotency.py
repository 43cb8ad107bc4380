from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gateway.emulator.idempotency import IdempotencyKeys
from gateway.emulator.status_error import StatusError
from gateway.errors import Code

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from gateway.schema import Schema

CREATE = "yandex.cloud.baremetal.v1alpha.ImageService/Create"


def make_request(schema: Schema, **fields: Any) -> Message:
    return schema.methods[CREATE].request(**fields)


def test_a_new_key_leads_nowhere(schema: Schema) -> None:
    assert IdempotencyKeys().recall("k", CREATE, make_request(schema)) is None


def test_the_same_request_leads_to_its_operation(schema: Schema) -> None:
    keys = IdempotencyKeys()
    labels = {f"l{n}": "" for n in range(20)}
    turned = dict(reversed(labels.items()))
    keys.remember("k", CREATE, make_request(schema, name="aa", labels=labels), "operation")
    assert keys.recall("k", CREATE, make_request(schema, name="aa", labels=turned)) == "operation"
    assert keys.recall("other", CREATE, make_request(schema, name="aa", labels=labels)) is None


@pytest.mark.parametrize(("method", "name"), [(CREATE, "bb"), ("s/Other", "aa")])
def test_another_request_is_refused(schema: Schema, method: str, name: str) -> None:
    keys = IdempotencyKeys()
    keys.remember("k", CREATE, make_request(schema, name="aa"), "operation")
    with pytest.raises(StatusError, match="'k'") as caught:
        keys.recall("k", method, make_request(schema, name=name))
    assert caught.value.code is Code.INVALID_ARGUMENT
