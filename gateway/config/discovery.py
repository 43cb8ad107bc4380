"""The section of discovery: the addresses of services, which SDKs ask for before their first call."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator

from gateway.config.section import Section
from gateway.config.values import TargetAddress

if TYPE_CHECKING:
    from gateway.config.values import Address

OWN_ID = "endpoint"
"""The ID under which discovery itself is listed."""

_CLOUD = "api.cloud.yandex.net:443"
# IDs whose host name is the ID itself.
_PLAIN_IDS = (
    "alb apigateway-connections backup billing cdn certificate-manager compute container-registry dataproc"
    " dataproc-manager datasphere datatransfer dns iam iot-data iot-devices kms load-balancer lockbox logging"
    " marketplace monitoring organization-manager quota-manager resource-manager serverless-apigateway"
    " serverless-containers serverless-eventrouter serverless-functions serverless-triggers"
    " serverless-workflows vpc ydb"
)
_MANAGED_DATABASES = (
    "clickhouse elasticsearch greenplum kafka mongodb mysql opensearch postgresql redis spqr sqlserver"
)
_OTHER_IDS = {
    "ai-assistants": "assistant",
    "ai-files": "assistant",
    "ai-foundation-models": "llm",
    "ai-llm": "llm",
    "ai-speechkit": "transcribe",
    "ai-stt": "transcribe",
    "ai-stt-v3": "stt",
    "ai-translate": "translate",
    "ai-vision": "vision",
    "ai-vision-ocr": "ocr",
    "certificate-manager-data": "data.certificate-manager",
    "lockbox-payload": "payload.lockbox",
    "managed-airflow": "airflow",
    "managed-kubernetes": "mks",
    "managed-metastore": "metastore",
    "managed-spark": "spark",
    "managed-trino": "trino",
    "managed-ytsaurus": "ytsaurus",
    "smart-captcha": "smartcaptcha",
    "smart-web-security": "smartwebsecurity",
    "storage-api": "storage",
    "trino": "trino",
    **{f"managed-{name}": "mdb" for name in _MANAGED_DATABASES.split()},
}
CLOUD_ENDPOINTS = {
    **{name: f"{name}.{_CLOUD}" for name in _PLAIN_IDS.split()},
    **{name: f"{host}.{_CLOUD}" for name, host in _OTHER_IDS.items()},
    "kms-crypto": "kms.yandex:443",
    "log-ingestion": "ingester.logging.yandexcloud.net:443",
    "log-reading": "reader.logging.yandexcloud.net:443",
    "storage": "storage.yandexcloud.net:443",
}
"""The addresses of the services of the cloud, by ID. BareMetal and Operation are absent on purpose: clients
reach them only through the gateway."""


def is_wildcard(host: str) -> bool:
    """Return whether a host means every interface. Clients cannot connect to such a host."""
    try:
        return not host or ipaddress.ip_address(host.strip("[]")).is_unspecified
    except ValueError:
        return False


def _check_reachable(text: str) -> str:
    if is_wildcard(text.rpartition(":")[0]):
        raise ValueError("clients cannot connect to this address; give the name or IP address of the gateway")
    return text


class Discovery(Section):
    """The list of addresses that ApiEndpointService returns."""

    enabled: bool = True
    """Serve yandex.cloud.endpoint.ApiEndpointService."""
    address: Annotated[TargetAddress, AfterValidator(_check_reachable)] | None = None
    """Host and port of the gRPC listener, as clients reach it; default `grpc.listen`, if not a wildcard."""
    endpoints: dict[str, TargetAddress | None] = {}
    """ID → address of further services, added to those of the cloud; `null` removes one of these."""

    def own_address(self, listen: Address) -> str | None:
        """Return the address of the gateway for clients; None if it is not known.

        Args:
            listen: the address of the gRPC listener.
        """
        if self.address is not None:
            return self.address
        return None if is_wildcard(listen.host) or listen.port == 0 else str(listen)

    def list_endpoints(self, own: dict[str, str]) -> dict[str, str]:
        """Return the address of each listed service, by ID, sorted.

        Args:
            own: the addresses of the services that the gateway serves, by ID.
        """
        addresses = {**CLOUD_ENDPOINTS, **self.endpoints, **own}
        return {name: address for name, address in sorted(addresses.items()) if address is not None}
