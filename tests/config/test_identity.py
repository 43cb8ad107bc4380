"""The header of callers' identities, and the faults of identification that concern several sections."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import Config, load_config
from gateway.config.identity import (
    _USED,
    check_open_methods,
    find_identity_faults,
    identity_header,
)
from gateway.faults import FaultsError
from gateway.listeners.metadata import PASSED

TOKENS = "tokens: {file: tokens.yaml}"
JWT = "jwt: {issuer: i, audience: a, jwks_file: keys.json}"
TLS = "tls: {certificate: c.pem, key: k.pem, client_ca: ca.pem}"


def _load(tmp_path: Path, text: str) -> Config:
    file = tmp_path / "gateway.yaml"
    file.write_text(text, encoding="utf-8")
    return load_config(file, {})


BOTH = f"rest: {{{TLS}}}\ngrpc: {{{TLS}}}"
WITH_TOKENS = f"type: tokens, {TOKENS}"
PASSES = "api: {pass_metadata: [x-team, x-gateway-authorization]}"
FAULTS = [
    ("{type: tokens}", "callers.tokens: is required, because callers.type contains tokens"),
    ("{type: jwt}", "callers.jwt: is required, because callers.type contains jwt"),
    (f"{{{JWT}}}", "callers.jwt: has no effect: callers.type does not contain jwt"),
    (f"{{type: jwt, {JWT}, {TOKENS}}}", "callers.tokens: has no effect"),
    ("{open_methods: [a.B/C]}", "callers.open_methods: has no effect: callers.type is none"),
    ("{failed_attempts: 1/second}", "callers.failed_attempts: has no effect"),
    ("{header: x-caller}", "callers.header: has no effect: callers.type contains neither"),
    (f"{{type: mtls, header: x-caller}}\n{BOTH}", "callers.header: has no effect"),
    (f"{{type: mtls}}\nrest: {{{TLS}}}", "grpc.tls.client_ca: is required, because callers.type is"),
    (f"{{type: mtls}}\ngrpc: {{{TLS}}}", "rest.tls.client_ca: is required, because callers.type is"),
    (f"{{type: [mtls, tokens], {TOKENS}}}", "callers.type: mtls has no effect: neither rest.tls"),
    (f"{{{WITH_TOKENS}, header: authorization}}", "callers.header: authorization is passed on"),
    (f"{{{WITH_TOKENS}, header: x-key-bin}}", "callers.header: 'x-key-bin' has another"),
    (f"{{{WITH_TOKENS}, header: idempotency-key}}", "'idempotency-key' has another meaning"),
    (f"{{{WITH_TOKENS}, header: X-Caller}}", "callers.header: 'X-Caller': a name consists"),
    (f"{{{WITH_TOKENS}}}\n{PASSES}", "api.pass_metadata[1]: 'x-gateway-authorization' is the header"),
]


@pytest.mark.parametrize(("text", "fault"), FAULTS, ids=[str(number) for number in range(len(FAULTS))])
def test_each_fault_names_its_key_and_its_line(tmp_path: Path, text: str, fault: str) -> None:
    with pytest.raises(FaultsError) as caught:
        _load(tmp_path, f"callers: {text}")
    (only,) = caught.value.faults
    assert fault in str(only)
    assert f"{tmp_path}/gateway.yaml:" in str(only)


@pytest.mark.parametrize(
    "text",
    [
        f"callers: {{type: tokens, {TOKENS}, header: x-caller, failed_attempts: 1/second}}",
        f"callers: {{type: [mtls, jwt, tokens], {TOKENS}, {JWT}}}\nrest: {{{TLS}}}",
        f"callers: {{type: mtls}}\nrest: {{{TLS}}}\ngrpc: {{{TLS}}}",
        "callers: {trusted_proxies: [10.0.0.0/8]}",
        f"callers: {{failed_attempts: 1/second}}\nrest: {{{TLS}}}",
    ],
)
def test_settings_that_have_an_effect(tmp_path: Path, text: str) -> None:
    assert list(find_identity_faults(_load(tmp_path, text))) == []


def test_the_header_is_not_the_one_that_upstreams_get(tmp_path: Path) -> None:
    assert identity_header(Config()) is None
    tokens = _load(tmp_path, f"callers: {{type: tokens, {TOKENS}}}")
    assert not tokens.all_have_own_credentials
    assert identity_header(tokens) == "x-gateway-authorization"
    named = _load(tmp_path, f"callers: {{type: tokens, {TOKENS}, header: x-caller}}")
    assert identity_header(named) == "x-caller"
    certificates = _load(tmp_path, f"callers: {{type: mtls}}\nrest: {{{TLS}}}\ngrpc: {{{TLS}}}")
    assert identity_header(certificates) is None


def test_the_header_is_authorization_if_no_upstream_gets_it(tmp_path: Path) -> None:
    text = f"callers: {{type: tokens, {TOKENS}}}\napi: {{services: {{"
    text += ", ".join(f"{service}: null" for service in Config().services) + "}}"
    assert identity_header(_load(tmp_path, text)) == "authorization"


def test_no_header_that_is_passed_on_is_a_header_of_identities() -> None:
    assert set(PASSED) - {"authorization"} <= _USED


def test_open_methods_have_to_be_served(tmp_path: Path) -> None:
    text = f"callers: {{type: tokens, {TOKENS}, open_methods: [a.B/Get, a.B/Lst]}}"
    callers = _load(tmp_path, text).callers
    check_open_methods(callers, {"a.B/Get", "a.B/Lst"})
    with pytest.raises(FaultsError) as caught:
        check_open_methods(callers, {"a.B/Get", "a.B/List"})
    (fault,) = caught.value.faults
    assert str(fault) == (
        "configuration: callers.open_methods[1]: 'a.B/Lst' is not a served method; did you mean a.B/List?"
    )
