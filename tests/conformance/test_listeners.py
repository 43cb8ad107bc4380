"""One table of calls, over REST and over gRPC: the same decision, code, details and record."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc.aio
import pytest
import yaml
from google.protobuf import json_format
from google.protobuf.empty_pb2 import Empty
from google.rpc import error_details_pb2, status_pb2

from gateway.errors import Code
from gateway.schema import Schema
from tests.conftest import GOOD_IMAGE, IMAGES, Running, Start
from tests.identified import bearer, identifying, token_of
from tests.served_bundle import metric
from tests.waiting import wait_for

if TYPE_CHECKING:
    from google.protobuf.message import Message

SERVICE = "yandex.cloud.baremetal.v1alpha.ImageService"
CASES = yaml.safe_load(Path(__file__).with_name("listeners.yaml").read_text(encoding="utf-8"))
# What differs between any two calls.
VOLATILE = {
    "bundle_hash",
    "call_id",
    "decision_id",
    "duration_us",
    "idempotency_key",
    "retryDelay",
    "time",
    "trace_id",
}
UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class _Result:
    """What a caller receives, and what is recorded.

    Attributes:
        details: the details of the error, without the request ID.
        challenge: the value of `WWW-Authenticate`.
    """

    code: str
    message: str
    details: tuple[str, ...]
    reason: str
    fields: tuple[str, ...]
    challenge: str
    record: dict[str, Any]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
async def test_both_listeners_agree(
    case: dict[str, Any], start: Start, schema: Schema, tmp_path: Path
) -> None:
    path = tmp_path / "records.jsonl"
    options = identifying(tmp_path, "jwt", "tokens") if "identifies" in case else {}
    options |= case.get("options", {})
    running = await start(decision_log__type="file", decision_log__path=path, **options)
    for _ in range(case.get("before", 0)):
        await _call_by_rest(running, schema, case)
    await _forget_records(path, case)
    results = []
    async with _held_calls(running, case.get("held", 0)):
        for make_call in (_call_by_rest, _call_by_grpc):
            running.emulator.reset()
            status, challenge = await make_call(running, schema, case)
            results.append(_to_result(status, challenge, await _take_record(path, case)))
    over_rest, over_grpc = results
    assert over_rest == over_grpc
    assert bool(over_rest.challenge) == (case["code"] == "UNAUTHENTICATED")
    assert over_rest.code == case["code"]
    assert over_rest.reason == case.get("reason", over_rest.reason)
    assert sorted(over_rest.fields) == case.get("fields", [])
    for key in ("decision", "outcome"):
        if key in case:
            assert over_rest.record[key] == case[key]
    if "caller" in case:
        caller = over_rest.record["caller"]
        assert [caller["kind"], caller["id"]] == case["caller"]


def _to_message(schema: Schema, case: dict[str, Any]) -> Message:
    if case["method"] == UNKNOWN:
        return Empty()
    image = {"folder_id": "b1gexample"} | {name: GOOD_IMAGE[name] for name in ("name", "uri", "labels")}
    fields = (image if case["method"] == "Create" else {}) | case["request"]
    return schema.methods[f"{SERVICE}/{case['method']}"].request(**fields)


@asynccontextmanager
async def _held_calls(running: Running, count: int) -> AsyncIterator[None]:
    """A context manager in which ann has active calls, whose messages do not arrive."""
    async with grpc.aio.insecure_channel(str(running.addresses.grpc)) as channel:
        method: Any = channel.stream_unary(f"/{SERVICE}/List")
        calls = [method(metadata=tuple(bearer(token_of("ann")).items())) for _ in range(count)]
        await wait_for(lambda: not count or metric(running, "gateway_calls_active") == f"{count}.0")
        yield
        for one in calls:
            one.cancel()


async def _call_by_rest(
    running: Running, schema: Schema, case: dict[str, Any]
) -> tuple[status_pb2.Status, str]:
    body = json_format.MessageToDict(_to_message(schema, case))
    headers = case.get("metadata", [])
    if case["method"] == "Create":
        sent = running.client.post(running.url(IMAGES), json=body, headers=headers)
    elif case["method"] == "Get":
        sent = running.client.get(running.url(f"{IMAGES}/{body['imageId']}"), headers=headers)
    else:
        path = "/unknown" if case["method"] == UNKNOWN else IMAGES
        sent = running.client.get(running.url(path), params=body, headers=headers)
    async with sent as response:
        tree, challenge = await response.json(), response.headers.get("www-authenticate", "")
        if response.status == 200:
            return status_pb2.Status(), ""
    return json_format.ParseDict(tree, status_pb2.Status()), challenge


async def _call_by_grpc(
    running: Running, schema: Schema, case: dict[str, Any]
) -> tuple[status_pb2.Status, str]:
    async with grpc.aio.insecure_channel(str(running.addresses.grpc)) as channel:
        call: Any = channel.unary_unary(f"/{SERVICE}/{case['method']}")
        metadata = tuple((name, value) for name, value in case.get("metadata", []))
        try:
            await call(_to_message(schema, case).SerializeToString(), metadata=metadata, timeout=20)
        except grpc.aio.AioRpcError as error:
            trailing = dict(error.trailing_metadata() or ())
            status = status_pb2.Status.FromString(trailing["grpc-status-details-bin"])
            shown = error.code().value[0], error.details()
        else:
            return status_pb2.Status(), ""
    assert (status.code, status.message) == shown
    return status, trailing.get("www-authenticate", "")


async def _forget_records(path: Path, case: dict[str, Any]) -> None:
    """Forget the records of the calls that were made first. Reads that are allowed have none."""
    count = case.get("before", 0) if case.get("caller") == ["none", ""] else 0
    if count:
        await wait_for(lambda: path.exists() and path.read_text().count("\n") == count)
        path.write_text("")


async def _take_record(path: Path, case: dict[str, Any]) -> dict[str, Any]:
    if not case.get("is_recorded", True):
        return {}
    await wait_for(lambda: path.exists() and path.read_text().count("\n") == 1)
    record: dict[str, Any] = json.loads(path.read_text())
    path.write_text("")
    del record["id"]  # differs; the ID of the caller does not
    return record


def _to_result(status: status_pb2.Status, challenge: str, record: dict[str, Any]) -> _Result:
    details, reason, fields = [], "", []
    for detail in status.details:
        if detail.Is(error_details_pb2.RequestInfo.DESCRIPTOR):
            continue
        tree = json_format.MessageToDict(detail)
        reason = tree.get("reason", reason)
        fields += [one["field"] for one in tree.get("fieldViolations", [])]
        details.append(json.dumps(_steady(tree), sort_keys=True))
    return _Result(
        code=Code(status.code).name,
        message=_steady(status.message),
        details=tuple(details),
        reason=reason,
        fields=tuple(map(_steady, fields)),
        challenge=challenge,
        record=_steady(record),
    )


def _steady(value: Any) -> Any:
    """Remove what differs between any two calls, and write the names of fields as in JSON."""
    if isinstance(value, str):
        value = re.sub(r"\btry again in [0-9.]+ s\b", "try again in … s", value)
        return re.sub(r"\b(folder|image)_id\b", r"\1Id", value)
    if isinstance(value, list):
        return [_steady(one) for one in value]
    if isinstance(value, dict):
        return {name: "…" if name in VOLATILE else _steady(one) for name, one in value.items()}
    return value
