"""The bundle that ships with the gateway."""

from __future__ import annotations

from gateway.bundles import read_bundle, shipped_bundle
from tests.conftest import ROOT


def test_it_is_found_where_the_gateway_is_worked_on() -> None:
    path = shipped_bundle()
    assert path == ROOT / "policies"
    assert read_bundle(path).texts
