"""The TLS files of a channel to an upstream. Channels themselves are tested in tests/upstream."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from opentelemetry.sdk.resources import Resource

from gateway.config import Upstream
from gateway.faults import FaultsError
from gateway.telemetry import Metrics, Status
from gateway.tls import ClientTls
from tests.tls.authority import DAY, Authority, sign_with


def client(**keys: Path) -> tuple[ClientTls, Metrics]:
    metrics = Metrics(Resource({}))
    return ClientTls("a", Upstream(address="a:1", **keys), metrics), metrics


def test_without_files_there_is_nothing_to_watch() -> None:
    tls, metrics = client()
    assert tls.paths == ()
    assert tls.load() is not None
    assert b"time_left" not in metrics.expose()


def test_the_expiry_of_the_certificate_is_reported(tmp_path: Path) -> None:
    path, key = Authority().issue(lifetime=(-2 * DAY, -DAY)).write(tmp_path, "own")
    tls, metrics = client(certificate=path, key=key)
    assert tls.paths == (path, key)
    tls.load()
    assert tls.describe()[0] is Status.DEGRADED
    assert b'gateway_tls_certificate_time_left_seconds{section="upstreams.a.tls"} -' in metrics.expose()


def test_each_file_with_a_fault_is_named(tmp_path: Path) -> None:
    path, key = sign_with(ec.generate_private_key(ec.SECP256K1())).write(tmp_path, "odd")
    tls, _ = client(root_certificates=tmp_path / "none", certificate=path, key=key)
    with pytest.raises(FaultsError) as caught:
        tls.load()
    assert [str(fault) for fault in caught.value.faults] == [
        f"{tmp_path}/none: upstreams.a.root_certificates: cannot be read: No such file or directory",
        f"{path}: upstreams.a.certificate: has a key that the gRPC library cannot use; use RSA or P-256",
    ]
