"""The gateway's own credentials for upstreams: where tokens come from, and how they are refreshed."""

from gateway.upstream.credentials.credential import Credential
from gateway.upstream.credentials.errors import (
    CREDENTIALS_REFUSED,
    CREDENTIALS_UNAVAILABLE,
    RefusedCredentialsError,
)

__all__ = ["CREDENTIALS_REFUSED", "CREDENTIALS_UNAVAILABLE", "Credential", "RefusedCredentialsError"]
