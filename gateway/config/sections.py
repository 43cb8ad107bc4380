"""The whole configuration. Each key has a type, a default and a description.

A key accepts only values that are implemented. The gateway refuses all other values.
"""

from __future__ import annotations

from typing import Literal

from gateway.config.api import DISCOVERY_SERVICE, OPERATION_SERVICE, OWN_SERVICES, Api
from gateway.config.callers import Callers
from gateway.config.credentials import Credentials, CredentialsSection, PassthroughCredentials, is_own
from gateway.config.discovery import OWN_ID, Discovery
from gateway.config.ledger import LedgerSection
from gateway.config.limits import Limits
from gateway.config.listeners import Admin, Grpc, Rest
from gateway.config.log import LogSection
from gateway.config.policies import DecisionLog, Policies, Source
from gateway.config.section import Section
from gateway.config.shutdown import Shutdown
from gateway.config.telemetry import TelemetrySection
from gateway.config.upstreams import Upstream
from gateway.sinks import SinkName


class Config(Section):
    """The whole configuration."""

    mode: Literal["enforce", "observe"] = "enforce"
    """`enforce`, or `observe`: record, measure and decide, but refuse and change nothing."""
    rest: Rest = Rest()
    grpc: Grpc = Grpc()
    admin: Admin = Admin()
    upstreams: dict[str, Upstream] = {
        "baremetal": Upstream(address="baremetal.api.cloud.yandex.net:443"),
        "operation": Upstream(address="operation.api.cloud.yandex.net:443"),
    }
    """A name of your own → where it is. Given names are added to the default ones."""
    api: Api = Api()
    discovery: Discovery = Discovery()
    policies: Policies = Policies()
    decision_log: DecisionLog = DecisionLog()
    source: Source = Source()
    credentials: Credentials = PassthroughCredentials()
    callers: Callers = Callers()
    ledger: LedgerSection = LedgerSection()
    limits: Limits = Limits()
    log: LogSection = LogSection()
    telemetry: TelemetrySection = TelemetrySection()
    shutdown: Shutdown = Shutdown()
    workers: Literal[1] = 1
    """Number of processes."""

    @property
    def is_observing(self) -> bool:
        """Whether the mode of all calls is `observe`."""
        return self.mode == "observe"

    @property
    def sink(self) -> SinkName:
        """The sink of the decision log."""
        if self.decision_log.type is not None:
            return self.decision_log.type
        return SinkName.NONE if self.ledger.enabled else SinkName.STDOUT

    @property
    def services(self) -> dict[str, str]:
        """The name of the upstream of each served service, by the full name of the service."""
        return {name: upstream for name, upstream in self.api.services.items() if upstream is not None}

    @property
    def served(self) -> tuple[str, ...]:
        """The full names of all served services: those of the upstreams, and those of the gateway itself."""
        upstreams = self.services
        own = [one for one, needed in OWN_SERVICES.items() if needed is None or needed in upstreams]
        if not self.discovery.enabled:
            own.remove(DISCOVERY_SERVICE)
        return (*upstreams, *own)

    def credentials_of(self, upstream: str) -> CredentialsSection:
        """Return the section of the credentials for an upstream."""
        section = self.upstreams.get(upstream)
        return self.credentials if section is None or section.credentials is None else section.credentials

    def has_own_credentials(self, upstream: str) -> bool:
        """Return whether the gateway calls an upstream with credentials of its own."""
        return is_own(self.credentials_of(upstream))

    @property
    def all_have_own_credentials(self) -> bool:
        """Whether the gateway has own credentials for each upstream of a served service."""
        return all(map(self.has_own_credentials, self.services.values()))

    @property
    def services_with_own_credentials(self) -> frozenset[str]:
        """The full names of the services whose upstreams the gateway calls with credentials of its own."""
        return frozenset(
            name for name, upstream in self.services.items() if self.has_own_credentials(upstream)
        )

    @property
    def services_to_follow(self) -> frozenset[str]:
        """The full names of the services whose changes the gateway can settle and follow to their end.

        It needs credentials of its own for the change and for the operation that the change starts.
        """
        own = self.services_with_own_credentials
        return own if OPERATION_SERVICE in own or OPERATION_SERVICE not in self.services else frozenset()

    @property
    def own_ids(self) -> tuple[str, ...]:
        """The IDs of what the gateway serves: the names of the upstreams of services, and discovery."""
        return (*dict.fromkeys(self.services.values()), OWN_ID)

    @property
    def endpoints(self) -> dict[str, str] | None:
        """The addresses that discovery lists, by ID; None if the address of the gateway is not known."""
        address = self.discovery.own_address(self.grpc.listen)
        return (
            None if address is None else self.discovery.list_endpoints(dict.fromkeys(self.own_ids, address))
        )
