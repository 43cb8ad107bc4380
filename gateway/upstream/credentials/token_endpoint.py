"""An HTTP endpoint that issues tokens, as OAuth 2.0 describes: JSON with `access_token` and `expires_in`."""

from __future__ import annotations

import asyncio
import math
import time
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson

from gateway.quoting import escape_line
from gateway.redaction import redact_text
from gateway.upstream.credentials.access_token import CredentialsError, make_token

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    from gateway.upstream.credentials.access_token import AccessToken

_MAX_BYTES = 64 * 1024
_MAX_SHOWN = 200
_OK = 200


class TokenEndpoint:
    """Makes requests to one endpoint. It follows no redirects and uses no proxy."""

    def __init__(self, url: str, tls: ssl.SSLContext | bool = True) -> None:  # noqa: FBT001, FBT002 - as in aiohttp
        """Initialize the endpoint.

        Args:
            url: the URL of the endpoint.
            tls: the TLS context; true for the default authorities.
        """
        self._url = url
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None

    async def request(
        self, http_method: str, *, headers: Mapping[str, str] | None = None, form: Any = None
    ) -> AccessToken:
        """Make a request, and return the token of its response.

        Args:
            http_method: the HTTP method.
            headers: the request headers.
            form: the fields of the form that is the request body; None for no body.

        Raises:
            CredentialsError: the endpoint cannot be reached, or its response contains no token.
        """
        if self._session is None:
            self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        sending = self._session.request(
            http_method, self._url, headers=headers, data=form, ssl=self._tls, allow_redirects=False
        )
        try:
            async with sending as response:
                data = await response.content.read(_MAX_BYTES + 1)
                while len(data) <= _MAX_BYTES and (more := await response.content.read(_MAX_BYTES)):
                    data += more
                return self._read(response.status, data)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # The text of an exception may quote what the peer has sent.
            reason = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
            raise CredentialsError(f"{self._url} cannot be used: {_shown(reason)}") from None

    def _read(self, status: int, data: bytes) -> AccessToken:
        try:
            found = orjson.loads(data) if len(data) <= _MAX_BYTES else None
        except ValueError:
            found = None
        body: dict[str, Any] = found if isinstance(found, dict) else {}
        if status != _OK:
            details = ": ".join(
                _shown(str(body[key])) for key in ("error", "error_description") if key in body
            )
            raise CredentialsError(
                f"{self._url} responded with HTTP {status}" + (f": {details}" if details else "")
            )
        life_s = body.get("expires_in")
        if isinstance(life_s, bool) or not isinstance(life_s, int | float) or not math.isfinite(life_s):
            raise CredentialsError(f"{self._url} returned no expires_in")
        return make_token(body.get("access_token"), time.time() + life_s, self._url)

    async def close(self) -> None:
        """Close the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()
            await asyncio.sleep(0)  # lets transports end


def _shown(text: str) -> str:
    return escape_line(redact_text(text, _MAX_SHOWN))
