"""advisories.yaml: what other gateways were broken by, tried against ours over the wire.

Requests that two readers of HTTP/1.1 could take apart differently, NUL and line
ends in its headers among them, are the matrix of tests/listeners/http/test_server.py.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import pytest

from gateway.emulator import InjectedFault
from gateway.errors import Code
from gateway.telemetry import configure_logs
from tests.conformance.peers.cases import Case, load_cases, read_table
from tests.conformance.peers.raw_clients import Connection, Http2, ask, fields_of, has_code, request_bytes
from tests.conftest import GOOD_IMAGE, IMAGES, Start
from tests.listeners.http.test_server import REFUSED
from tests.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from gateway.schema import Schema
    from tests.conftest import Running
    from tests.wire.conftest import Wire

SERVICE = "yandex.cloud.baremetal.v1alpha.ImageService"
CREATE = f"/{SERVICE}/Create".encode()
DENIED_IMAGE = GOOD_IMAGE | {"uri": "https://storage.yandexcloud.net/other/a.iso"}
BODIES = {"good": json.dumps(GOOD_IMAGE), "denied": json.dumps(DENIED_IMAGE), "": ""}
SECTIONS = [name for name in read_table("advisories") if name != "rpc paths"]


def reached(running: Running) -> list[str]:
    return [call.method.rpartition("/")[2] for call in running.emulator.calls]


@pytest.mark.parametrize("case", [one for section in SECTIONS for one in load_cases("advisories", section)])
async def test_over_rest(running: Running, case: Case) -> None:
    given: str = case.get("body", "")
    data = request_bytes(case["request"], case.get("headers", ()), BODIES.get(given, given).encode())
    status, body = await ask(running.addresses.rest, data)
    assert status == case["status"], body
    if "fields" in case:
        assert fields_of(body) == case["fields"]
    assert reached(running) == ([case["reached"]] if "reached" in case else [])
    metadata = [name for call in running.emulator.calls for name, _ in call.metadata]
    assert len(metadata) == len(set(metadata))
    assert not {name.lower() for name, _ in case.get("headers", ())} & set(metadata)


# --- the same over gRPC, with headers written by hand


def image(schema: Schema, uri: str) -> bytes:
    """Return a Create of an image."""
    fields = {name: value for name, value in GOOD_IMAGE.items() if name not in {"folderId", "uri"}}
    request = schema.methods[f"{SERVICE}/Create"].request
    return request(folder_id="b1gexample", uri=uri, **fields).SerializeToString()


def denied(schema: Schema) -> bytes:
    return image(schema, DENIED_IMAGE["uri"])


@pytest.mark.parametrize("case", load_cases("advisories", "rpc paths"))
async def test_rpc_path(running: Running, schema: Schema, case: Case) -> None:
    """The method that policy judges is the one found, so a path that is found otherwise is none."""
    connection = await Http2.open(running.addresses.grpc)
    answer = await connection.receive(connection.call(case["path"].encode(), denied(schema)))
    assert has_code(answer, Code.UNIMPLEMENTED)
    answer = await connection.receive(connection.call(CREATE, denied(schema)))
    assert has_code(answer, Code.PERMISSION_DENIED)
    await connection.close()
    assert not running.emulator.calls


RPC_HEADERS: list[tuple[str, list[tuple[bytes, bytes]], Code]] = [
    ("credentials twice", [(b"authorization", b"a"), (b"authorization", b"b")], Code.INVALID_ARGUMENT),
    ("key twice", [(b"idempotency-key", b"a"), (b"idempotency-key", b"a")], Code.INVALID_ARGUMENT),
    ("NUL in credentials", [(b"authorization", b"a\0b")], Code.INVALID_ARGUMENT),
    ("line end in credentials", [(b"authorization", b"a\r\nx-evil: b")], Code.INVALID_ARGUMENT),
    ("credentials beyond ASCII", [(b"authorization", b"\xff")], Code.INVALID_ARGUMENT),
    ("capitals", [(b"Authorization", b"a")], Code.INTERNAL),
    ("space in a name", [(b"x evil", b"a")], Code.INTERNAL),
    ("NUL in a name", [(b"authorization\0", b"a")], Code.INTERNAL),
    ("second path", [(b":path", b"/x.Y/Z")], Code.UNIMPLEMENTED),
    ("trusted path", [(b"x-envoy-original-path", b"/x.Y/Z")], Code.PERMISSION_DENIED),
    ("another path", [(b"x-original-path", b"/x.Y/Z")], Code.PERMISSION_DENIED),
    ("method override", [(b"x-http-method-override", b"GET")], Code.PERMISSION_DENIED),
]


@pytest.mark.parametrize(
    ("headers", "code"), [one[1:] for one in RPC_HEADERS], ids=[one[0] for one in RPC_HEADERS]
)
async def test_rpc_headers(
    running: Running, schema: Schema, headers: list[tuple[bytes, bytes]], code: Code
) -> None:
    connection = await Http2.open(running.addresses.grpc)
    answer = await connection.receive(connection.call(CREATE, denied(schema), headers))
    await connection.close()
    assert has_code(answer, code), answer
    assert not running.emulator.calls


BAD_BASE64 = [b"%%%", b"A", b"AA=A", b"\xff", b"AAAA, %%"]


@pytest.mark.parametrize("value", BAD_BASE64, ids=repr)
async def test_bad_base64_spares_the_rpc_connection(running: Running, schema: Schema, value: bytes) -> None:
    """CVE-2023-32732: one bad header of one call ended the calls of all who share a proxy's connection."""
    connection = await Http2.open(running.addresses.grpc)
    path, request = f"/{SERVICE}/List".encode(), schema.methods[f"{SERVICE}/List"].request
    message = request(folder_id="b1gexample").SerializeToString()
    before = connection.call(path, message)
    bad = connection.call(path, message, [(b"x-data-bin", value), (b"grpc-trace-bin", value)])
    after = connection.call(path, message)
    assert has_code(await connection.receive(before), Code.OK)
    assert not has_code(await connection.receive(bad), Code.OK)
    assert has_code(await connection.receive(after), Code.OK)
    await connection.close()


@pytest.mark.parametrize("value", ["%%%", "A", "AA=A"])
async def test_bad_base64_spares_the_rest_connection(wire: Wire, value: str) -> None:
    wired = await wire(api__pass_metadata="[x-data-bin]")
    connection = await Connection.open(wired.addresses.rest)
    statuses = [
        await connection.send(request_bytes("GET /wire/things/a", [("X-Data-Bin", text)]))
        for text in ("AAE=", value, "AAE=")
    ]
    assert [status for status, _ in statuses] == [200, 400, 200]
    assert fields_of(statuses[1][1]) == ["header x-data-bin"]
    assert len(wired.upstream.calls) == 2
    await connection.close()


def test_smuggling_is_in_the_matrix() -> None:
    """CL.TE, TE.CL, two lengths, two hosts, bare line feeds and carriage returns, folding, NUL."""
    assert REFUSED.keys() >= {
        "length and chunks",
        "chunks and length",
        "two lengths",
        "a list of lengths",
        "chunked twice",
        "two hosts",
        "line feed in a header",
        "carriage return in a header",
        "folded header",
        "nul in a header",
        "space before the colon",
    }


# --- texts of a caller or an upstream that reach a log

FORGED = 'x\r\n{"level": "ERROR", "message": "forged"}\n\x1b[31mforged\x85forged\u2028forged'
ENCODED = "x%0d%0a%7B%22level%22%3A%20%22ERROR%22%2C%20%22message%22%3A%20%22forged%22%7D%0aforged"


@pytest.fixture
def read_log(tmp_path: Path) -> Iterator[Callable[[], str]]:
    """Closes the gateway's own log, and gives what was written."""
    root, path = logging.getLogger(), tmp_path / "log"
    handlers, level = root.handlers[:], root.level
    for handler in handlers:
        root.removeHandler(handler)
    with path.open("wb") as file:
        log = configure_logs("DEBUG", file.fileno())

        def read() -> str:
            log.close()
            return path.read_text(encoding="ascii")

        yield read
        log.close()
    root.handlers[:] = handlers
    root.setLevel(level)


async def test_nothing_forges_a_log_line(start: Start, schema: Schema, read_log: Callable[[], str]) -> None:
    running = await start()  # of its own: failures of an upstream are reported at intervals
    address = running.addresses.rest
    rule_of_labels = GOOD_IMAGE | {"labels": {FORGED: FORGED}, "name": FORGED}
    for request, headers, body in [
        (f"GET /{ENCODED}", [], b""),
        (f"GET {IMAGES}/{ENCODED}", [], b""),
        (f"GET {IMAGES}?{ENCODED}={ENCODED}", [], b""),
        (f"GET {IMAGES}", [("X-Request-ID", ENCODED), ("User-Agent", ENCODED)], b""),
        (f"GET {IMAGES}", [("X-Request-ID", 'a", "message": "forged'), ("traceparent", ENCODED)], b""),
        (f"POST {IMAGES}", [], json.dumps({FORGED: FORGED}).encode()),
        (f"POST {IMAGES}", [], json.dumps(rule_of_labels).encode()),
        (f"POST {IMAGES}", [], json.dumps(DENIED_IMAGE | {"uri": FORGED}).encode()),
    ]:
        await ask(address, request_bytes(request, headers, body))
    running.emulator.inject(InjectedFault(method=f"{SERVICE}/Create", code=Code.INTERNAL, message=FORGED))
    await ask(address, request_bytes(f"POST {IMAGES}", [], BODIES["good"].encode()))
    connection = await Http2.open(running.addresses.grpc)
    metadata = [(b"x-request-id", b"x\nforged"), (b"user-agent", b"x\nforged")]
    await connection.receive(connection.call(CREATE, denied(schema), metadata))
    await connection.receive(connection.call(b"/x\nforged", b""))
    await connection.close()
    await wait_for(lambda: "_OTHER" in running.metrics.expose().decode())  # the last call is logged
    records = [json.loads(line) for line in read_log().splitlines()]
    responded = [record for record in records if record["message"] == "responded"]
    assert len(responded) == 11
    assert {record["level"] for record in records} <= {"DEBUG", "INFO", "WARNING"}
    assert not [record for record in records if record["message"].startswith("forged")]
    # An upstream that fails and an unknown method are quoted, on one line.
    (failed,) = [record for record in records if record["message"] == "upstream failed"]
    assert failed.pop("peer_message").isprintable()
    (unknown,) = [record for record in records if record["message"] == "unknown method"]
    assert unknown.pop("path") == '"/x\\nforged"'
    # The errors of refused calls quote values of requests, on one line too.
    assert all(record.pop("error", "").isprintable() for record in responded)
    assert "forged" not in json.dumps(records)
