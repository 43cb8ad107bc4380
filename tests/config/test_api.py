"""The section of the served API."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import load_config
from gateway.config.api import Api
from gateway.faults import FaultsError

IMAGES, OPERATIONS = "yandex.cloud.baremetal.v1alpha.ImageService", "yandex.cloud.operation.OperationService"
BOOT_IMAGES = "yandex.cloud.baremetal.v2.BootImageService"


def test_the_cloud_s_services_are_served_by_default() -> None:
    assert Api().services == {IMAGES: "baremetal", BOOT_IMAGES: "baremetal", OPERATIONS: "operation"}


def faults(folder: Path, text: str) -> list[str]:
    (folder / "gateway.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(FaultsError) as caught:
        load_config(folder / "gateway.yaml", {})
    return [str(fault).replace(f"{folder}/", "") for fault in caught.value.faults]


@pytest.mark.parametrize(
    "service",
    [
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    ],
)
def test_services_of_grpc_itself_are_no_services_of_an_upstream(tmp_path: Path, service: str) -> None:
    (fault,) = faults(tmp_path, f"api: {{services: {{{service}: baremetal}}}}")
    assert fault == f"gateway.yaml:1:18: api.services.{service}: is served by the gateway itself"


def test_a_method_that_the_gateway_needs_cannot_be_excluded(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, f"api:\n  excluded_methods: [{IMAGES}/Delete, {OPERATIONS}/Get]\n")
    assert fault.startswith("gateway.yaml:2:")
    assert f"api.excluded_methods[1]: {OPERATIONS}/Get is needed to follow operations" in fault


def test_other_methods_can() -> None:
    config = load_config(None, {"GATEWAY__API__EXCLUDED_METHODS": f"[{IMAGES}/Delete]"})
    assert config.api.excluded_methods == (f"{IMAGES}/Delete",)
