"""What a response carries beside its body stays within what clients take by default."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from hypothesis import given
from hypothesis import strategies as st

from gateway.emulator import InjectedFault
from gateway.errors import Code, FieldViolation, GatewayError
from gateway.listeners.response_size import to_trailing_metadata, to_warning_headers
from gateway.schema import Schema
from tests.conftest import GOOD_IMAGE, IMAGES, Running, Start
from tests.policy.making import CREATE, binding_text, policy_text
from tests.rounds import examples

# Over its soft limit a client fails a call with a probability that grows with the size.
CALLS = 150
CLIENT_BYTES = 8 * 1024


def packed(message: Message) -> AnyMessage:
    one = AnyMessage()
    one.Pack(message)
    return one


def unknown(size: int) -> AnyMessage:
    return AnyMessage(type_url="type.example/some.Unknown", value=b"\xff" * size)


def bad_request(count: int, description: str) -> AnyMessage:
    violation = error_details_pb2.BadRequest.FieldViolation
    violations = [violation(field=f"f{number}", description=description) for number in range(count)]
    return packed(error_details_pb2.BadRequest(field_violations=violations))


def wire_size(error: grpc.aio.AioRpcError) -> int:
    """Size as HTTP/2 counts it, binary values in base64: what clients other than gRPC's own core receive."""
    entries: list[tuple[str, str | bytes]] = [
        *(error.initial_metadata() or ()),
        *(error.trailing_metadata() or ()),
        ("grpc-status", "16"),
        (
            "grpc-message",
            re.sub(r"[^ -~]|%", lambda one: "%00" * len(one[0].encode()), error.details() or ""),
        ),
    ]
    return sum(
        len(key) + 32 + (-(-len(value) * 4 // 3) if isinstance(value, bytes) else len(value))
        for key, value in entries
    )


async def fail(running: Running, data: bytes, calls: int = CALLS) -> grpc.aio.AioRpcError:
    """Make a call that fails, many times, with a client of default settings; return the last error."""
    codes: Counter[str] = Counter()
    last: Any = None
    async with grpc.aio.insecure_channel(str(running.addresses.grpc)) as channel:
        callable_: Any = channel.unary_unary(f"/{CREATE}")
        for _ in range(calls):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await callable_(data, timeout=20, metadata=[("x-request-id", "r" * 128)])
            codes[caught.value.code().name] += 1
            assert wire_size(caught.value) < CLIENT_BYTES - 512
            last = caught.value
    assert len(codes) == 1, codes
    assert isinstance(last, grpc.aio.AioRpcError)
    return last


def status_of(error: grpc.aio.AioRpcError) -> status_pb2.Status:
    trailing = dict(error.trailing_metadata() or ())
    status = status_pb2.Status.FromString(trailing["grpc-status-details-bin"])
    assert status.code == error.code().value[0]
    assert status.message == error.details()
    return status


def find(status: status_pb2.Status, found: Any) -> Any:
    for detail in status.details:
        if detail.Unpack(found):
            return found
    raise AssertionError(f"no {type(found)}")


async def order(running: Running, *details: AnyMessage, message: str = "no") -> None:
    fault = InjectedFault(method=CREATE, code=Code.NOT_FOUND, message=message, details=details, times=None)
    running.emulator.inject(fault)


def good(schema: Schema, **fields: Any) -> bytes:
    request = schema.known[CREATE].request
    values = {
        "folder_id": "b1g",
        "name": "debian-13",
        "uri": GOOD_IMAGE["uri"],
        "labels": GOOD_IMAGE["labels"],
    }
    return bytes(request(**(values | fields)).SerializeToString())


@pytest.mark.parametrize("size", [3000, 6000, 7500, 12_000, 50_000])
async def test_large_errors_of_an_upstream_reach_clients_of_both_protocols(
    running: Running, schema: Schema, size: int
) -> None:
    info = error_details_pb2.ErrorInfo(reason="QUOTA", domain="cloud", metadata={"limit": "5"})
    await order(running, unknown(size), packed(info))
    error = await fail(running, good(schema))
    assert error.code() is grpc.StatusCode.NOT_FOUND
    status = status_of(error)
    assert find(status, error_details_pb2.ErrorInfo()) == info
    assert find(status, error_details_pb2.RequestInfo()).request_id
    if size >= 6000:
        assert str(error.details()).startswith("no ")
        assert "1 detail " in str(error.details())
    else:
        assert unknown(size) in status.details
    for _ in range(40):
        async with running.client.post(running.url(IMAGES), json=GOOD_IMAGE) as answer:
            body = await answer.json()
            assert (answer.status, body["code"], len(body["details"])) == (404, 5, 3)


async def test_violations_of_an_upstream_are_cut_with_their_number(running: Running, schema: Schema) -> None:
    await order(running, bad_request(200, "x" * 100))
    error = await fail(running, good(schema), calls=5)
    kept = len(find(status_of(error), error_details_pb2.BadRequest()).field_violations)
    assert 20 < kept < 200
    assert f"{200 - kept} violations " in str(error.details())


async def test_details_that_are_large_themselves_keep_what_matters(running: Running, schema: Schema) -> None:
    info = error_details_pb2.ErrorInfo(
        reason="R", domain="d", metadata={"first": "1"} | {f"k{n}": "v" * 1000 for n in range(25)}
    )
    ids = error_details_pb2.RequestInfo(request_id="upstream's", serving_data="x" * 10_000)
    nonsense = AnyMessage(type_url="type.googleapis.com/google.rpc.BadRequest", value=b"\xff" * 9000)
    await order(running, nonsense, packed(info), packed(ids), message="я" * 2000)
    error = await fail(running, good(schema), calls=5)
    status = status_of(error)
    shown = find(status, error_details_pb2.ErrorInfo())
    assert (shown.reason, shown.domain) == ("R", "d")
    assert len(shown.metadata) < 25
    assert find(status, error_details_pb2.RequestInfo()).request_id == "upstream's"
    assert str(error.details()).startswith("яяя")


@pytest.mark.parametrize("action", ["deny", "warn"])
async def test_denials_with_long_warnings_reach_their_client(
    start: Start, tmp_path: Path, schema: Schema, action: str
) -> None:
    rules = [{"assert": "false", "message": f"'{'m' * 900} {number}'"} for number in range(20)]
    text = policy_text(*rules, name="denies") + binding_text("b1", "denies", action=action)
    text += policy_text(*rules, name="warns") + binding_text("b2", "warns", action="warn")
    text += policy_text("false", name="last") + binding_text("b3", "last")
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "bundle.yaml").write_text(text)
    running = await start(policies__path=folder)
    error = await fail(running, good(schema))
    assert error.code() is grpc.StatusCode.PERMISSION_DENIED
    status = status_of(error)
    assert find(status, error_details_pb2.ErrorInfo()).reason == "POLICY_VIOLATION"
    assert find(status, error_details_pb2.RequestInfo()).request_id == "r" * 128
    warnings = [str(value) for key, value in error.trailing_metadata() or () if key == "x-policy-warning"]
    assert warnings[0].startswith("denies/r0: m" if action == "warn" else "warns/r0: m")
    assert (
        warnings[-1]
        == f"and {(40 if action == 'warn' else 20) - len(warnings) + 1} more, see the decision log"
    )
    async with running.client.post(running.url(IMAGES), json=GOOD_IMAGE) as answer:
        assert answer.status == 403
        headers = sum(len(name) + len(value) + 4 for name, value in answer.headers.items())
        assert headers < 4096 + 512
        assert answer.headers.getall("Warning")[-1].endswith('more, see the decision log"')


_TEXTS = st.builds(lambda char, count: char * count, st.sampled_from('aя%😀"\\\n'), st.integers(0, 9000))
_VIOLATIONS = st.builds(
    FieldViolation, field=_TEXTS, description=_TEXTS, reason=st.sampled_from(["R", "MORE"])
)


@examples(100, long=300)
@given(
    _TEXTS,
    st.lists(_VIOLATIONS, max_size=40),
    st.dictionaries(_TEXTS, _TEXTS, max_size=4),
    st.lists(_TEXTS, max_size=30),
)
def test_whatever_an_error_holds_it_fits(
    message: str, violations: list[FieldViolation], metadata: dict[str, str], warnings: list[str]
) -> None:
    error = GatewayError(
        Code.ABORTED, "REASON", message, violations=violations, metadata=metadata, warnings=warnings
    )
    shown, trailing = to_trailing_metadata(error, "r" * 128, {"x-request-id": "r" * 128})
    size = sum(
        len(key) + 32 + (-(-len(value) * 4 // 3) if isinstance(value, bytes) else len(value))
        for key, value in [
            *trailing,
            ("grpc-message", re.sub(r"[^ -~]|%", lambda one: "%00" * len(one[0].encode()), shown)),
        ]
    )
    assert size <= 7 * 1024
    status = status_pb2.Status.FromString(dict(trailing)["grpc-status-details-bin"])
    assert (status.code, status.message) == (Code.ABORTED, shown)
    info = find(status, error_details_pb2.ErrorInfo())
    assert info.reason == "REASON"
    assert find(status, error_details_pb2.RequestInfo()).request_id == "r" * 128
    assert sum(len(f"Warning: {one}\r\n") for one in to_warning_headers(tuple(warnings))) <= 3 * 1024
