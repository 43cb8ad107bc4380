"""The sections of the configuration, each key with its default beside it.

A key whose other values are not served yet accepts only those that are, so that
nobody believes to be protected by a setting without effect.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from gateway.object_storage import DEFAULT_HOSTS, Hosts
from gateway.sinks import FileSection, SinkName

_ADDRESS = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[^\s:\[\]/]*):(?P<port>[0-9]{1,5})")

_METADATA_NAME = re.compile(r"[a-z0-9][a-z0-9.-]*")
_RESERVED_METADATA = re.compile(
    r"grpc-.*|connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|host|content-.*|accept.*|expect|"
    r"cookie|forwarded|user-agent|traceparent|tracestate|x-request-id|x-server-trace-id|x-policy-.*"
)

_LAST_PORT = 65535


class Section(BaseModel):
    """A part of the configuration: unknown keys are refused, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Address(BaseModel):
    """Where a listener waits. Port 0 takes a free one."""

    model_config = ConfigDict(frozen=True)

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: Any) -> Any:
    """Read `host:port`, `[::1]:port` or `:port` (every interface).

    Raises:
        ValueError: it is not of that form.
    """
    if isinstance(text, Address):
        return text
    match = _match_address(text)
    if match is None:
        raise ValueError("an address is host:port, as 127.0.0.1:8080 or [::1]:8080")
    return Address(host=match["host"].strip("[]"), port=int(match["port"]))


def _match_address(text: Any) -> re.Match[str] | None:
    match = _ADDRESS.fullmatch(text) if isinstance(text, str) else None
    return match if match and int(match["port"]) <= _LAST_PORT else None


def _parse_target(text: Any) -> Any:
    match = _match_address(text)
    if match is None or not match["host"] or match["port"] == "0":
        raise ValueError("an upstream's address is host:port")
    return text


def _check_metadata_name(text: str) -> str:
    if not _METADATA_NAME.fullmatch(text) or _RESERVED_METADATA.fullmatch(text):
        raise ValueError("a name is of a-z, 0-9, '-' and '.', and none that HTTP, gRPC or the gateway uses")
    return text


MetadataName = Annotated[str, AfterValidator(_check_metadata_name)]
ListenAddress = Annotated[Address, BeforeValidator(parse_address)]
TargetAddress = Annotated[str, BeforeValidator(_parse_target)]


def _listen(port: int) -> Address:
    return Address(host="127.0.0.1", port=port)


class ListenerTls(Section):
    """TLS of a listener, from PEM files."""

    certificate: Path
    """Certificate chain."""
    key: Path
    """Private key of the certificate."""
    client_ca: Path | None = None
    """Callers must show a certificate that one of these authorities signed."""


class Rest(Section):
    """The REST listener."""

    listen: ListenAddress = _listen(8080)
    """Address to listen on."""
    tls: ListenerTls | None = None
    """Serve TLS; plaintext when not set: beyond loopback a warning at the start."""
    print_defaults: bool = False
    """Show fields of default value in replies; the cloud leaves them out."""
    max_connections: int = Field(1024, ge=1, le=1_000_000)
    """Connections open at once; one more takes the place of the longest idle one, or is refused with 503."""
    max_connections_per_address: int = Field(256, ge=1, le=1_000_000)
    """The same for each IPv4 address or IPv6 /64 network; raise it behind a proxy."""


class Grpc(Section):
    """The gRPC listener."""

    listen: ListenAddress = _listen(8081)
    """Address to listen on."""
    tls: ListenerTls | None = None
    """Serve TLS; plaintext when not set: beyond loopback a warning at the start."""
    max_connections: int = Field(512, ge=1, le=1_000_000)
    """Connections open at once; one more is closed."""
    max_connections_per_address: int = Field(64, ge=1, le=1_000_000)
    """The same for each IPv4 address or IPv6 /64 network, enforced each second; raise it behind a proxy."""
    max_streams: int = Field(100, ge=1, le=10_000)
    """Calls under way at once on one connection; further ones wait in the client or are refused."""
    idle_s: float = Field(300, ge=1, le=86400)
    """A connection without calls is closed after so many seconds."""
    age_s: float = Field(3600, ge=1, le=2_000_000)
    """A connection is closed after so many seconds, once its calls have ended; clients open another one."""


class Admin(Section):
    """The admin listener: health and metrics. Keep it away from callers."""

    listen: ListenAddress = _listen(9090)
    """Address to listen on."""
    tls: ListenerTls | None = None
    """Serve TLS; plaintext when not set: beyond loopback a warning at the start."""


class Upstream(Section):
    """One gRPC server that calls are forwarded to."""

    address: TargetAddress
    """Host and port."""
    tls: bool = True
    """Connect with TLS; `false` is plaintext, for sidecars: beyond loopback a warning at the start."""
    root_certificates: Path | None = None
    """PEM file of the authorities to trust instead of the usual ones."""


class Api(Section):
    """Which services are served, and from where."""

    descriptor_sets: tuple[Path, ...] = ()
    """Further FileDescriptorSet files, with all their imports."""
    services: dict[str, str | None] = {
        "yandex.cloud.baremetal.v1alpha.ImageService": "baremetal",
        "yandex.cloud.operation.OperationService": "operation",
    }
    """Full name of a service → name of its upstream; `null` takes a default away."""
    pass_metadata: tuple[MetadataName, ...] = ()
    """Further headers and metadata of the caller that go on to the upstream; `…-bin` is binary."""


class Policies(Section):
    """The bundle that decides."""

    path: Path = Path("policies")
    """Folder of the bundle, or one file."""
    reload: bool = True
    """Reload policies and descriptor sets when a file changes; a fault leaves the last good state."""
    settle_s: float = Field(2, gt=0, le=300)
    """Seconds for which files have to stay unchanged before a reload takes them."""
    allow_removal: bool = True
    """Whether a reload may remove rules, bindings or what denies; `false` keeps the active bundle instead."""
    on_error: Literal["refuse", "last_good"] = "refuse"
    """At a start beside a bad bundle: `refuse` to start, or serve with the `last_good` one that was kept."""
    last_good: Path = Path("last-good-bundle.json")
    """File that keeps the last good bundle. It is written with `on_error: last_good`."""
    public_key: Path | None = None
    """PEM file of an Ed25519 key: only a bundle that it finds signed (`bundle.sig`) is put in force."""
    shadow: Path | None = None
    """A second bundle, judged beside the one in force: differences are counted and logged, not enforced."""


class DecisionLog(FileSection, Section):
    """Where each decision is recorded. A sink with keys of its own adds them by its section."""

    type: SinkName = SinkName.STDOUT
    """`stdout`: JSON lines on standard output; `file`: the same in a file; `none`: nowhere."""
    when_full: Literal["refuse", "drop"] = "refuse"
    """When a record cannot be written: `refuse` the call with 503, or `drop` the record and count it."""
    capacity: int = Field(4096, ge=1, le=1_000_000)
    """Records that may wait to be written."""


class Source(Section):
    """Object Storage, as the policies' objectStorage() knows it."""

    hosts: tuple[str, ...] = DEFAULT_HOSTS.storage
    """Names of the service; a bucket's own name may stand before each."""
    website_hosts: tuple[str, ...] = DEFAULT_HOSTS.website
    """Names under which buckets are published as sites."""

    @model_validator(mode="after")
    def _check(self) -> Source:
        Hosts(storage=self.hosts, website=self.website_hosts)
        return self


class Credentials(Section):
    """Whose credentials the upstream sees."""

    type: Literal["passthrough"] = "passthrough"
    """`passthrough`: the caller's own `authorization` is passed on."""


_CALLER_FIELDS = {"none": frozenset({"address"})}


class Callers(Section):
    """How callers are told apart."""

    type: Literal["none"] = "none"
    """`none`: anyone who reaches a listener may call; the upstream judges their credentials."""

    @property
    def fields(self) -> frozenset[str]:
        """The fields of `caller` that the callers of this configuration have; policies find others empty."""
        return _CALLER_FIELDS[self.type]


class Ledger(Section):
    """The durable record of calls. This version keeps none: setting a key is accepted with a warning."""

    url: str = "sqlite:///ledger.db"
    """Database of the ledger. Not in effect yet: decisions are logged, nothing is recorded durably."""
    durability: Literal["power", "process"] = "power"
    """What a record has to survive: loss of power, or of the process. Not in effect yet."""


class Limits(Section):
    """Bounds on what one call, and all calls together, may take."""

    body_bytes: int = Field(65536, ge=1, le=64 * 1024 * 1024)
    """Largest request body, also after decompression."""
    header_bytes: int = Field(16384, ge=1024, le=1024 * 1024)
    """Largest request line, largest header, and all headers together."""
    elements: int = Field(4096, ge=1, le=1_000_000)
    """Elements that the lists, maps and field masks of one request may have together; more is 400."""
    concurrency: int = Field(256, ge=1, le=1_000_000)
    """Calls under way at once; one more is answered 429."""
    policy_text: int = Field(4096, ge=64, le=1024 * 1024)
    """Longest text that policies evaluate, in characters, where the API's constraints set no bound."""
    policy_elements: int = Field(256, ge=1, le=65536)
    """Most elements of a list or map that policies evaluate, where the API's constraints set no bound."""
    deadline_s: float = Field(30, gt=0, le=3600)
    """Longest time for a call, in seconds; a caller may ask for less."""
    drain_s: float | None = Field(None, ge=0, le=3600)
    """Seconds that calls under way have to end when the gateway stops; `deadline_s` when not set."""


class Config(Section):
    """The whole configuration."""

    rest: Rest = Rest()
    grpc: Grpc = Grpc()
    admin: Admin = Admin()
    upstreams: dict[str, Upstream] = {
        "baremetal": Upstream(address="baremetal.api.cloud.yandex.net:443"),
        "operation": Upstream(address="operation.api.cloud.yandex.net:443"),
    }
    """A name of your own → where it is. Given names add to the default ones."""
    api: Api = Api()
    policies: Policies = Policies()
    decision_log: DecisionLog = DecisionLog()
    source: Source = Source()
    credentials: Credentials = Credentials()
    callers: Callers = Callers()
    ledger: Ledger = Ledger()
    limits: Limits = Limits()
    workers: Literal[1] = 1
    """Processes that serve."""

    @property
    def services(self) -> dict[str, str]:
        """Full name of each service served → name of its upstream."""
        return {name: upstream for name, upstream in self.api.services.items() if upstream is not None}
