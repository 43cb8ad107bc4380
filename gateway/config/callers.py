"""The section of the identification of callers."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from pydantic_core import PydanticKnownError

from gateway.config.rates import Rate, RateText
from gateway.config.section import Section
from gateway.config.values import MetadataName, is_loopback
from gateway.faults import SecretValueError

CallerKind = Literal["mtls", "jwt", "tokens"]
"""A way in which callers are identified."""

Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""An algorithm of signatures. Algorithms with shared keys are not accepted."""

_KINDS = ("mtls", "jwt", "tokens")
_EXPECTED = "'none', 'mtls', 'jwt' or 'tokens', or a list of the last three"
_METHOD = re.compile(r"[A-Za-z_][\w.]*/[A-Za-z_]\w*", re.ASCII)


def _parse_kinds(value: Any) -> Any:
    """Return `none`, or the list of kinds that a text or a list names."""
    if value == "none":
        return value
    kinds = (value,) if isinstance(value, str) else value
    if not isinstance(kinds, list | tuple) or not kinds or any(kind not in _KINDS for kind in kinds):
        raise PydanticKnownError("literal_error", {"expected": _EXPECTED})
    if len(set(kinds)) < len(kinds):
        raise ValueError("a kind of callers is listed twice")
    return tuple(kinds)


def _check_network(text: str) -> str:
    try:
        ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError(
            "a network is an address and a prefix length, as 10.0.0.0/8 or 2001:db8::/32, without host bits"
        ) from error
    return text


def _check_method(text: str) -> str:
    if not _METHOD.fullmatch(text):
        raise ValueError("a method is package.Service/Method")
    return text


def _check_url(text: str) -> str:
    try:
        url = urlsplit(text)
        host, port = url.hostname, url.port
    except ValueError as error:
        raise ValueError("is not a URL") from error
    if url.username is not None or url.password is not None:
        raise SecretValueError("a URL of keys has no user and no password")
    if not host or port == 0 or url.fragment or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("a URL of keys is https://host/path")
    if url.scheme != "https" and not (url.scheme == "http" and is_loopback(host)):
        raise ValueError("a URL of keys starts with https://; http:// is accepted on the loopback interface")
    return text


def _parse_audience(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _check_unique(values: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(values)) < len(values):
        raise ValueError("a value is listed twice")
    return values


Text = Annotated[str, Field(min_length=1, max_length=1024)]
Network = Annotated[str, AfterValidator(_check_network)]
MethodName = Annotated[str, AfterValidator(_check_method)]


class JwtCallers(Section):
    """The JSON web tokens that are accepted, and the keys of their issuer."""

    jwks_url: Annotated[str, AfterValidator(_check_url)] | None = None
    """URL of the issuer's keys (JWKS): https, or http on loopback. Redirects are not followed."""
    jwks_file: Path | None = None
    """File of the issuer's keys instead of a URL. A changed file is loaded again."""
    root_certificates: Path | None = None
    """PEM file of the authorities to trust for `jwks_url` instead of the default ones."""
    issuer: Text
    """Issuer of accepted tokens: the exact value of `iss`."""
    audience: Annotated[tuple[Text, ...], BeforeValidator(_parse_audience), Field(min_length=1)]
    """Audience of accepted tokens, or a list: one of them has to be in `aud`."""
    algorithms: Annotated[tuple[Algorithm, ...], AfterValidator(_check_unique), Field(min_length=1)] = (
        "ES256",
        "RS256",
    )
    """Accepted algorithms. A key is used only for those of its type, or only for its `alg` if it has one."""
    clock_skew_s: float = Field(30, ge=0, le=600)
    """Seconds by which the clock of the issuer may differ."""
    refresh_s: float = Field(300, ge=10, le=86400)
    """Seconds after which a key that `jwks_url` no longer lists is refused, at the latest."""
    groups_claim: Text = "groups"
    """Claim with the groups of the caller: a list of texts, or one text."""

    @model_validator(mode="after")
    def _check_source(self) -> Self:
        given = self.model_fields_set
        if (self.jwks_url is None) == (self.jwks_file is None):
            raise ValueError("exactly one of jwks_url and jwks_file is required")
        if self.jwks_url is None and (unused := given & {"root_certificates", "refresh_s"}):
            raise ValueError(f"{min(unused)} has no effect without jwks_url")
        if self.root_certificates is not None and not (self.jwks_url or "").startswith("https:"):
            raise ValueError("root_certificates has no effect with http")
        return self


class TokenCallers(Section):
    """The tokens that are accepted."""

    file: Path
    """YAML file with the SHA-256 of each token. A changed file is loaded again."""


class Callers(Section):
    """The identification of callers."""

    type: Annotated[Literal["none"] | tuple[CallerKind, ...], BeforeValidator(_parse_kinds)] = "none"
    """`none`: callers are anonymous; else a kind of credentials, or a list that is tried in order."""
    header: MetadataName | None = None
    """Header of JWTs and tokens; see [callers.md](callers.md#the-header) for the default."""
    trusted_proxies: tuple[Network, ...] = ()
    """Networks of proxies whose `X-Forwarded-For` or `Forwarded` header is used for `caller.address`."""
    open_methods: tuple[MethodName, ...] = ()
    """Full names of methods that callers without credentials can call, as `package.Service/Method`."""
    failed_attempts: RateText = Rate(count=60, seconds=60)
    """Maximum of wrong credentials for each IPv4 address or IPv6 /64 network; one more gets 429."""
    jwt: JwtCallers | None = None
    """JSON web tokens; required by the kind `jwt`."""
    tokens: TokenCallers | None = None
    """Tokens; required by the kind `tokens`."""

    @property
    def kinds(self) -> tuple[CallerKind, ...]:
        """The kinds of credentials in the order in which they are tried; none if callers are anonymous."""
        return () if self.type == "none" else self.type

    @property
    def uses_header(self) -> bool:
        """Whether a kind of credentials is sent in a header."""
        return any(kind != "mtls" for kind in self.kinds)

    @property
    def fields(self) -> frozenset[str]:
        """The fields of `caller` that have values under this configuration. All other fields are empty."""
        if not self.kinds:
            return frozenset({"address"})
        fields = frozenset({"address", "kind", "id", "claims"})
        return fields | {"groups"} if self.uses_header else fields
