"""The section of the served API."""

from __future__ import annotations

from pathlib import Path

from gateway.config.section import Section
from gateway.config.values import MetadataName

OWN_SERVICES = {"baremetal_gateway.v1.Operations": "yandex.cloud.operation.OperationService"}
"""The services that the gateway itself serves, and the service of an upstream that each one needs."""


class Api(Section):
    """The services that the gateway serves, and the upstream of each service."""

    descriptor_sets: tuple[Path, ...] = ()
    """Further FileDescriptorSet files, with all their imports."""
    services: dict[str, str | None] = {
        "yandex.cloud.baremetal.v1alpha.ImageService": "baremetal",
        "yandex.cloud.operation.OperationService": "operation",
    }
    """Full name of a service → name of its upstream; `null` removes a default."""
    pass_metadata: tuple[MetadataName, ...] = ()
    """Further headers and metadata of the caller that are forwarded to the upstream; `…-bin` is binary."""
