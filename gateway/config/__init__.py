"""The configuration: its sections, and how it is read."""

from gateway.config.load import load_config
from gateway.config.plaintext import find_plaintext
from gateway.config.sections import Address, Config, Grpc, Limits, ListenerTls, Policies, Upstream

__all__ = [
    "Address",
    "Config",
    "Grpc",
    "Limits",
    "ListenerTls",
    "Policies",
    "Upstream",
    "find_plaintext",
    "load_config",
]
