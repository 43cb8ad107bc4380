"""The methods of yandex.cloud.endpoint.ApiEndpointService, which the gateway itself serves.

SDKs call List before their first call, without credentials. These methods read only the
configuration.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.call import Reply
from gateway.config import DISCOVERY_SERVICE
from gateway.errors import Code, GatewayError
from gateway.quoting import quote

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from google.protobuf.message import Message

    from gateway.call import Call
    from gateway.errors import FieldViolation
    from gateway.limits import Slot

GET = f"{DISCOVERY_SERVICE}/Get"
LIST = f"{DISCOVERY_SERVICE}/List"


class DiscoveryMethods:
    """Serves Get and List for one snapshot."""

    def __init__(self, endpoints: Mapping[str, str] | None) -> None:
        """Initialize the methods.

        Args:
            endpoints: the addresses of services, by ID; None if the address of the gateway is not known.
        """
        self._endpoints = endpoints

    def find_violations(self, method: str, request: Message) -> list[FieldViolation]:  # noqa: ARG002 - the protocol
        """Return no violation: the configuration sets no limits for these methods."""
        return []

    async def handle(
        self,
        call: Call,
        slot: Slot,  # noqa: ARG002 - the protocol
        permit: Callable[[Call], Awaitable[Call]],  # noqa: ARG002 - the protocol
    ) -> Reply:
        """Return the response to a call.

        The fields for pages are deprecated. So they have no effect, and List returns everything.

        Raises:
            GatewayError: no service has the ID, or the address of the gateway is not known.
        """
        if self._endpoints is None:
            message = (
                "this gateway does not know its own address; its operator has to set discovery.address to "
                "the host and port by which clients reach its gRPC listener"
            )
            raise GatewayError(Code.UNIMPLEMENTED, "DISCOVERY_ADDRESS_NOT_SET", message)
        asked: Any = call.request
        reply: Any = call.method.reply()
        if call.method.name == GET:
            reply.id, reply.address = (
                asked.api_endpoint_id,
                self._find(asked.api_endpoint_id, self._endpoints),
            )
        else:
            for name, address in self._endpoints.items():
                reply.endpoints.add(id=name, address=address)
        return Reply(message=reply, metadata={})

    @staticmethod
    def _find(name: str, endpoints: Mapping[str, str]) -> str:
        address = endpoints.get(name)
        if address is None:
            message = f"there is no endpoint {quote(name)}; {LIST} returns the IDs of all endpoints"
            raise GatewayError(Code.NOT_FOUND, "ENDPOINT_NOT_FOUND", message)
        return address
