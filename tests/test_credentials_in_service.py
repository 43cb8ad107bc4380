"""The gateway's own credentials, from the configuration to the upstream, the ledger and the operations."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import grpc.aio
import pytest

from gateway.emulator import InjectedFault
from gateway.emulator.token_issuer import CREATE_TOKEN
from gateway.errors import Code
from tests.chaos.gateways import GatewayProcess
from tests.conftest import GOOD_IMAGE, IMAGES, start_gateway
from tests.service_accounts import key_text, register, write_key
from tests.settling import CREATE, LIST, Audited, events_of, list_calls, shorten_intervals, wait_until
from tests.token_cloud import Cloud, condition, create, list_images, reason_of
from tests.waiting import wait_for

CANARY = "canary-canary"
CALLER = {"Authorization": f"Bearer {CANARY}"}
KEY = "2f6b4c1e-0000-4000-8000-000000000001"


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[Cloud]:
    async with AsyncExitStack() as stack:
        made = Cloud(tmp_path, stack)
        await made.open()
        yield made


KINDS = ("static", "file", "metadata", "service_account_key", "workload_identity")


@pytest.mark.parametrize("kind", KINDS)
async def test_each_type_lets_calls_of_any_caller_through(cloud: Cloud, kind: str) -> None:
    running = await cloud.start(kind)
    assert await condition(running) == (200, "ok", "")
    for headers in ({}, CALLER):
        assert (await list_images(running, **headers))[0] == 200
    sent = cloud.authorizations()
    assert len(sent) == 2
    assert all(cloud.emulator.tokens.is_valid(str(one).removeprefix("Bearer ")) for one in sent)
    channel = grpc.aio.insecure_channel(str(running.addresses.grpc))
    call: Any = channel.unary_unary(f"/{LIST}")
    await call(b"\x0a\x03b1g", metadata=(("authorization", f"Bearer {CANARY}"),))
    await channel.close()
    assert CANARY not in str(cloud.authorizations())


async def test_without_credentials_of_its_own_the_gateway_passes_the_callers_through(cloud: Cloud) -> None:
    running = await start_gateway(cloud.stack)
    running.emulator.requires_token = True
    running.emulator.tokens.accept("mine")
    assert (await list_images(running, Authorization="Bearer mine"))[0] == 200
    status, body = await list_images(running, **CALLER)
    assert (status, body["message"]) == (401, "the token is invalid")


async def test_each_upstream_may_differ(cloud: Cloud) -> None:
    running = await cloud.start("static", upstreams__operation__credentials__type="passthrough")
    assert (await list_images(running))[0] == 200
    async with running.client.get(running.url("/operations/abc"), headers=CALLER) as response:
        assert response.status == 401
    assert cloud.authorizations("yandex.cloud.operation.OperationService/Get") == [f"Bearer {CANARY}"]


# IAM is away


async def test_a_start_without_iam_is_degraded_and_recovers(cloud: Cloud) -> None:
    cloud.server.fail_with = 503
    running = await cloud.start()
    status, state, reason = await condition(running)
    assert (status, state) == (200, "degraded")
    assert "no valid token: " in reason
    assert "HTTP 503: server_error" in reason
    status, body = await list_images(running)
    assert (status, reason_of(body)) == (503, "CREDENTIALS_UNAVAILABLE")
    assert cloud.authorizations() == []
    cloud.server.fail_with = None
    async with asyncio.timeout(20):
        while (await list_images(running))[0] != 200:
            await asyncio.sleep(0.05)
    assert await condition(running) == (200, "ok", "")


async def test_when_iam_goes_the_token_lives_on_and_then_calls_fail(cloud: Cloud) -> None:
    cloud.emulator.tokens.life_s = 1.5
    running = await cloud.start()
    cloud.server.fail_with = 503
    assert (await list_images(running))[0] == 200
    await wait_for(lambda: cloud.server.requests > 1)
    assert (await list_images(running))[0] == 200  # the refresh has failed
    assert (await condition(running))[1] == "degraded"
    async with asyncio.timeout(20):
        while (await list_images(running))[0] == 200:
            await asyncio.sleep(0.05)
    status, body = await list_images(running)
    assert (status, reason_of(body)) == (503, "CREDENTIALS_UNAVAILABLE")
    assert "no valid token" in (await condition(running))[2]
    cloud.emulator.tokens.life_s = 600
    cloud.server.fail_with = None
    async with asyncio.timeout(20):
        while (await list_images(running))[0] != 200:
            await asyncio.sleep(0.05)


async def test_a_hundred_calls_at_once_cause_one_fetch(cloud: Cloud) -> None:
    cloud.server.delay_s = 0.3
    running = await cloud.start()
    answers = await asyncio.gather(*(list_images(running) for _ in range(100)))
    assert {status for status, _ in answers} == {200}
    assert cloud.server.requests == 1


# The upstream does not accept the token


async def test_a_revoked_token_is_renewed_without_an_error_of_the_caller(cloud: Cloud) -> None:
    running = await cloud.start()
    assert (await list_images(running))[0] == 200
    cloud.emulator.tokens.revoke_all()
    answers = await asyncio.gather(*(list_images(running) for _ in range(20)))
    assert {status for status, _ in answers} == {200}
    assert cloud.server.requests == 2
    assert await condition(running) == (200, "ok", "")


async def test_a_refused_token_is_no_unauthenticated_caller(
    cloud: Cloud, logs: pytest.LogCaptureFixture
) -> None:
    running = await cloud.start("static")
    cloud.emulator.tokens.revoke_all()
    for status, body in [await list_images(running), await create(running)]:
        assert (status, reason_of(body)) == (503, "CREDENTIALS_REFUSED")
        assert "token is invalid" not in str(body)
    assert len(cloud.authorizations()) == 1  # there is no other token
    state = await condition(running)
    assert state == (200, "degraded", "the upstream baremetal does not accept the token")
    (line,) = [one for one in logs.records if one.message == "upstream failed"]
    assert (line.__dict__["reason"], line.__dict__["peer_message"]) == (
        "CREDENTIALS_REFUSED",
        "the token is invalid",
    )
    cloud.emulator.tokens.accept("given-canary")
    assert (await list_images(running))[0] == 200
    assert await condition(running) == (200, "ok", "")


async def test_missing_rights_of_the_gateway_are_passed_on(cloud: Cloud) -> None:
    running = await cloud.start()
    cloud.emulator.inject(InjectedFault(method=LIST, code=Code.PERMISSION_DENIED, message="no role"))
    status, body = await list_images(running)
    assert (status, body["message"]) == (403, "no role")


# Files


async def test_a_broken_key_file_keeps_the_last_good_key(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gateway.watching import files  # noqa: PLC0415 - the default that is replaced

    monkeypatch.setattr(files.FileWatch.run, "__defaults__", (0.02,))
    running = await cloud.start("service_account_key")
    issued = cloud.emulator.tokens.issued
    (cloud.folder / "key.json").write_text("{")

    async def file_state() -> str:
        return (await condition(running, "credentials.shared.file"))[1]

    async with asyncio.timeout(20):
        while await file_state() != "degraded":
            await asyncio.sleep(0.02)
    assert (await list_images(running))[0] == 200
    assert len(issued) == 1
    register(cloud.emulator, "second")
    write_key(cloud.folder / "key.json", "second")
    await wait_for(lambda: len(issued) == 2)
    assert (await condition(running, "credentials.shared.file"))[1] == "ok"
    assert (await list_images(running))[0] == 200


# Idempotency keys


@pytest.mark.parametrize("has_ledger", [True, False])
async def test_callers_with_the_same_key_do_not_meet_at_the_upstream(
    cloud: Cloud, *, has_ledger: bool
) -> None:
    ledger: dict[str, Any] = {
        "ledger__enabled": has_ledger,
        "ledger__url": f"sqlite:///{cloud.folder / 'ledger.db'}",
    }
    running = await cloud.start(**ledger)
    headers = [{"Authorization": f"Bearer {name}", "Idempotency-Key": KEY} for name in ("a", "b")]
    answers = [await create(running, f"image-{n}", **given) for n, given in enumerate(headers)]
    assert {status for status, _ in answers} == {200}
    assert len(cloud.emulator.images()) == 2
    keys = cloud.keys()
    assert len(set(keys)) == 2
    assert KEY not in keys
    assert {UUID(key).version for key in keys} == {5}
    assert (await create(running, "image-0", **headers[0]))[1]["id"] == answers[0][1]["id"]
    assert set(cloud.keys()) == set(keys)
    assert (await create(running, "image-3"))[0] == 200
    assert UUID(cloud.keys()[-1]).version == 4


async def test_replicas_derive_the_same_key(cloud: Cloud) -> None:
    replicas = [await cloud.start(), await cloud.start("static")]
    answers = [await create(one, **{"Idempotency-Key": KEY}, **CALLER) for one in replicas]
    assert len(set(cloud.keys())) == 1
    assert answers[0][1]["id"] == answers[1][1]["id"]


# The ledger and the operations


async def test_a_create_of_a_caller_is_settled_after_a_crash_and_followed(cloud: Cloud) -> None:
    cloud.last(60.0)
    url = f"sqlite:///{cloud.folder / 'ledger.db'}"
    section = {
        f"GATEWAY__{key.upper()}": str(value) for key, value in cloud.section("service_account_key").items()
    }
    gateway = GatewayProcess(cloud.folder, url, cloud.emulator.address, section)
    await gateway.start()
    cloud.stack.push_async_callback(gateway.kill)
    await gateway.wait_until_ready()
    cloud.emulator.inject(InjectedFault(method=CREATE, drop=True, after_effect=True))
    headers = CALLER | {"Idempotency-Key": KEY}
    async with aiohttp.ClientSession() as client:
        creating = asyncio.create_task(client.post(gateway.rest + IMAGES, json=GOOD_IMAGE, headers=headers))
        await wait_for(lambda: len(cloud.emulator.images()) == 1)
        await gateway.kill()
        await asyncio.gather(creating, return_exceptions=True)
        await gateway.start()
        await gateway.wait_until_ready()
        await wait_until(lambda: list_calls(url), lambda calls: calls[0]["operation_id"] is not None)
        cloud.ahead_s = 60.0
        (call,) = await wait_until(lambda: list_calls(url), lambda calls: calls[0]["operation_done"] is True)
    (image,) = cloud.emulator.images()
    assert (call["outcome"], call["operation_code"], call["resource_id"]) == ("ok", "OK", image.id)
    story = await events_of(url, call["call_id"])
    assert [(one["kind"], one.get("by")) for one in story] == [
        ("decision", None),
        ("settlement", "resend"),
        ("operation", None),
    ]
    assert len(cloud.keys()) == 2
    assert len(set(cloud.keys())) == 1
    assert all(str(one).startswith("Bearer t1.") for one in cloud.authorizations(CREATE))
    await gateway.stop()
    (cloud.folder / "seen").write_text(str(story))
    assert find_canaries(cloud, [CANARY, "Bearer t1.", key_text().splitlines()[4]]) == []


async def test_an_operation_is_followed_while_the_token_is_refused_for_a_time(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorten_intervals(monkeypatch)
    cloud.last(0.5)
    url = f"sqlite:///{cloud.folder / 'ledger.db'}"
    running = await cloud.start("static", ledger__enabled="true", ledger__url=url)
    audited = Audited(running, url)
    assert (await create(running, **CALLER))[0] == 200
    cloud.emulator.tokens.revoke_all()
    await asyncio.sleep(0.7)
    cloud.emulator.tokens.accept("given-canary")
    (call,) = await audited.wait_for_end()
    assert (call["outcome"], call["operation_code"]) == ("ok", "OK")


async def test_callers_wait_for_operations_with_one_read(cloud: Cloud) -> None:
    cloud.last(0.3)
    running = await cloud.start()
    _, operation = await create(running, **CALLER)

    async def wait(token: str) -> bool:
        url = running.url(f"/operations/{operation['id']}:wait?timeout=10s")
        async with running.client.get(url, headers={"Authorization": token}) as response:
            return bool((await response.json())["done"])

    assert all(await asyncio.gather(*(wait(f"Bearer {name}") for name in "abc")))
    assert len(cloud.authorizations("yandex.cloud.operation.OperationService/Get")) <= 3


# Secrets


def find_canaries(cloud: Cloud, canaries: list[str]) -> list[tuple[str, str]]:
    """Return the files, other than those of the credentials, that contain one of some texts."""
    given = {"key.json", "token"}
    files = [path for path in cloud.folder.iterdir() if path.is_file() and path.name not in given]
    return [
        (path.name, canary) for path in files for canary in canaries if canary.encode() in path.read_bytes()
    ]


@pytest.mark.parametrize("kind", KINDS)
async def test_no_secret_leaves_the_gateway(
    cloud: Cloud, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="gateway")
    sections: dict[str, Any] = {
        "ledger__enabled": "true",
        "ledger__url": f"sqlite:///{cloud.folder / 'ledger.db'}",
        "decision_log__type": "file",
        "decision_log__path": cloud.folder / "decisions.jsonl",
    }
    running = await cloud.start(kind, **sections)
    bodies: list[Any] = [await list_images(running, **CALLER), await create(running, **CALLER)]
    sent = {str(one) for one in cloud.authorizations() + cloud.authorizations(CREATE)}
    cloud.emulator.tokens.revoke_all()
    cloud.server.fail_with = 500
    cloud.emulator.inject(InjectedFault(method=CREATE_TOKEN, code=Code.INTERNAL, times=None))
    bodies += [await list_images(running), await create(running, "image-2")]
    bodies.append(await condition(running))
    credentials = running.gateway._credentials  # noqa: SLF001 - its repr
    assert credentials is not None
    objects = [credentials, *credentials.by_upstream.values()]
    seen: list[Callable[[], str]] = [
        lambda: str(bodies),
        lambda: caplog.text + str([record.__dict__ for record in caplog.records]),
        lambda: str([span.to_json() for span in running.exporter.get_finished_spans()]),
        lambda: running.metrics.expose().decode(),
        lambda: repr(objects) + str([vars(one) for one in objects]),
        lambda: repr(running.gateway._config),  # noqa: SLF001 - its repr
    ]
    await cloud.stop()
    secrets = [one.removeprefix("Bearer ") for one in sent]
    secrets += ["given-canary", CANARY, key_text().splitlines()[4]]
    assert len(secrets) == 4
    found = [(index, secret) for index, read in enumerate(seen) for secret in secrets if secret in read()]
    assert found == []
    assert find_canaries(cloud, secrets) == []
