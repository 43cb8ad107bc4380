"""Tokens that are given to the gateway: in the configuration, or in a file."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gateway.upstream.credentials.access_token import AccessToken
from gateway.upstream.credentials.secret_files import read_token

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import SecretStr


class StaticToken:
    """A token from the configuration."""

    def __init__(self, token: SecretStr) -> None:
        self._token = AccessToken(token.get_secret_value(), math.inf)

    async def fetch(self) -> AccessToken:
        """Return the token, which is always the same one."""
        return self._token

    def load(self) -> None:
        """Do nothing, because there is no file."""

    async def close(self) -> None:
        """Do nothing, because there is no connection."""


class TokenFile:
    """A token in a file that another program renews.

    Raises:
        FaultsError: the file has faults.
    """

    def __init__(self, path: Path, key: str) -> None:
        self._path = path
        self._key = key
        self.load()

    def load(self) -> None:
        """Read the file."""
        value = read_token(self._path, self._key)
        self._token = AccessToken(value, math.inf)

    async def fetch(self) -> AccessToken:
        """Return the token that was read last."""
        return self._token

    async def close(self) -> None:
        """Do nothing, because there is no connection."""
