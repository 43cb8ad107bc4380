"""Channels to the upstreams, with real certificates."""

from __future__ import annotations

from pathlib import Path

import pytest
from opentelemetry.sdk.resources import Resource

from gateway.config import Upstream
from gateway.faults import FaultsError
from gateway.telemetry import Health, Metrics
from gateway.upstream import Channels


async def test_every_upstream_has_a_channel() -> None:
    channels = Channels(
        {"a": Upstream(address="127.0.0.1:1", tls=False), "b": Upstream(address="127.0.0.1:1")},
        Health(),
        Metrics(Resource({})),
    )
    assert channels["a"] is not channels["b"]
    await channels.close()


async def test_missing_certificates_are_named_together(tmp_path: Path) -> None:
    lost = {
        name: Upstream(address="127.0.0.1:1", root_certificates=tmp_path / f"{name}.pem")
        for name in ("a", "b")
    }
    with pytest.raises(FaultsError) as caught:
        Channels(lost, Health(), Metrics(Resource({})))
    assert [fault.key for fault in caught.value.faults] == [
        "upstreams.a.root_certificates",
        "upstreams.b.root_certificates",
    ]
