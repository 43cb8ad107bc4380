"""The section of the gateway's own credentials for upstreams. Each type of credentials has its own keys."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_core import InitErrorDetails

from gateway.config.section import Section
from gateway.config.values import TargetAddress, is_loopback
from gateway.faults import SecretValueError, suggest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import ValidationInfo

METADATA_ADDRESS_VARIABLE = "YC_METADATA_ADDR"
"""The environment variable with which the cloud's SDKs set the address of the metadata service."""

_TOKEN = re.compile(r"[\x21-\x7e]{1,6144}")
_HOST = re.compile(r"(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?")


class PassthroughCredentials(Section):
    """The caller's own credentials are forwarded."""

    type: Literal["passthrough"] = "passthrough"
    """What upstreams receive as `authorization`: the caller's own (`passthrough`), or a token of the gateway.
    The keys below belong to one type each; [credentials.md](credentials.md) describes the types."""


class ServiceAccountKeyCredentials(Section):
    """The gateway signs a JSON Web Token with the authorized key of a service account."""

    type: Literal["service_account_key"] = "service_account_key"
    file: Path
    """JSON file of the authorized key (`id`, `service_account_id`, `private_key`); reloaded on a change."""
    iam: TargetAddress = "iam.api.cloud.yandex.net:443"
    """Host and port of the IAM service, which issues tokens."""
    tls: bool = True
    """Connect to the IAM service with TLS; `false` only on loopback."""
    root_certificates: Path | None = None
    """PEM file of the authorities to trust for the IAM service instead of the default ones."""
    audience: str = Field("https://iam.api.cloud.yandex.net/iam/v1/tokens", min_length=1)
    """The `aud` of the JSON Web Token."""

    @field_validator("tls", mode="after")
    @classmethod
    def _check_tls(cls, value: bool, info: ValidationInfo) -> bool:  # noqa: FBT001 - the value of the key
        host = str(info.data.get("iam", "")).rpartition(":")[0]
        if not value and not is_loopback(host):
            raise ValueError("the IAM service needs TLS, because its address is not on loopback")
        return value


class MetadataCredentials(Section):
    """The metadata service of the virtual machine issues tokens for its service account."""

    type: Literal["metadata"] = "metadata"
    address: str = "169.254.169.254"
    """Host, or host and port, of the metadata service; `YC_METADATA_ADDR` in the environment changes the
    default."""

    @field_validator("address", mode="after")
    @classmethod
    def _check_address(cls, value: str) -> str:
        if not _HOST.fullmatch(value):
            raise ValueError("the address of the metadata service is a host, or host:port")
        return value


class StaticCredentials(Section):
    """A token from the configuration, which is never refreshed."""

    type: Literal["static"] = "static"
    token: SecretStr
    """The token, without the word Bearer. Set it in the environment: `GATEWAY__CREDENTIALS__TOKEN`."""

    @field_validator("token", mode="before")
    @classmethod
    def _check_token(cls, value: Any) -> Any:
        given = value.get_secret_value() if isinstance(value, SecretStr) else value
        if not isinstance(given, str) or not _TOKEN.fullmatch(given):
            raise SecretValueError(
                "must be a text of visible ASCII characters without spaces, at most 6144 of them; "
                "leave out the word Bearer, and put a token that YAML reads as a number in quotes"
            )
        return value


class FileCredentials(Section):
    """A token from a file that another program renews."""

    type: Literal["file"] = "file"
    path: Path
    """File with the token and nothing else; reloaded when it changes."""


class WorkloadIdentityCredentials(Section):
    """A token of another system, such as Kubernetes, is exchanged for a token of a service account."""

    type: Literal["workload_identity"] = "workload_identity"
    service_account_id: str = Field(min_length=1, max_length=50)
    """ID of the service account that a federated credential lets the workload act as."""
    token_file: Path
    """File with the workload's token, as Kubernetes mounts it; it is read again for each exchange."""
    url: str = "https://auth.yandex.cloud/oauth/token"
    """Where tokens are exchanged (RFC 8693); `http` only on loopback."""
    root_certificates: Path | None = None
    """PEM file of the authorities to trust for `url` instead of the default ones."""
    subject_token_type: str = Field("urn:ietf:params:oauth:token-type:id_token", min_length=1)
    """Type of the workload's token."""

    @field_validator("url", mode="after")
    @classmethod
    def _check_url(cls, value: str) -> str:
        if not _is_endpoint(value):
            raise SecretValueError(
                "must be https://host/path, without user and password; http:// is accepted only on loopback"
            )
        return value


CredentialsSection: TypeAlias = (
    PassthroughCredentials
    | ServiceAccountKeyCredentials
    | MetadataCredentials
    | StaticCredentials
    | FileCredentials
    | WorkloadIdentityCredentials
)
"""The section of any type of credentials."""

TYPES: Mapping[str, type[CredentialsSection]] = {
    "passthrough": PassthroughCredentials,
    "service_account_key": ServiceAccountKeyCredentials,
    "metadata": MetadataCredentials,
    "static": StaticCredentials,
    "file": FileCredentials,
    "workload_identity": WorkloadIdentityCredentials,
}
"""The sections by their types."""


def parse_credentials(value: Any) -> Any:
    """Return the section for a mapping. The key `type` selects which keys are accepted.

    pydantic would put the type into the path of each fault. This function reports the keys as they are
    written, and names the type to which a refused key belongs.

    Raises:
        ValidationError: a key is not accepted.
    """
    if value is None or isinstance(value, Section):
        return value
    if not isinstance(value, dict):
        raise _errors({(): "must be a mapping with the key type, as {type: passthrough}"})
    kind = value.get("type", "passthrough")
    section = TYPES.get(kind) if isinstance(kind, str) else None
    if section is None:
        hint = suggest(kind, TYPES) if isinstance(kind, str) else ""
        raise _errors({("type",): f"is not accepted; use one of {', '.join(TYPES)}{hint}"})
    refused: dict[tuple[str, ...], str] = {
        (str(key),): _refuse(str(key), kind) for key in value if key not in section.model_fields
    }
    if refused:
        raise _errors(refused)
    return section.model_validate(value)


def is_own(section: CredentialsSection) -> bool:
    """Return whether a section describes credentials of the gateway's own."""
    return not isinstance(section, PassthroughCredentials)


def _refuse(key: str, kind: str) -> str:
    owners = [name for name, section in TYPES.items() if key in section.model_fields]
    if owners:
        return f"has no effect with type {kind}; it is a key of type {' and '.join(owners)}"
    accepted = sorted(TYPES[kind].model_fields)
    return f"unknown key{suggest(key, accepted)}; accepted with type {kind}: {', '.join(accepted)}"


def _errors(messages: Mapping[tuple[str, ...], str]) -> ValidationError:
    """Return an error whose faults show no values, because any of them may be a token."""
    details = [
        InitErrorDetails(type="value_error", loc=path, input=None, ctx={"error": SecretValueError(message)})
        for path, message in messages.items()
    ]
    return ValidationError.from_exception_data("credentials", details)


def _is_endpoint(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises an error if the port is not a number
    except ValueError:
        return False
    if not parts.hostname or "@" in parts.netloc or parts.fragment:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname))


Credentials: TypeAlias = Annotated[CredentialsSection, BeforeValidator(parse_credentials)]
"""The value of a key `credentials`."""
