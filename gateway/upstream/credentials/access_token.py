"""The token that upstreams receive, and what every source of tokens has."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Protocol

_VALUE = re.compile(r"[\x21-\x7e]{1,6144}")


class CredentialsError(Exception):
    """A source has no token at present. The text is the reason for operators, without secrets."""


@dataclass(frozen=True, slots=True, eq=False)
class AccessToken:
    """A token. The repr does not show it.

    Attributes:
        value: the token.
        expires_at: the time at which the token expires, in seconds since 1970; infinite if it is not known.
        authorization: the value of the metadata `authorization`.
    """

    value: str = field(repr=False)
    expires_at: float
    authorization: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "authorization", f"Bearer {self.value}")


class TokenSource(Protocol):
    """Where tokens come from."""

    async def fetch(self) -> AccessToken:
        """Return a new token.

        Raises:
            CredentialsError: there is no token at present.
        """
        ...

    def load(self) -> None:
        """Read the files. If they have faults, what was read before stays in use.

        Raises:
            FaultsError: a file has faults.
        """
        ...

    async def close(self) -> None:
        """Close connections."""
        ...


def make_token(value: object, expires_at: float, origin: str) -> AccessToken:
    """Return a token whose value was received.

    Args:
        value: the received value.
        expires_at: the time at which the token expires, in seconds since 1970.
        origin: the name of the peer that issued the token.

    Raises:
        CredentialsError: the value cannot be sent as metadata.
    """
    if not isinstance(value, str) or not _VALUE.fullmatch(value):
        raise CredentialsError(f"{origin} returned no token, or one that cannot be sent")
    return AccessToken(value, expires_at)
