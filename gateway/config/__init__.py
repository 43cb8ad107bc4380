"""The sections of the configuration, and the functions that load and check the configuration."""

from gateway.config.api import OWN_SERVICES
from gateway.config.limits import Limits
from gateway.config.listeners import Grpc, ListenerTls
from gateway.config.load import load_config
from gateway.config.plaintext import find_plaintext
from gateway.config.policies import Policies
from gateway.config.sections import Config
from gateway.config.upstreams import Upstream
from gateway.config.values import Address

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
