"""The section of the limits."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator, Field

from gateway.config.rates import RateText
from gateway.config.section import Section
from gateway.faults import SecretValueError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.faults import Path

_STORE_SCHEMES = frozenset({"redis", "rediss", "valkey", "valkeys"})
_STORE_OPTIONS = frozenset({"ssl_ca_certs", "ssl_certfile", "ssl_keyfile"})
_DATABASE = re.compile(r"(?:/[0-9]{0,5})?", re.ASCII)
_HAS_NO_EFFECT = "has no effect"


def _check_store_url(text: str) -> str:
    if not _is_store_url(text):
        raise SecretValueError(
            "must be redis://user:password@host:port/database; valkey:// is the same, rediss:// and "
            "valkeys:// use TLS, with the options ssl_ca_certs, ssl_certfile and ssl_keyfile; in a user name "
            "or a password, write special characters as %XX"
        )
    return text


def _is_store_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        _ = parts.port  # raises an error if the port is not a number, as with a `/` in a password
    except ValueError:
        return False
    if parts.scheme not in _STORE_SCHEMES or not parts.hostname or parts.fragment:
        return False
    options = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    return _DATABASE.fullmatch(parts.path) is not None and options <= _STORE_OPTIONS


StoreUrl = Annotated[str, AfterValidator(_check_store_url)]


class CallLimits(Section):
    """The limits on calls of one kind."""

    rate: RateText | None = None
    """Rate of these calls, as `20/second`; no limit when not set."""
    concurrency: int | None = Field(None, ge=1, le=1_000_000)
    """Maximum of these calls that are active or in the queue; no limit when not set."""


class Limits(Section):
    """The limits for each call, and for all calls together."""

    body_bytes: int = Field(65536, ge=1, le=64 * 1024 * 1024)
    """Largest request body, also after decompression."""
    header_bytes: int = Field(16384, ge=1024, le=1024 * 1024)
    """Largest request line, largest header, and all headers together."""
    elements: int = Field(4096, ge=1, le=1_000_000)
    """Maximum of elements in all lists, maps and field masks of one request; more is 400."""
    concurrency: int = Field(256, ge=1, le=1_000_000)
    """Maximum of concurrent calls; further ones wait in the queue."""
    queue: int = Field(64, ge=0, le=10_000)
    """Maximum of calls that wait for one of the concurrent calls to end; one more gets 429."""
    queue_s: float = Field(0.2, gt=0, le=60)
    """Longest wait in the queue, in seconds; then 429; a twentieth of it while the queue is never empty."""
    rate: RateText | None = None
    """Rate of all calls together, as `2000/second`; no limit when not set."""
    per_caller: CallLimits = CallLimits()
    per_method: dict[str, CallLimits] = {}
    """Limits on the calls of a method by all callers; the key is the full name `package.Service/Method`."""
    store: StoreUrl | None = Field(None, repr=False)
    """Store that replicas share for rates: `redis://…` or `valkey://…`; each process counts when not set."""
    on_error: Literal["allow", "refuse"] = "allow"
    """When the store does not respond: `allow` calls without checking rates, or `refuse` them with 503."""
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

    @property
    def has_rates(self) -> bool:
        """Whether the rate of any calls is limited."""
        sections = (self.per_caller, *self.per_method.values())
        return self.rate is not None or any(one.rate is not None for one in sections)

    def find_ineffective(self) -> Iterator[tuple[Path, str]]:
        """Yield the path of each setting that cannot have an effect, with the reason."""
        if self.queue == 0 and "queue_s" in self.model_fields_set:
            yield ("limits", "queue_s"), f"{_HAS_NO_EFFECT}: limits.queue is 0, so no call waits"
        if self.store is not None and not self.has_rates:
            message = (
                f"{_HAS_NO_EFFECT}: no rate is set; set limits.rate, limits.per_caller.rate or a method's"
            )
            yield ("limits", "store"), message
        if self.store is None and "on_error" in self.model_fields_set:
            yield ("limits", "on_error"), f"{_HAS_NO_EFFECT}: no limits.store is set"
        yield from self._find_high_concurrency(("limits", "per_caller"), self.per_caller)
        for name, section in self.per_method.items():
            path: Path = ("limits", "per_method", name)
            if section.rate is None and section.concurrency is None:
                yield path, f"{_HAS_NO_EFFECT}: set its rate or its concurrency"
            yield from self._find_high_concurrency(path, section)

    def _find_high_concurrency(self, path: Path, section: CallLimits) -> Iterator[tuple[Path, str]]:
        most = self.concurrency + self.queue
        if section.concurrency is not None and section.concurrency >= most:
            message = f"{_HAS_NO_EFFECT}: limits.concurrency and limits.queue allow {most} calls"
            yield (*path, "concurrency"), message
