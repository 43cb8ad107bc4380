"""The section of the served API."""

from __future__ import annotations

from pathlib import Path

from gateway.config.section import Section
from gateway.config.values import MetadataName

OPERATION_SERVICE = "yandex.cloud.operation.OperationService"
"""The service that shows the operations which the calls of all services start."""
WAITING_SERVICE = "baremetal_gateway.v1.Operations"
DISCOVERY_SERVICE = "yandex.cloud.endpoint.ApiEndpointService"
OWN_SERVICES = {WAITING_SERVICE: OPERATION_SERVICE, DISCOVERY_SERVICE: None}
"""The services that the gateway itself serves, and the service of an upstream that each one needs, if any."""

INFRASTRUCTURE_SERVICES = (
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
)
"""The services of gRPC itself, which the gRPC listener serves."""
NEEDED_METHODS = frozenset({"yandex.cloud.operation.OperationService/Get"})
"""The methods that the gateway itself calls, if their service is served."""


class Api(Section):
    """The services that the gateway serves, and the upstream of each service."""

    descriptor_sets: tuple[Path, ...] = ()
    """Further FileDescriptorSet files, with all their imports."""
    services: dict[str, str | None] = {
        "yandex.cloud.baremetal.v1alpha.ImageService": "baremetal",
        "yandex.cloud.baremetal.v2.BootImageService": "baremetal",
        "yandex.cloud.operation.OperationService": "operation",
    }
    """Full name of a service → name of its upstream; `null` removes a default."""
    excluded_methods: tuple[str, ...] = ()
    """Methods of these services that are not served, as `package.Service/Method`."""
    pass_metadata: tuple[MetadataName, ...] = ()
    """Further headers and metadata of the caller that are forwarded to the upstream; `…-bin` is binary."""
