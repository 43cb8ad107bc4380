"""TLS keys that have no effect or are not safe are faults, with file, line and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import Config, load_config
from gateway.faults import FaultsError

LISTENERS = ["rest", "grpc", "admin"]


def load(folder: Path, text: str, **environment: str) -> Config:
    (folder / "gateway.yaml").write_text(text)
    return load_config(folder / "gateway.yaml", {f"GATEWAY__{one}": v for one, v in environment.items()})


def fault(folder: Path, text: str, **environment: str) -> str:
    with pytest.raises(FaultsError) as caught:
        load(folder, text, **environment)
    (one,) = caught.value.faults
    return str(one).removeprefix(f"{folder}/")


@pytest.mark.parametrize("listener", LISTENERS)
@pytest.mark.parametrize("address", ["0.0.0.0:1", ":1", "[::]:1", "192.0.2.1:1", "gateway.example:1"])
def test_plaintext_on_a_network_has_to_be_allowed(tmp_path: Path, listener: str, address: str) -> None:
    text = f"{listener}:\n  listen: '{address}'\n"
    assert fault(tmp_path, text) == (
        f"gateway.yaml:2:3: {listener}.listen: {address} is not on loopback: set {listener}.tls, "
        f"or accept plaintext with {listener}.allow_plaintext: true"
    )
    load(tmp_path, f"{text}  allow_plaintext: true\n")
    load(tmp_path, f"{text}  tls: {{certificate: c, key: k}}\n")


@pytest.mark.parametrize("listener", LISTENERS)
def test_an_address_of_a_variable_is_named(tmp_path: Path, listener: str) -> None:
    found = fault(tmp_path, "", **{f"{listener.upper()}__LISTEN": "0.0.0.0:1"})
    assert found.startswith(f"GATEWAY__{listener.upper()}__LISTEN: {listener}.listen: 0.0.0.0:1 is not on")


@pytest.mark.parametrize("listener", LISTENERS)
def test_plaintext_may_be_allowed_on_loopback_but_not_beside_tls(tmp_path: Path, listener: str) -> None:
    load(tmp_path, f"{listener}: {{allow_plaintext: true}}")
    text = f"{listener}:\n  allow_plaintext: true\n  tls: {{certificate: c, key: k}}\n"
    assert fault(tmp_path, text) == (
        f"gateway.yaml:2:3: {listener}.allow_plaintext: has no effect, because tls is set; remove one of them"
    )


@pytest.mark.parametrize("listener", LISTENERS)
@pytest.mark.parametrize("key", ["client_auth: required", "crl: c.pem"])
def test_keys_about_client_certificates_need_a_ca(tmp_path: Path, listener: str, key: str) -> None:
    text = f"{listener}:\n  tls:\n    certificate: c\n    key: k\n    {key}\n"
    name = key.partition(":")[0]
    assert fault(tmp_path, text) == (
        f"gateway.yaml:5:5: {listener}.tls.{name}: has no effect without {listener}.tls.client_ca"
    )
    load(tmp_path, f"{text}    client_ca: ca.pem\n")


def test_optional_client_certificates_are_refused_for_grpc(tmp_path: Path) -> None:
    tls = "tls: {certificate: c, key: k, client_ca: a, client_auth: optional}"
    load(tmp_path, f"rest: {{{tls}}}\nadmin: {{{tls}}}\n")
    found = fault(tmp_path, f"grpc: {{{tls}}}")
    assert found.startswith(
        "gateway.yaml:1:52: grpc.tls.client_auth: the gRPC library for Python cannot request"
    )


@pytest.mark.parametrize("key", ["root_certificates", "certificate", "key", "server_name"])
def test_keys_of_an_upstream_have_no_effect_without_tls(tmp_path: Path, key: str) -> None:
    text = f"upstreams:\n  a:\n    address: a:1\n    tls: false\n    {key}: x\n"
    assert fault(tmp_path, text) == (
        f"gateway.yaml:5:5: upstreams.a.{key}: has no effect with upstreams.a.tls: false"
    )


@pytest.mark.parametrize(("given", "missing"), [("certificate", "key"), ("key", "certificate")])
def test_a_certificate_of_an_upstream_needs_its_key(tmp_path: Path, given: str, missing: str) -> None:
    text = f"upstreams:\n  a:\n    address: a:1\n    {given}: x\n"
    assert fault(tmp_path, text) == f"gateway.yaml:4:5: upstreams.a.{given}: needs upstreams.a.{missing} too"
    load(tmp_path, f"{text}    {missing}: y\n")
