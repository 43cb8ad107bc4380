"""IP addresses of callers, and the keys under which they are counted."""

from gateway.addresses.ip_addresses import address_key, parse_host

__all__ = ["address_key", "parse_host"]
