"""The section of the served API."""

from __future__ import annotations

from gateway.config.api import Api


def test_the_cloud_s_services_are_served_by_default() -> None:
    assert Api().services == {
        "yandex.cloud.baremetal.v1alpha.ImageService": "baremetal",
        "yandex.cloud.operation.OperationService": "operation",
    }
