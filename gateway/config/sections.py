"""The sections of the configuration. Each key has a type, a default and a description.

A key accepts only values that are implemented. The gateway refuses all other values.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from gateway.faults import SecretValueError
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
    """The base class of the sections. A section refuses unknown keys, and its values are immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


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


_MAX_DURATION_S = 36500 * 86400  # in microseconds, a duration has to fit in a database column
Duration = Annotated[float, BeforeValidator(parse_duration), Field(le=_MAX_DURATION_S, allow_inf_nan=False)]


def _check_ledger_url(text: str) -> str:
    is_file = text.startswith("sqlite:///") and text != "sqlite:///"
    if not is_file and not _is_postgres_url(text):
        raise SecretValueError(
            "must be sqlite:///FILE or postgresql://user:password@host:port/database; in a user name or a "
            "password, write special characters as %XX"
        )
    return text


def _is_postgres_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        _ = parts.port  # raises an error if the port is not a number, as with a `/` in a password
    except ValueError:
        return False
    return parts.scheme in {"postgresql", "postgres"} and text.startswith(f"{parts.scheme}://")


LedgerUrl = Annotated[str, AfterValidator(_check_ledger_url), Field(repr=False)]


def _listen(port: int) -> Address:
    return Address(host="127.0.0.1", port=port)


class ListenerTls(Section):
    """The paths of the PEM files for TLS of a listener."""

    certificate: Path
    """Certificate chain."""
    key: Path
    """Private key of the certificate."""
    client_ca: Path | None = None
    """CA certificates: callers must present a certificate that one of these authorities signed."""


class Rest(Section):
    """The REST listener."""

    listen: ListenAddress = _listen(8080)
    """Address to listen on."""
    tls: ListenerTls | None = None
    """Serve TLS; plaintext when not set, with a warning at the start when the address is not on loopback."""
    print_defaults: bool = False
    """Include fields with default values in responses; the cloud omits them."""
    max_connections: int = Field(1024, ge=1, le=1_000_000)
    """Maximum of open connections; one more replaces the connection that is idle longest, or gets 503."""
    max_connections_per_address: int = Field(256, ge=1, le=1_000_000)
    """The same for each IPv4 address or IPv6 /64 network; raise it behind a proxy."""


class Grpc(Section):
    """The gRPC listener."""

    listen: ListenAddress = _listen(8081)
    """Address to listen on."""
    tls: ListenerTls | None = None
    """Serve TLS; plaintext when not set, with a warning at the start when the address is not on loopback."""
    max_connections: int = Field(512, ge=1, le=1_000_000)
    """Maximum of open connections; one more is closed."""
    max_connections_per_address: int = Field(64, ge=1, le=1_000_000)
    """The same for each IPv4 address or IPv6 /64 network, enforced each second; raise it behind a proxy."""
    max_streams: int = Field(100, ge=1, le=10_000)
    """Maximum of concurrent calls on one connection; further calls wait in the client or are refused."""
    idle_s: float = Field(300, ge=1, le=86400)
    """Seconds after which a connection without calls is closed."""
    age_s: float = Field(3600, ge=1, le=2_000_000)
    """Seconds after which a connection is closed when its calls have ended; clients open another one."""


class Admin(Section):
    """The admin listener, which serves health and metrics. Callers should have no access to this listener."""

    listen: ListenAddress = _listen(9090)
    """Address to listen on."""
    tls: ListenerTls | None = None
    """Serve TLS; plaintext when not set, with a warning at the start when the address is not on loopback."""


class Upstream(Section):
    """One gRPC server that calls are forwarded to."""

    address: TargetAddress
    """Host and port."""
    tls: bool = True
    """Connect with TLS; `false` is plaintext, with a warning at the start when it is not on loopback."""
    root_certificates: Path | None = None
    """PEM file of the authorities to trust instead of the default ones."""


class Api(Section):
    """The services that the gateway serves, and the upstream of each service."""

    descriptor_sets: tuple[Path, ...] = ()
    """Further FileDescriptorSet files, with all their imports."""
    services: dict[str, str | None] = {
        "yandex.cloud.baremetal.v1alpha.ImageService": "baremetal",
        "yandex.cloud.operation.OperationService": "operation",
    }
    """Full name of a service → name of its upstream; `null` removes a default."""
    pass_metadata: tuple[MetadataName, ...] = ()
    """Further headers and metadata of the caller that are forwarded to the upstream; `…-bin` is binary."""


class Policies(Section):
    """The policy bundle."""

    path: Path = Path("policies")
    """Folder of the bundle, or one file."""
    reload: bool = True
    """Reload policies and descriptor sets when a file changes; after a fault the active ones stay."""
    settle_s: float = Field(2, gt=0, le=300)
    """Seconds for which files have to be unchanged before they are reloaded."""
    allow_removal: bool = True
    """Whether a reload may remove rules, bindings or denials; `false` keeps the active bundle instead."""
    on_error: Literal["refuse", "last_good"] = "refuse"
    """When the bundle is invalid at the start: `refuse` to start, or fall back to the `last_good` bundle."""
    last_good: Path = Path("last-good-bundle.json")
    """File of the last good bundle. It is written with `on_error: last_good`."""
    public_key: Path | None = None
    """PEM file of an Ed25519 public key: only bundles signed with it (`bundle.sig`) become active."""
    shadow: Path | None = None
    """A second bundle, evaluated for each call too: differences are counted and logged, not enforced."""


class DecisionLog(FileSection, Section):
    """The sink that receives a record of each decision. The base class adds the keys of the file sink."""

    type: SinkName | None = None
    """`stdout`: JSON lines on standard output; `file`: the same in a file; `none`: nowhere. When not
    set, it is `none` with the ledger and `stdout` without it."""
    when_full: Literal["refuse", "drop"] = "refuse"
    """When a record cannot be written: `refuse` the call with 503, or `drop` the record and count it."""
    capacity: int = Field(4096, ge=1, le=1_000_000)
    """Records that may wait to be written."""


class Source(Section):
    """Object Storage hosts, for the function objectStorage() of policies."""

    hosts: tuple[str, ...] = DEFAULT_HOSTS.storage
    """Hosts of the service; the name of a bucket may precede each."""
    website_hosts: tuple[str, ...] = DEFAULT_HOSTS.website
    """Hosts under which buckets are published as sites."""

    @model_validator(mode="after")
    def _check(self) -> Source:
        Hosts(storage=self.hosts, website=self.website_hosts)
        return self


class Credentials(Section):
    """The credentials that are sent to the upstream."""

    type: Literal["passthrough"] = "passthrough"
    """`passthrough`: the caller's own `authorization` is forwarded."""


OWN_SERVICES = {"baremetal_gateway.v1.Operations": "yandex.cloud.operation.OperationService"}
"""The services that the gateway itself serves, and the service of an upstream that each one needs."""

_CALLER_FIELDS = {"none": frozenset({"address"})}


class Callers(Section):
    """The identification of callers."""

    type: Literal["none"] = "none"
    """`none`: callers are not identified; the upstream checks their credentials."""

    @property
    def fields(self) -> frozenset[str]:
        """The fields of `caller` that have values under this configuration. All other fields are empty."""
        return _CALLER_FIELDS[self.type]


class LedgerSection(Section):
    """The durable record of calls, and of the intents of changes."""

    enabled: bool = True
    """Whether calls are recorded durably; `false` turns off all work that needs it."""
    url: LedgerUrl = "sqlite:///ledger.db"
    """`sqlite:///FILE` for one process, `postgresql://user:password@host/database` for several replicas."""
    durability: Literal["power", "process"] = "power"
    """What a committed event survives: loss of `power` (fsync for each commit), or end of the `process`."""
    when_full: Literal["drop", "refuse"] = "drop"
    """When too many records of calls that are not forwarded changes wait: `drop` and count them, or
    `refuse` the calls with 503."""
    capacity: int = Field(4096, ge=1, le=1_000_000)
    """Records that may wait to be committed."""
    retention: Duration = 400 * 86400
    """Age after which events are removed, as `400d`; `0` keeps them."""
    idempotency_retention: Duration = 86400
    """Time for which an idempotency key belongs to its first call, as `24h`."""
    resend_within: Duration = 3600
    """Age up to which a change of unknown outcome is sent again with its key, as `1h`."""
    lease_s: float = Field(15, ge=1, le=3600)
    """Seconds after which the work of a replica that has ended is taken over by another one."""
    signing_key: Path | None = None
    """PEM file (PKCS#8) of an Ed25519 private key that signs the checkpoints; unsigned when not set."""
    checkpoint_interval: Duration = 60
    """Time between two checkpoints of the ledger's Merkle tree, as `60s`; one more at a clean stop."""
    checkpoints: Path | None = None
    """File to which each checkpoint is appended; keep it, or a copy, where nobody can change both."""
    origin: str = Field("baremetal-gateway/ledger", pattern=r"[!-*,-~]{1,200}")
    """Name of the ledger in its checkpoints, and of the key that signs them."""
    prepared_statements: bool = True
    """Whether PostgreSQL keeps prepared statements; `false` behind a pooler in transaction mode."""


class Limits(Section):
    """The limits for each call, and for all calls together."""

    body_bytes: int = Field(65536, ge=1, le=64 * 1024 * 1024)
    """Largest request body, also after decompression."""
    header_bytes: int = Field(16384, ge=1024, le=1024 * 1024)
    """Largest request line, largest header, and all headers together."""
    elements: int = Field(4096, ge=1, le=1_000_000)
    """Maximum of elements in all lists, maps and field masks of one request; more is 400."""
    concurrency: int = Field(256, ge=1, le=1_000_000)
    """Maximum of concurrent calls; one more gets 429."""
    policy_text: int = Field(4096, ge=64, le=1024 * 1024)
    """Longest text that policies evaluate, in characters, where the API's constraints set no limit."""
    policy_elements: int = Field(256, ge=1, le=65536)
    """Most elements of a list or map that policies evaluate, where the API's constraints set no limit."""
    deadline_s: float = Field(30, gt=0, le=3600)
    """Longest time for a call, in seconds; a caller may request less."""
    wait_s: float = Field(300, gt=0, le=3600)
    """Longest timeout of a wait for an operation, in seconds; `deadline_s` does not apply to a wait."""
    waiters: int = Field(10_000, ge=1, le=1_000_000)
    """Maximum of calls that wait for operations; one more gets 429. They do not count as concurrent calls."""
    attempts: int = Field(4, ge=1, le=10)
    """Maximum of attempts for one call, the first included; 1 turns retries off."""
    drain_s: float | None = Field(None, ge=0, le=3600)
    """Seconds that active calls have to end when the gateway stops; `deadline_s` when not set."""


class Config(Section):
    """The whole configuration."""

    rest: Rest = Rest()
    grpc: Grpc = Grpc()
    admin: Admin = Admin()
    upstreams: dict[str, Upstream] = {
        "baremetal": Upstream(address="baremetal.api.cloud.yandex.net:443"),
        "operation": Upstream(address="operation.api.cloud.yandex.net:443"),
    }
    """A name of your own → where it is. Given names are added to the default ones."""
    api: Api = Api()
    policies: Policies = Policies()
    decision_log: DecisionLog = DecisionLog()
    source: Source = Source()
    credentials: Credentials = Credentials()
    callers: Callers = Callers()
    ledger: LedgerSection = LedgerSection()
    limits: Limits = Limits()
    workers: Literal[1] = 1
    """Number of processes."""

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
        return (*upstreams, *(own for own, needed in OWN_SERVICES.items() if needed in upstreams))
