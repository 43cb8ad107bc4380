"""What is made of a schema goes with it: nothing of this package keeps its descriptors."""

from __future__ import annotations

import gc
import json
import weakref
from typing import Any

import pytest

from gateway.errors import GatewayError
from gateway.schema import load_schema
from gateway.transcode import JsonWriter, Match, build_router, parse_target, to_json_path
from gateway.validation import Validator
from tests.wire.test_wire import EVERYTHING


def use(descriptor_set: bytes) -> list[weakref.ref[Any]]:
    """Make and use everything that belongs to a schema; return what has to be gone afterwards."""
    schema = load_schema(["test.v1.Library"], {"test": descriptor_set})
    router, writer, validator = build_router(schema, 100), JsonWriter(schema.pool), Validator(schema, 100)
    target = parse_target("/v1/things")
    found = router.find("POST", target.segments)
    assert isinstance(found, Match)
    message: Any = found.route.binder.bind(found.captures, target.query, json.dumps(EVERYTHING).encode())
    assert validator.validate(message) == []
    assert json.loads(writer.write(message)) == EVERYTHING
    with pytest.raises(GatewayError) as caught:
        found.route.binder.bind(
            found.captures, target.query, b'{"any":{"@type":"a/test.v1.Inner","x":1},"rInner":[1]}'
        )
    caught.value.rename_fields(lambda path: to_json_path(path, message.DESCRIPTOR))
    return [weakref.ref(one) for one in (type(message), type(message.inner), router, writer, validator)]


def test_a_schema_that_was_used_is_let_go(descriptor_set: bytes) -> None:
    kept = [one for _ in range(3) for one in use(descriptor_set)]
    gc.collect()
    assert [one() for one in kept] == [None] * len(kept)
