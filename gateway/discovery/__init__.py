"""Discovery: the methods that return the addresses of services to SDKs."""

from gateway.discovery.methods import DiscoveryMethods

__all__ = ["DiscoveryMethods"]
