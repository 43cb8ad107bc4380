"""Callers of requests: which credential decides, what is refused, and what is limited."""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
import sys
import time
from pathlib import Path

import pytest
from opentelemetry.sdk.resources import Resource

from gateway.call import Caller
from gateway.callers import CallerIdentifier
from gateway.errors import Code, GatewayError
from gateway.faults import FaultsError
from gateway.telemetry import Health, Metrics
from tests.callers.identifying import (
    ALL,
    DISCOVERY,
    TOKEN,
    TOKENS,
    Make,
    fails,
    make,
    misses,
    refuses,
)
from tests.callers.making import (
    HEADER,
    make_callers,
    make_certificate,
    make_claims,
    make_head,
    make_key,
    sign,
    to_jwk,
    to_jwks,
)
from tests.conftest import ROOT

__all__ = ["make"]  # a fixture


@pytest.fixture
def anonymous() -> CallerIdentifier:
    section = make_callers((), type="none", trusted_proxies=["10.0.0.0/8"])
    return CallerIdentifier(section, None, Health(), Metrics(Resource.create()))


async def test_without_kinds_every_caller_is_anonymous(anonymous: CallerIdentifier) -> None:
    head = make_head("x", ("x_gateway_authorization", "y"), certificate=make_certificate())
    assert await anonymous.identify(head) == Caller(address="192.0.2.1")
    behind = make_head(None, ("x-forwarded-for", "192.0.2.7"), address="10.0.0.1")
    assert await anonymous.identify(behind) == Caller(address="192.0.2.7")


async def test_each_kind_names_its_caller(make: Make) -> None:
    identifier = make(*ALL)
    for _ in range(2):  # the second time from the cache
        token = await identifier.identify(make_head(TOKEN))
        assert (token.kind, token.id, token.groups, token.address) == (
            "token",
            "ci",
            ("builders",),
            "192.0.2.1",
        )
        web = await identifier.identify(make_head(sign(make_claims(groups="admins"))))
        assert (web.kind, web.id, web.groups) == ("jwt", "ann", ("admins",))
        assert web.claims["iss"] == "https://id.example"
        certificate = await identifier.identify(make_head(certificate=make_certificate("CN=a,O=b")))
        assert (certificate.kind, certificate.id) == ("mtls", "CN=a,O=b")


async def test_the_first_kind_that_is_present_decides(make: Make) -> None:
    both = make_head(TOKEN, certificate=make_certificate())
    assert (await make("mtls", "tokens").identify(both)).kind == "mtls"
    assert (await make("tokens", "mtls").identify(both)).kind == "token"
    web = make_head(sign(), certificate=make_certificate())
    assert (await make("tokens", "mtls", "jwt").identify(web)).kind == "mtls"
    assert (await make("tokens", "jwt", "mtls").identify(web)).kind == "jwt"


async def test_a_wrong_credential_is_not_tried_as_another_kind(make: Make) -> None:
    await fails(make("tokens", "mtls"), make_head("wrong", certificate=make_certificate()), "UNKNOWN_TOKEN")
    await fails(make("jwt", "mtls"), make_head("wrong", certificate=make_certificate()), "MALFORMED")
    await fails(make("mtls", "tokens"), make_head(TOKEN, certificate=b"x"), "MALFORMED")
    await fails(make("jwt", "tokens"), make_head(sign(key=make_key("ES256", 5))), "BAD_SIGNATURE")
    await fails(make("jwt", "tokens"), make_head("a.b.c"), "UNKNOWN_TOKEN")


async def test_a_jws_among_the_tokens_is_a_jwt_if_both_kinds_are_configured(
    make: Make, tmp_path: Path
) -> None:
    token = sign(make_claims(iss="https://other.example"))
    digest = hashlib.sha256(token.encode()).hexdigest()
    (tmp_path / "tokens.yaml").write_text(f"tokens: [{{name: ci, sha256: {digest}}}]")
    assert (await make("tokens").identify(make_head(token))).id == "ci"
    await fails(make("tokens", "jwt"), make_head(token), "WRONG_ISSUER")


async def test_a_request_without_a_credential_is_refused_also_for_an_unknown_method(make: Make) -> None:
    for kinds in (("tokens",), ("mtls",), ALL):
        await misses(make(*kinds), make_head())
        await misses(make(*kinds), make_head(method=""))
        await misses(make(*kinds), make_head(None, ("authorization", f"Bearer {TOKEN}")))


async def test_open_methods_need_no_credential_but_no_wrong_one(make: Make) -> None:
    identifier = make("tokens", open_methods=["a.B/C"])
    for method in (DISCOVERY, "grpc.health.v1.Health/Check", "a.B/C"):
        assert await identifier.identify(make_head(method=method)) == Caller(address="192.0.2.1")
        assert (await identifier.identify(make_head(TOKEN, method=method))).id == "ci"
        await fails(identifier, make_head("wrong", method=method), "UNKNOWN_TOKEN")
    for method in (
        "a.B/D",
        "x.yandex.cloud.endpoint.ApiEndpointService/List",
        DISCOVERY.partition("/")[0] + "X/",
    ):
        await misses(identifier, make_head(method=method))


async def test_a_second_copy_of_the_identity_header_is_malformed(make: Make) -> None:
    for further in (
        (HEADER, f"Bearer {TOKEN}"),
        ("x_gateway_authorization", "Bearer x"),
        ("x-gateway_authorization", ""),
    ):
        head = make_head(TOKEN, further, certificate=make_certificate())
        error = await refuses(make(*ALL), head, Code.INVALID_ARGUMENT, "INVALID_REQUEST")
        assert error.violations[0].field == f"header {HEADER}"
    head = make_head(None, ("x_gateway_authorization", "Bearer x"), certificate=make_certificate())
    assert (await make("mtls").identify(head)).kind == "mtls"


@pytest.mark.parametrize(
    "value", ["", "Bearer", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN} x", "Bearer \udcff"]
)
async def test_a_header_without_a_token_is_refused(make: Make, value: str) -> None:
    head = make_head(None, (HEADER, value))
    for kinds in (("tokens",), ("jwt",), ALL):
        await fails(make(*kinds), head, "MALFORMED")


async def test_a_token_of_a_megabyte_is_refused_early(make: Make) -> None:
    head = make_head("a" * 1024 * 1024)
    identifier = make(*ALL, failed_attempts="100000/second")
    started = time.perf_counter()
    for _ in range(100):
        await fails(identifier, head, "TOO_LONG")
    assert time.perf_counter() - started < 1


async def test_the_address_is_the_one_behind_trusted_proxies(make: Make) -> None:
    identifier = make("tokens", trusted_proxies=["10.0.0.0/8"])
    behind = make_head(TOKEN, ("x-forwarded-for", "10.7.7.7, 192.0.2.9"), address="10.0.0.1")
    assert (await identifier.identify(behind)).address == "192.0.2.9"
    forged = make_head(TOKEN, ("x-forwarded-for", "10.7.7.7"), ("forwarded", "for=10.8.8.8"))
    assert (await identifier.identify(forged)).address == "192.0.2.1"
    malformed = make_head(TOKEN, ("x-forwarded-for", "?"), address="10.0.0.1")
    await refuses(identifier, malformed, Code.INVALID_ARGUMENT, "INVALID_REQUEST")


# --- files and keys that change


async def test_tokens_and_keys_are_loaded_again(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.watching.files.FileWatch.run.__defaults__", (0.01,))
    identifier = make("jwt", "tokens")
    await identifier.start()
    token, web = "token-" + "b" * 40, make_key("ES256", 1)
    digest = hashlib.sha256(token.encode()).hexdigest()
    (tmp_path / "tokens.yaml").write_text(f"tokens: [{{name: new, sha256: {digest}}}]")
    (tmp_path / "keys.json").write_bytes(to_jwks(to_jwk(web, kid="new-key")))
    async with asyncio.timeout(10):
        for head in (make_head(token), make_head(sign(key=web, kid="new-key"))):
            while True:
                try:
                    await identifier.identify(head)
                    break
                except GatewayError:
                    await asyncio.sleep(0.02)
    await fails(identifier, make_head(TOKEN), "UNKNOWN_TOKEN")
    await identifier.stop()


async def test_a_broken_file_of_tokens_is_a_degraded_condition(tmp_path: Path) -> None:
    file, health = tmp_path / "tokens.yaml", Health()
    file.write_text(TOKENS)
    section = make_callers(["tokens"], tokens={"file": file})
    identifier = CallerIdentifier(section, HEADER, health, Metrics(Resource.create()))
    file.write_text("tokens: 5")
    identifier.look()
    (condition,) = health.conditions
    assert (condition.name, condition.status) == ("callers.tokens", "degraded")
    assert (await identifier.identify(make_head(TOKEN))).id == "ci"
    file.write_text(TOKENS + "\n")
    identifier.look()
    assert health.conditions[0].status == "ok"


def test_the_faults_of_all_files_are_reported_together(make: Make, tmp_path: Path) -> None:
    (tmp_path / "tokens.yaml").write_text("tokens: 5")
    (tmp_path / "keys.json").write_text("{}")
    with pytest.raises(FaultsError) as caught:
        make(*ALL)
    assert len(caught.value.faults) == 2


def test_libraries_are_loaded_only_if_they_are_used() -> None:
    code = (
        "import sys; from gateway.callers import CallerIdentifier; from gateway.config import Config; "
        "from gateway.telemetry import Health; CallerIdentifier(Config().callers, None, Health(), None); "
        "print([one for one in ('jwt', 'cryptography') if one in sys.modules])"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"
