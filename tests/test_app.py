"""A gateway as a whole: what stops its start, and how it ends."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any

import aiohttp
import grpc.aio
import pytest
import trustme

from gateway.app import Gateway
from gateway.emulator import InjectedFault
from gateway.faults import FaultsError
from gateway.telemetry import start_telemetry
from tests.conftest import GOOD_IMAGE, IMAGES, ROOT, Running, Start, make_config, plain_telemetry
from tests.policy.making import binding_text, policy_text
from tests.served_bundle import write

CREATE = "yandex.cloud.baremetal.v1alpha.ImageService/Create"


def faults(**sections: object) -> str:
    with pytest.raises(FaultsError) as caught:
        Gateway(make_config("127.0.0.1:1", **sections), plain_telemetry())
    return str(caught.value)


@pytest.mark.parametrize(
    ("sections", "expected"),
    [
        ({"policies__path": "/nowhere"}, "/nowhere: policies.path: there is no bundle"),
        (
            {"api__descriptor_sets": "[/nowhere.binpb]"},
            "/nowhere.binpb: api.descriptor_sets[0]: cannot be read",
        ),
        ({"api__descriptor_sets": f"[{ROOT}/pyproject.toml]"}, "not a serialized FileDescriptorSet"),
        ({"api__services": "{a.B: baremetal}"}, "service a.B is in no descriptor set"),
        (
            {
                "api__services": "{yandex.cloud.operation.OperationService: null,"
                " yandex.cloud.baremetal.v1alpha.ImageService: null,"
                " yandex.cloud.baremetal.v2.BootImageService: null}",
                "discovery__enabled": False,
            },
            "no route to serve",
        ),
    ],
)
async def test_what_is_wrong_stops_the_start(sections: dict[str, object], expected: str) -> None:
    assert expected in faults(**sections)


async def test_faults_of_all_parts_are_reported_together(tmp_path: Path) -> None:
    bundle = write(tmp_path / "bundle", policy_text("request.nope == ''") + binding_text())
    text = faults(
        upstreams__operation__tls="true",
        upstreams__operation__root_certificates=f"{ROOT}/README.md",
        decision_log__type="file",
        decision_log__path="/nowhere/records.jsonl",
        policies__path=bundle,
    )
    assert "upstreams.operation.root_certificates: contains no certificate" in text
    assert "decision_log.path: " in text
    assert "undefined field 'nope'" in text


async def test_a_bad_telemetry_variable_stops_the_start() -> None:
    with pytest.raises(FaultsError, match="OTEL_TRACES_EXPORTER"):
        start_telemetry({"OTEL_TRACES_EXPORTER": "pigeon"}, "1")


@pytest.mark.parametrize("listener", ["rest", "grpc", "admin"])
async def test_a_taken_address_is_named(running: Running, listener: str) -> None:
    taken = getattr(running.addresses, listener)
    gateway = Gateway(make_config("127.0.0.1:1", **{f"{listener}__listen": taken}), plain_telemetry())
    with pytest.raises(FaultsError) as caught:
        await gateway.start()
    assert str(caught.value) == (
        f"configuration: {listener}.listen: cannot listen on {taken}: address already in use"
    )


async def test_taken_addresses_are_named_together(running: Running) -> None:
    taken = running.addresses
    config = make_config(
        "127.0.0.1:1", rest__listen=taken.rest, grpc__listen=taken.grpc, admin__listen=taken.admin
    )
    with pytest.raises(FaultsError) as caught:
        await Gateway(config, plain_telemetry()).start()
    assert {fault.key for fault in caught.value.faults} == {"rest.listen", "grpc.listen", "admin.listen"}


async def test_calls_under_way_end_before_the_gateway_does(start: Start) -> None:
    running = await start()
    running.emulator.inject(InjectedFault(method=CREATE, delay_s=0.3))
    call = asyncio.create_task(running.client.post(running.url(IMAGES), json=GOOD_IMAGE))
    while not running.emulator.calls:
        await asyncio.sleep(0.01)
    await running.gateway.stop()
    assert (await call).status == 200
    with pytest.raises(aiohttp.ClientConnectorError):
        await running.client.get(running.url(IMAGES))


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, and a key with its certificate for 127.0.0.1."""
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    issued.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    issued.private_key_pem.write_to_path(folder / "key.pem")
    return folder


async def test_tls_and_client_certificates(start: Start, certificates: Path) -> None:
    authority, cert, key = (certificates / name for name in ("ca.pem", "cert.pem", "key.pem"))
    tls = f"{{certificate: {cert}, key: {key}, client_ca: {authority}}}"
    running = await start(rest__tls=tls, grpc__tls=tls)
    trusting = ssl.create_default_context(cafile=str(authority))
    url = f"https://{running.addresses.rest}{IMAGES}"
    with pytest.raises((aiohttp.ClientError, ConnectionError)):
        async with running.client.get(url, ssl=trusting) as answer:
            await answer.read()
    trusting.load_cert_chain(cert, key)
    async with running.client.get(url, ssl=trusting) as answer:
        assert answer.status == 200
    roots = authority.read_bytes()
    pair = (key.read_bytes(), cert.read_bytes())
    for credentials, code in [
        (grpc.ssl_channel_credentials(roots), grpc.StatusCode.UNAVAILABLE),
        (grpc.ssl_channel_credentials(roots, *pair), grpc.StatusCode.INVALID_ARGUMENT),
    ]:
        async with grpc.aio.secure_channel(str(running.addresses.grpc), credentials) as channel:
            callable_: Any = channel.unary_unary(f"/{CREATE}")
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await callable_(b"", timeout=10)
            assert caught.value.code() is code


@pytest.mark.parametrize("listener", ["rest", "grpc", "admin"])
async def test_bad_certificates_are_named(listener: str, certificates: Path) -> None:
    cert = certificates / "cert.pem"
    tls = f"{{certificate: {cert}, key: /nowhere/key.pem, client_ca: {ROOT}/README.md}}"
    config = make_config("127.0.0.1:1", **{f"{listener}__tls": tls})
    with pytest.raises(FaultsError) as caught:
        Gateway(config, plain_telemetry())
    key, authority = map(str, caught.value.faults)
    assert key == f"/nowhere/key.pem: {listener}.tls.key: cannot be read: No such file or directory"
    assert authority.startswith(
        f"{ROOT}/README.md: {listener}.tls.client_ca: contains no certificate in PEM form"
    )


async def test_root_certificates_without_any_stop_the_start() -> None:
    roots = f"{ROOT}/README.md"
    assert f"{roots}: upstreams.operation.root_certificates: contains no certificate" in faults(
        upstreams__operation__tls="true", upstreams__operation__root_certificates=roots
    )


async def test_an_upstream_over_tls(start: Start) -> None:
    """A plaintext upstream that is asked for TLS is unavailable, not trusted."""
    running = await start(upstreams__operation__tls="true")
    async with running.client.get(running.url("/operations/x"), timeout=aiohttp.ClientTimeout(20)) as answer:
        assert answer.status == 503
    assert not running.emulator.calls
