"""Gateways that observe, calls over both protocols, and what the responses show."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc.aio
import pytest

from gateway.errors import Code
from gateway.schema import Schema
from tests.conftest import IMAGES, Running
from tests.served_bundle import write
from tests.served_ledger import events, options, rows
from tests.waiting import GENEROUS_S, wait_for

SERVICE = "yandex.cloud.baremetal.v1alpha.ImageService"
CREATE, LIST = f"{SERVICE}/Create", f"{SERVICE}/List"
HEADER = "x-policy-observed"
JSON = {"Content-Type": "application/json"}
TOKEN = "token-" + "a" * 40
TOKENS = f"tokens: [{{name: ci, sha256: {hashlib.sha256(TOKEN.encode()).hexdigest()}}}]"

BUNDLE = f"""
apiVersion: baremetal-gateway/v1
kind: Policy
metadata: {{name: denied}}
spec:
  methods: [{CREATE}]
  rules: [{{name: name, field: name, assert: 'request.name != "denied"', message: '"not this name"'}}]
---
apiVersion: baremetal-gateway/v1
kind: Policy
metadata: {{name: warned}}
spec:
  methods: [{CREATE}]
  rules: [{{name: name, assert: 'request.name != "warned"', message: '"better another name"'}}]
---
apiVersion: baremetal-gateway/v1
kind: Policy
metadata: {{name: mutated}}
spec:
  methods: [{CREATE}]
  set: [{{field: description, value: '"set"', when: 'request.name.startsWith("mutated")'}}]
---
apiVersion: baremetal-gateway/v1
kind: Binding
metadata: {{name: denied}}
spec: {{policy: denied, action: deny}}
---
apiVersion: baremetal-gateway/v1
kind: Binding
metadata: {{name: warned}}
spec: {{policy: warned, action: warn}}
---
apiVersion: baremetal-gateway/v1
kind: Binding
metadata: {{name: mutated}}
spec: {{policy: mutated, action: deny}}
"""


class Response:
    """The response to a call over one of the protocols, and what it shows."""

    def __init__(self, code: Code, headers: list[tuple[str, Any]], warnings: int = 0) -> None:
        self.code = code
        self.observed = [value for name, value in headers if name.lower() == HEADER]
        self.warnings = warnings


async def by_rest(running: Running, schema: Schema, image: Any, headers: dict[str, str]) -> Response:
    """Create an image. The status of the HTTP response is shown as the code in its body."""
    del schema
    async with running.client.post(running.url(IMAGES), json=image, headers=headers) as response:
        body = await response.json()
        warnings = len(response.headers.getall("Warning", []))
        return Response(Code(body.get("code", 0)), list(response.headers.items()), warnings)


async def by_grpc(running: Running, schema: Schema, image: Any, headers: dict[str, str]) -> Response:
    return await send_bytes(running, to_request(schema, image), headers)


async def send_bytes(running: Running, data: bytes, headers: dict[str, str] | None = None) -> Response:
    async with grpc.aio.insecure_channel(str(running.addresses.grpc)) as channel:
        stub: Any = channel.unary_unary(f"/{CREATE}")
        call = stub(data, metadata=list((headers or {}).items()), timeout=GENEROUS_S)
        code = Code((await call.code()).value[0])
        trailing = list(await call.trailing_metadata())
        assert HEADER not in dict(await call.initial_metadata())
        return Response(code, trailing, sum(name == "x-policy-warning" for name, _ in trailing))


def to_request(schema: Schema, image: dict[str, Any]) -> bytes:
    fields = {"folder_id" if name == "folderId" else name: value for name, value in image.items()}
    data: bytes = schema.methods[CREATE].request(**fields).SerializeToString()
    return data


Send = Callable[[Running, Schema, Any, dict[str, str]], Any]
PROTOCOLS: dict[str, Send] = {"REST": by_rest, "gRPC": by_grpc}
both = pytest.mark.parametrize("send", PROTOCOLS.values(), ids=PROTOCOLS)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write(tmp_path / "bundle", BUNDLE)


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def given(bundle: Path, ledger: Path, tmp_path: Path) -> dict[str, Any]:
    """The options of a gateway that observes, with a ledger, a decision log and callers with tokens."""
    (tmp_path / "tokens.yaml").write_text(TOKENS)
    log = {"decision_log__type": "file", "decision_log__path": tmp_path / "log.jsonl"}
    return options(ledger, mode="observe", policies__path=bundle) | log


@pytest.fixture
def with_tokens(given: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
    return given | {"callers__type": "tokens", "callers__tokens__file": tmp_path / "tokens.yaml"}


def without_log(given: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if not name.startswith("decision_log")}


def created(running: Running) -> list[bytes]:
    """Return the requests of the creates that have arrived at the upstream."""
    return [one.request for one in running.emulator.calls if one.method == CREATE]


async def record_of(ledger: Path) -> tuple[dict[str, Any], tuple[Any, ...]]:
    """Return the first event of the only call in the ledger, and its row when its outcome is known."""
    sql = "SELECT decision, outcome, code FROM ledger_calls WHERE outcome <> 'pending'"
    await wait_for(lambda: rows(ledger, sql))
    (first,) = events(ledger, "decision", "call")
    (row,) = rows(ledger, sql)
    return first, row
