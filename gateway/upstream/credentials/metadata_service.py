"""The metadata service of a virtual machine, which issues tokens for the service account of the machine.

The service speaks plain HTTP on a link-local address that only the machine reaches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.upstream.credentials.token_endpoint import TokenEndpoint

if TYPE_CHECKING:
    from gateway.upstream.credentials.access_token import AccessToken

TOKEN_PATH = "/computeMetadata/v1/instance/service-accounts/default/token"  # noqa: S105 - a path
"""The path at which the service issues tokens."""

_HEADERS = {"Metadata-Flavor": "Google"}


class MetadataService:
    """Asks the metadata service for tokens."""

    def __init__(self, address: str) -> None:
        self._endpoint = TokenEndpoint(f"http://{address}{TOKEN_PATH}")

    async def fetch(self) -> AccessToken:
        """Return the token of the machine's service account."""
        return await self._endpoint.request("GET", headers=_HEADERS)

    def load(self) -> None:
        """Do nothing, because there is no file."""

    async def close(self) -> None:
        """Close the connections."""
        await self._endpoint.close()
