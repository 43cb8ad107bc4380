"""Calls and their records, as the pipeline gives them to the ledger."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from opentelemetry.trace import INVALID_SPAN

from gateway.call import Call, Caller
from gateway.ledger import CallRecord

if TYPE_CHECKING:
    from gateway.schema import Schema

CREATE = "yandex.cloud.baremetal.v1alpha.ImageService/Create"
OPERATION = "yandex.cloud.operation.Operation"


def make_call(
    schema: Schema,
    *,
    key: str | None = None,
    caller: Caller | None = None,
    seconds: float = 30.0,
    method: str = CREATE,
    authorization: str | bytes | None = None,
    **fields: Any,
) -> Call:
    metadata: dict[str, str | bytes] = {} if key is None else {"idempotency-key": key}
    if authorization is not None:
        metadata["authorization"] = authorization
    span: Any = INVALID_SPAN
    found = schema.methods[method]
    return Call(
        id="request-1",
        method=found,
        caller=caller or Caller(address="192.0.2.1"),
        request=found.request(**fields),
        metadata=metadata,
        deadline=asyncio.get_running_loop().time() + seconds,
        span=span,
        idempotency_key=key or "generated",
    )


def make_record(call: Call, **changes: Any) -> CallRecord:
    """Return the record of an allowed call."""
    facts = {
        "kind": "decision",
        "time": "2026-01-02T03:04:05.000006Z",
        "id": uuid4().hex,
        "call_id": call.id,
        "trace_id": "0" * 32,
        "idempotency_key": call.idempotency_key,
        "method": call.method.name,
        "caller": {"id": call.caller.id, "kind": call.caller.kind},
        "bundle": "hash",
        "decision": "allow",
        "request": {
            name: dict(value) if name == "labels" else value
            for name, value in (
                (field.json_name, getattr(call.request, field.name)) for field, _ in call.request.ListFields()
            )
        },
    }
    return CallRecord(facts=facts, is_plain=True, **changes)
