"""Logs calls of methods that are not served. A caller cannot flood the log with such calls."""

from __future__ import annotations

import asyncio
import logging

from gateway.errors import Code, GatewayError
from gateway.quoting import quote

_log = logging.getLogger(__name__)

INTERVAL_S = 60.0
MAX_LINES = 10
"""The number of lines that are logged in each interval. Further calls are only counted."""


class UnknownMethods:
    """The calls of methods that are not served."""

    def __init__(self) -> None:
        self._until = 0.0
        self._count = 0

    def refuse(self, path: str, address: str) -> GatewayError:
        """Log a call, and return the error that ends the call.

        Args:
            path: the path of the call, which is a text of the caller.
            address: the IP address of the peer.
        """
        self._report("unknown method", {"path": quote(path), "address": address})
        return GatewayError(Code.UNIMPLEMENTED, "METHOD_NOT_FOUND", "no method of this name is served")

    def report_undecodable(self) -> None:
        """Log a call whose path is not UTF-8. The gRPC library gives no access to its path and its peer."""
        self._report("call with a path that is not UTF-8", {})

    def _report(self, text: str, fields: dict[str, str]) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._until:
            if self._count > MAX_LINES:
                _log.warning("unknown methods not logged", extra={"calls": self._count - MAX_LINES})
            self._until, self._count = now + INTERVAL_S, 0
        self._count += 1
        if self._count <= MAX_LINES:
            _log.warning(text, extra={"listener": "grpc", **fields})
