"""Values of the configuration that are valid alone, but not together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.config import load_config
from gateway.faults import FaultsError

if TYPE_CHECKING:
    from pathlib import Path


def faults(folder: Path, text: str) -> list[str]:
    (folder / "gateway.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(FaultsError) as caught:
        load_config(folder / "gateway.yaml", {})
    return [str(fault).replace(f"{folder}/", "") for fault in caught.value.faults]


def test_a_service_needs_an_upstream_that_there_is(tmp_path: Path) -> None:
    text = "api:\n  services:\n    my.Service: mine\n    your.Service: yours\n"
    known = "upstreams: baremetal, operation"
    assert faults(tmp_path, text) == [
        f"gateway.yaml:3:5: api.services.my.Service: there is no upstream 'mine'; {known}",
        f"gateway.yaml:4:5: api.services.your.Service: there is no upstream 'yours'; {known}",
    ]


def test_the_gateway_s_own_services_have_no_upstream(tmp_path: Path) -> None:
    text = "api: {services: {baremetal_gateway.v1.Operations: operation}}\n"
    place = "gateway.yaml:1:18: api.services.baremetal_gateway.v1.Operations"
    assert faults(tmp_path, text) == [f"{place}: is served by the gateway itself"]


def test_own_credentials_are_not_sent_in_plaintext_over_a_network(tmp_path: Path) -> None:
    text = """\
upstreams:
  baremetal: {address: "baremetal.example:80", tls: false}
  operation: {address: "127.0.0.1:80", tls: false}
credentials: {type: static, token: secret}
"""
    (fault,) = faults(tmp_path, text)
    assert fault == (
        "gateway.yaml:2:48: upstreams.baremetal.tls: the gateway's own credentials are sent to this "
        "upstream, and plaintext over a network would reveal them; remove `tls: false`"
    )


def test_faults_of_all_kinds_are_reported_together_without_secrets(tmp_path: Path) -> None:
    text = """\
api: {services: {my.Service: mine}}
discovery: {enabled: false, address: "gateway.example:443"}
callers: {type: tokens}
limits: {store: "redis://:hunter2@store.example"}
rest: {listen: "0.0.0.0:80"}
"""
    found = faults(tmp_path, text)
    keys = [fault.split(": ")[1] for fault in found]
    assert keys == [
        "api.services.my.Service",
        "discovery.address",
        "rest.listen",
        "callers.tokens",
        "limits.store",
    ]
    assert "hunter2" not in str(found)
