"""The limits on the number and the duration of gRPC calls whose callers do not read the response.

A caller can open a stream with a flow-control window of 0. The response to such a caller stays in memory
until the connection is closed.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from gateway.addresses import parse_host

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SEND_S = 10.0
"""The number of seconds that a call may continue after its deadline.

If the call has not ended after this time, the connection of the call is closed.
"""
_PATIENCE_S = 1.0
"""The number of seconds for sending a response. After this time, the response counts as unread."""


class UnreadReplies:
    """Closes the connections of callers that do not read responses.

    If too many responses are unread, the connection of the oldest unread response is closed.

    Attributes:
        close: the function that closes the connection of a peer. The arguments are the host and the port of
            the peer.
    """

    def __init__(self, max_unread: int, timeout_s: float) -> None:
        """Initialize the object without calls.

        Args:
            max_unread: the maximum number of responses that callers have not read yet.
            timeout_s: the maximum duration of a call in seconds, including the sending of the response.
        """
        self.close: Callable[[str, int], None] = lambda _host, _port: None
        self._max_unread = max_unread
        self._timeout_s = timeout_s
        self._timers: dict[Any, asyncio.TimerHandle] = {}
        self._sent: dict[Any, float] = {}  # in the order of sending, so the first call has waited longest

    def begin(self, context: Any) -> None:
        """Start the time limit of a call."""
        loop = asyncio.get_running_loop()
        self._timers[context] = loop.call_later(self._timeout_s, self._close, context)
        context.add_done_callback(self._end)

    def send(self, context: Any) -> None:
        """Register a call whose response is now sent, and apply the limit on unread responses."""
        now = asyncio.get_running_loop().time()
        if len(self._sent) >= self._max_unread:
            oldest, since = next(iter(self._sent.items()))
            if since + _PATIENCE_S < now:
                del self._sent[oldest]
                self._close(oldest)
        self._sent[context] = now

    @contextmanager
    def sending(self, context: Any) -> Iterator[None]:
        """Replace the time limit of a call by a limit for one message, which is sent in the `with` block.

        After the block, the call has no time limit until its next message.
        """
        if context in self._timers:  # otherwise the call has ended
            self._timers[context].cancel()
            self._timers[context] = asyncio.get_running_loop().call_later(SEND_S, self._close, context)
        yield
        if context in self._timers:
            self._timers[context].cancel()

    def peers(self) -> set[tuple[str, int]]:
        """Return the host and the port of every caller with an active call."""
        return {peer_address(context.peer()) for context in self._timers}

    def _end(self, context: Any) -> None:
        self._timers.pop(context).cancel()
        self._sent.pop(context, None)

    def _close(self, context: Any) -> None:
        self.close(*peer_address(context.peer()))


@lru_cache(maxsize=1024)  # every call needs the address, and all calls of a connection have the same peer
def peer_address(peer: str) -> tuple[str, int]:
    """Return the IP address and the port of a peer.

    If the peer has no IP address, the result is an empty text and the port 0.

    Args:
        peer: the peer in the format of gRPC, such as `ipv4:192.0.2.1:4711` or
            `ipv6:%5B2001:db8::1%5D:4711`.
    """
    family, _, rest = unquote(peer).partition(":")
    if family not in {"ipv4", "ipv6"}:
        return "", 0
    host, _, port = rest.rpartition(":")
    host = host.strip("[]")
    return str(parse_host(host) or host), int(port)
