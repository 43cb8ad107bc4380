"""The sections of the configuration, and the functions that load and check the configuration."""

from gateway.config.api import DISCOVERY_SERVICE, OWN_SERVICES, WAITING_SERVICE
from gateway.config.callers import CallerKind, Callers, JwtCallers, TokenCallers
from gateway.config.identity import check_open_methods, identity_header
from gateway.config.limits import Limits
from gateway.config.listeners import Grpc, ListenerTls
from gateway.config.load import load_config
from gateway.config.log import LogSection
from gateway.config.plaintext import find_plaintext
from gateway.config.policies import Policies
from gateway.config.rates import Rate
from gateway.config.sections import Config
from gateway.config.telemetry import TelemetrySection
from gateway.config.upstreams import Upstream
from gateway.config.values import Address

__all__ = [
    "DISCOVERY_SERVICE",
    "OWN_SERVICES",
    "WAITING_SERVICE",
    "Address",
    "CallerKind",
    "Callers",
    "Config",
    "Grpc",
    "JwtCallers",
    "Limits",
    "ListenerTls",
    "LogSection",
    "Policies",
    "Rate",
    "TelemetrySection",
    "TokenCallers",
    "Upstream",
    "check_open_methods",
    "find_plaintext",
    "identity_header",
    "load_config",
]
