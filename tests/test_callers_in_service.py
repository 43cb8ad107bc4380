"""Attacks on the identification of callers, against a gateway as a whole and over both protocols."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.callers.making import make_claims, make_key, sign
from tests.conftest import GOOD_IMAGE, IMAGES, Start
from tests.identified import (
    HEADER,
    IMAGE_SERVICE,
    LIST,
    bearer,
    call,
    get,
    identifying,
    token_of,
    write_tokens,
)
from tests.listeners import http2
from tests.redis_server import PASSWORD, RedisServer
from tests.served_ledger import events, options
from tests.waiting import wait_for
from tests.waits import begin, hub_of, quick_polls

__all__ = ["quick_polls"]  # a fixture
ANN, BOB = bearer(token_of("ann")), bearer(token_of("bob"))
DISCOVERY = "yandex.cloud.endpoint.ApiEndpointService/List"
CHALLENGE = 'Bearer realm="baremetal-gateway"'
OWN = '{type: static, token: "t1.own-token-canary"}'
SIGNED = "https://storage.yandexcloud.net/golden-images/a.iso?X-Amz-Signature=signature-canary"
POLICY = """
apiVersion: baremetal-gateway/v1
kind: Policy
metadata: {name: only-ann}
spec:
  methods: [yandex.cloud.operation.OperationService/Get]
  rules: [{name: ann, assert: 'caller.id == "ann"', message: '"only ann"'}]
---
apiVersion: baremetal-gateway/v1
kind: Binding
metadata: {name: only-ann}
spec: {policy: only-ann, action: deny}
"""


def fields(headers: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(headers.items())


# --- without a credential


async def test_an_anonymous_call_of_an_unknown_method_is_unauthenticated(
    start: Start, tmp_path: Path
) -> None:
    """Not 404 or UNIMPLEMENTED: strangers do not learn what is served."""
    running = await start(**identifying(tmp_path, "jwt", "tokens"))
    for path in ("/nope", "/%zz", f"{IMAGES}/a/b/c", ""):
        response = await get(running, path=path)
        assert (response.code, response.headers["www-authenticate"]) == (16, CHALLENGE)
    for method in ("a.B/C", f"{IMAGE_SERVICE}/Nope", LIST):
        response = await call(running, method=method)
        assert (response.code, response.headers["www-authenticate"]) == (16, CHALLENGE)
    assert (await get(running, ANN, "/nope")).code == 5
    assert (await call(running, fields(ANN), "a.B/C")).code == 12
    assert not running.emulator.calls


async def test_without_a_credential_only_open_methods_can_be_called(start: Start, tmp_path: Path) -> None:
    running = await start(
        grpc__reflection="true", discovery__address="gateway:443", **identifying(tmp_path, "tokens")
    )
    allowed = {"grpc.health.v1.Health/Check", "grpc.health.v1.Health/List", DISCOVERY}
    methods = [one.lstrip("/") for one in running.gateway._active.snapshot.methods]  # noqa: SLF001 - all
    for method in {*methods, *allowed}:
        code = (await call(running, method=method, data=b"")).code
        is_open = method.startswith(("yandex.cloud.endpoint.", "grpc."))
        assert (code != 16) == is_open, method
        if is_open and not method.endswith("/Get"):
            assert (await call(running, method=method, data=b"")).code == 0
    assert (await call(running, fields(bearer("wrong")), DISCOVERY, b"")).code == 16


async def test_calls_of_strangers_do_not_fill_the_records(start: Start, tmp_path: Path) -> None:
    log, ledger = tmp_path / "log.jsonl", tmp_path / "ledger.db"
    running = await start(
        decision_log__type="file",
        decision_log__path=log,
        **options(ledger),
        **identifying(tmp_path, "tokens", failed_attempts="1000/second"),
    )
    for number in range(50):
        assert (await get(running, bearer("wrong") if number % 2 else {})).code == 16
        assert (await call(running)).code == 16
    assert (await get(running, ANN)).code == 0
    await wait_for(lambda: [one["caller"]["id"] for one in events(ledger)].count("ann") == 1)
    assert len(events(ledger)) == 61
    await wait_for(lambda: log.read_text().count("\n") == 60)


async def test_refused_calls_of_a_caller_do_not_fill_the_records(start: Start, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.db"
    running = await start(
        limits__per_caller__rate="1/hour", **options(ledger), **identifying(tmp_path, "tokens")
    )
    codes = [(await get(running, ANN)).code for _ in range(70)]
    assert codes == [0, *[8] * 69]
    assert [(await get(running, BOB)).code for _ in range(2)] == [0, 8]
    await wait_for(lambda: [one["caller"]["id"] for one in events(ledger)].count("bob") == 2)
    assert [one["caller"]["id"] for one in events(ledger)].count("ann") == 61


# --- as someone else


@pytest.mark.parametrize("name", [HEADER, "X-Gateway_Authorization", "x_gateway_authorization"])
async def test_a_second_copy_or_a_variant_of_the_header_is_refused(
    start: Start, tmp_path: Path, name: str
) -> None:
    running = await start(**identifying(tmp_path, "jwt", "tokens"))
    value = f"Bearer {token_of('bob')}"
    response = await running.client.get(running.url(IMAGES), headers=[*ANN.items(), (name, value)])
    assert response.status == 400
    assert (await call(running, [*ANN.items(), (name.lower(), value)])).code == 3
    assert not running.emulator.calls


async def test_a_trailer_identifies_nobody(start: Start, tmp_path: Path) -> None:
    running = await start(**identifying(tmp_path, "tokens"))
    reader, writer = await asyncio.open_connection(running.addresses.rest.host, running.addresses.rest.port)
    head = f"GET {IMAGES} HTTP/1.1\r\nHost: gateway\r\n"
    trailer = f"{HEADER}: Bearer {token_of('ann')}\r\n\r\n"
    writer.write(f"{head}Transfer-Encoding: chunked\r\n\r\n0\r\n{trailer}{head}\r\n".encode())
    received = await reader.read()
    writer.close()
    assert received.count(b"HTTP/1.1 ") == received.count(b"HTTP/1.1 401 ") == 1


async def test_bytes_that_are_no_text_identify_nobody(start: Start, tmp_path: Path) -> None:
    running = await start(**identifying(tmp_path, "jwt", "tokens"))
    for value in (b"\xff", b"Bearer \xff\xfe", b"Bearer a\x00b", b"Bearer", b"Basic YTpi"):
        peer = await http2.Peer.open(running.addresses.grpc)
        peer.writer.write(http2.head(1, further=((HEADER.encode(), value),)) + http2.message(1, b""))
        await peer.wait(lambda peer=peer: peer.ends(1))
        assert peer.statuses() == ["16"], value
        await peer.close()


async def test_a_forged_address_is_in_no_record(start: Start, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    running = await start(
        decision_log__type="file", decision_log__path=log, **identifying(tmp_path, "tokens")
    )
    forged = {"x-forwarded-for": "203.0.113.7", "forwarded": "for=203.0.113.8"}
    assert (await get(running, forged)).code == 16
    assert (await call(running, fields(forged))).code == 16
    await wait_for(lambda: log.exists() and log.read_text().count("\n") == 2)
    records = [json.loads(line) for line in log.read_text().splitlines()]
    assert {one["caller"]["address"] for one in records} == {"127.0.0.1"}


async def test_a_caller_gets_no_reply_of_another_by_its_idempotency_key(start: Start, tmp_path: Path) -> None:
    """The upstream sees one caller, the gateway. So only the gateway can tell them apart."""
    running = await start(
        credentials=OWN,
        **options(tmp_path / "ledger.db"),
        **identifying(tmp_path, "tokens", header=HEADER),
    )

    async def create(headers: dict[str, str]) -> tuple[int, Any]:
        url, key = running.url(IMAGES), {"idempotency-key": "the-same"}
        async with running.client.post(url, json=GOOD_IMAGE, headers=headers | key) as response:
            return response.status, await response.json()

    of_ann = await create(ANN)
    assert of_ann[0] == 200
    assert await create(ANN) == of_ann
    status, body = await create(BOB)
    assert (status, "id" in body) == (409, False)
    keys = {dict(one.metadata)["idempotency-key"] for one in running.emulator.calls}
    assert len(keys) == 2


@pytest.mark.usefixtures("quick_polls")
async def test_a_caller_sees_no_operation_of_another_by_a_wait(start: Start, tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(POLICY)
    running = await start(
        delay_s=60,
        credentials=OWN,
        policies__path=tmp_path / "policy.yaml",
        **identifying(tmp_path, "tokens", header=HEADER, open_methods=[f"{IMAGE_SERVICE}/Create"]),
    )
    path = await begin(running)
    wait = asyncio.create_task(get(running, ANN, f"{path}:wait"))
    await wait_for(lambda: hub_of(running).waiters == 1)
    for suffix, accept in (("", "*/*"), ("", "text/event-stream"), (":wait", "*/*")):
        assert (await get(running, BOB | {"accept": accept}, path + suffix)).code == 7
        assert (await get(running, {"accept": accept}, path + suffix)).code == 16
    assert hub_of(running).waiters == 1
    wait.cancel()


async def test_credentials_reach_only_the_upstreams_that_they_are_for(start: Start, tmp_path: Path) -> None:
    """One upstream gets the gateway's own credentials, the other one those of the caller."""
    first = await start()
    running = await start(
        upstreams__baremetal__address=first.emulator.address,
        upstreams__baremetal__credentials=OWN,
        **identifying(tmp_path, "tokens"),
    )
    headers = ANN | {"authorization": "Bearer t1.of-ann"}
    assert (await get(running, headers)).code == 0
    assert (await get(running, headers, "/operations/fv4aaaaaaaaaaaaaaaaa")).code == 5
    (sent_first,), (sent_second,) = first.emulator.calls, running.emulator.calls
    assert dict(sent_first.metadata)["authorization"] == "Bearer t1.own-token-canary"
    assert dict(sent_second.metadata)["authorization"] == "Bearer t1.of-ann"
    for sent in (sent_first, sent_second):
        assert HEADER not in dict(sent.metadata)
        assert token_of("ann") not in str(sent.metadata)


# --- what changes under load


async def test_a_file_of_tokens_that_becomes_garbage_under_load_changes_nothing(
    start: Start, tmp_path: Path, logs: pytest.LogCaptureFixture
) -> None:
    running = await start(**identifying(tmp_path, "tokens"))
    file, is_over, codes = tmp_path / "tokens.yaml", False, set()

    async def list_images() -> None:
        while not is_over:
            codes.add((await get(running, ANN)).code)
            codes.add((await call(running, fields(ANN))).code)

    callers = [asyncio.create_task(list_images()) for _ in range(4)]
    for garbage in (
        "line-canary",
        "tokens: [item-canary]",
        "tokens: []\nkey-canary-of-a-token: {a: b}",
        "\x00\xff",
        "",
        "tokens: [",
    ):
        file.write_text(garbage)
        running.gateway._callers.look()  # noqa: SLF001 - a test does not wait for the interval
        await asyncio.sleep(0.02)
        async with running.client.get(
            running.admin("/readyz?verbose"), headers={"Accept": "application/json"}
        ) as response:
            page = await response.text()
            assert '"callers.tokens", "status": "degraded"' in page
        assert "canary" not in page + logs.text
    write_tokens(file, ["bob"])
    is_over = True
    await asyncio.gather(*callers)
    running.gateway._callers.look()  # noqa: SLF001 - as said
    assert codes == {0}
    assert (await get(running, ANN)).code == 16
    assert (await get(running, BOB)).code == 0


# --- secrets


async def test_canaries_are_in_no_sink(
    start: Start, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="gateway")
    store, folder = RedisServer(), tmp_path / "records"
    folder.mkdir()
    running = await start(
        is_traced=True,
        credentials=OWN,
        limits__rate="1000/second",
        limits__store=store.url,
        decision_log__type="file",
        decision_log__path=folder / "log.jsonl",
        **options(folder / "ledger.db"),
        **identifying(tmp_path, "jwt", "tokens", header=HEADER),
    )
    good = sign(make_claims(sub="carl", nonce="a"))
    forged = sign(make_claims(sub="carl"), key=make_key("ES256", 7))
    bodies = []
    for token in (token_of("ann"), good, forged, "wrong-token-canary"):
        headers = bearer(token) | {"authorization": "Bearer t1.cloud-token-canary"}
        bodies.append((await get(running, headers)).text)
        bodies.append(
            (await get(running, headers | {"accept": "*/*"}, f"{IMAGES}?access_token={token}")).text
        )
        bodies.append((await call(running, fields(headers))).text)
        image = GOOD_IMAGE | {"uri": SIGNED, "description": f"password={token}"}
        async with running.client.post(running.url(IMAGES), json=image, headers=headers) as response:
            bodies.append(await response.text())
    store.kill()
    await get(running, ANN)
    pages = []
    for page in ("/readyz?verbose", "/metrics", "/openapi.json", "/livez"):
        async with running.client.get(running.admin(page)) as response:
            pages.append(await response.text())
    await wait_for(lambda: len(events(folder / "ledger.db")) > 8)
    parts = vars(running.gateway)
    sinks: dict[str, Callable[[], str]] = {
        "logs": lambda: caplog.text + str([vars(one) for one in caplog.records]),
        "spans": lambda: str([one.to_json() for one in running.exporter.get_finished_spans()]),
        "pages": lambda: str(pages),
        "responses": lambda: str(bodies),
        "repr": lambda: repr(parts) + repr(vars(parts["_callers"])) + repr(vars(parts["_admission"])),
        "files": lambda: str([one.read_bytes() for one in folder.iterdir()]),
    }
    secrets = [token_of("ann"), "wrong-token-canary", "t1.cloud-token-canary", "t1.own-token-canary"]
    secrets += [PASSWORD, "signature-canary", good.split(".")[2], forged.split(".")[2], good.split(".")[1]]
    found = [(name, secret) for name, read in sinks.items() for secret in secrets if secret in read()]
    store.stop()
    assert found == []
