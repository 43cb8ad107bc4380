"""The sections of the configuration, and the functions that load and check the configuration."""

from gateway.config.load import load_config
from gateway.config.plaintext import find_plaintext
from gateway.config.sections import (
    OWN_SERVICES,
    Address,
    Config,
    Grpc,
    Limits,
    ListenerTls,
    Policies,
    Upstream,
)

__all__ = [
    "OWN_SERVICES",
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
