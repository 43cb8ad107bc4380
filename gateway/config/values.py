"""The types of values in the configuration: addresses, durations and names of metadata."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from gateway.addresses import parse_host

if TYPE_CHECKING:
    from collections.abc import Iterable

_ADDRESS = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[^\s:\[\]/]*):(?P<port>[0-9]{1,5})")


_METADATA_NAME = re.compile(r"[a-z0-9][a-z0-9.-]*")


_RESERVED_METADATA = re.compile(
    r"grpc-.*|connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|host|content-.*|accept.*|expect|"
    r"cookie|forwarded|user-agent|traceparent|tracestate|x-request-id|x-server-trace-id|x-policy-.*"
)


_LAST_PORT = 65535


class Address(BaseModel):
    """The address of a listener. Port 0 means any free port."""

    model_config = ConfigDict(frozen=True)

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: Any) -> Any:
    """Parse an address of the form `host:port`, `[::1]:port` or `:port`.

    An address without a host means every interface.

    Raises:
        ValueError: the text has another form.
    """
    if isinstance(text, Address):
        return text
    match = _match_address(text)
    if match is None:
        raise ValueError("an address is host:port, as 127.0.0.1:8080 or [::1]:8080")
    return Address(host=match["host"].strip("[]"), port=int(match["port"]))


def is_loopback(host: str) -> bool:
    """Return whether a host is an address of the loopback interface, or `localhost`. Other names are not."""
    address = parse_host(host.strip("[]"))
    return address.is_loopback if address is not None else host.lower() == "localhost"


def _match_address(text: Any) -> re.Match[str] | None:
    match = _ADDRESS.fullmatch(text) if isinstance(text, str) else None
    return match if match and int(match["port"]) <= _LAST_PORT else None


def _parse_target(text: Any) -> Any:
    match = _match_address(text)
    if match is None or not match["host"] or match["port"] == "0":
        raise ValueError("an address to connect to is host:port, as api.example.com:443")
    return text


def _check_metadata_name(text: str) -> str:
    if not _METADATA_NAME.fullmatch(text) or _RESERVED_METADATA.fullmatch(text):
        raise ValueError(
            "a name consists of a-z, 0-9, '-' and '.', and is not used by HTTP, gRPC or the gateway"
        )
    return text


MetadataName = Annotated[str, AfterValidator(_check_metadata_name)]


ListenAddress = Annotated[Address, BeforeValidator(parse_address)]


TargetAddress = Annotated[str, BeforeValidator(_parse_target)]


_DURATION = re.compile(r"(?P<number>[0-9]{1,9})(?P<unit>[smhd]?)")


_UNITS_S = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_duration(value: Any) -> Any:
    """Return a duration in seconds. Durations are numbers, or texts such as `90s`, `15m`, `24h` or `30d`."""
    match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if match:
        return int(match["number"]) * _UNITS_S[match["unit"]]
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise ValueError("a duration is a number with a unit, as 90s, 15m, 24h or 30d")
    return value


def show_duration(seconds: float) -> str | float:
    """Return a duration as a text with the largest unit that fits, or the number if there is no such unit."""
    for unit in reversed("smhd"):
        if seconds and seconds % _UNITS_S[unit] == 0:
            return f"{int(seconds) // _UNITS_S[unit]}{unit}"
    return seconds or "0s"


def is_duration(metadata: Iterable[Any]) -> bool:
    """Return whether the metadata of a field are those of a duration."""
    return any(isinstance(one, BeforeValidator) and one.func is parse_duration for one in metadata)


_MAX_DURATION_S = 36500 * 86400  # in microseconds, a duration has to fit in a database column


Duration = Annotated[float, BeforeValidator(parse_duration), Field(le=_MAX_DURATION_S, allow_inf_nan=False)]
