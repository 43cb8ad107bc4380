"""The errors of calls for which the gateway has no usable credentials. The upstream has not acted on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.errors import Code, GatewayError

if TYPE_CHECKING:
    from gateway.upstream.credentials.access_token import AccessToken
    from gateway.upstream.credentials.credential import Credential

CREDENTIALS_UNAVAILABLE = "CREDENTIALS_UNAVAILABLE"
"""The reason of the error for a call without a valid token. Nothing was sent."""
CREDENTIALS_REFUSED = "CREDENTIALS_REFUSED"
"""The reason of the error for a call whose token the upstream does not accept."""


class RefusedCredentialsError(GatewayError):
    """The upstream does not accept the gateway's token. The caller is not the cause.

    Attributes:
        credential: the credential that gave the token.
        token: the token.
    """

    def __init__(self, upstream: str, credential: Credential, token: AccessToken) -> None:
        super().__init__(
            Code.UNAVAILABLE,
            CREDENTIALS_REFUSED,
            f"the upstream {upstream} does not accept the gateway's own credentials; try again later, and "
            "report this to the operator of the gateway",
        )
        self.credential = credential
        self.token = token


def credentials_unavailable(name: str) -> GatewayError:
    """Return the error for a call without a valid token.

    Args:
        name: the name of the credentials.
    """
    return GatewayError(
        Code.UNAVAILABLE,
        CREDENTIALS_UNAVAILABLE,
        f"the gateway has no valid token at present for what needs its credentials {name}; try again later",
    )
