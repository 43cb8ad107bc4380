"""One operation that calls wait for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.errors import GatewayError
    from gateway.operations.waiting.operation_state import OperationState
    from gateway.operations.waiting.reader import Reading
    from gateway.operations.waiting.waiter import Waiter


class OperationTopic:
    """One operation that calls wait for.

    Attributes:
        operation_id: the ID of the operation.
        state: the latest known state; None before the first response of the upstream.
        requested_s: the time between polls that the upstream asks for, in seconds; 0 if it asks for none.
        found_at: the time of the first response, in seconds of the event loop's clock.
        waiters: the waiters, in the order of their arrival. The values have no meaning.
        polling: the task that polls the upstream; None before the first poll.
    """

    __slots__ = ("found_at", "operation_id", "polling", "requested_s", "state", "waiters")

    def __init__(self, operation_id: str) -> None:
        self.operation_id = operation_id
        self.state: OperationState | None = None
        self.requested_s = 0.0
        self.found_at = 0.0
        self.waiters: dict[Waiter, None] = {}
        self.polling: asyncio.Task[None] | None = None

    def publish(self, reading: Reading) -> None:
        """Set the state to a response of the upstream, unless it is older, and wake the waiters."""
        self.requested_s = reading.requested_s
        if self.state is None:
            self.found_at = asyncio.get_running_loop().time()
        elif not reading.state.is_newer_than(self.state):
            return
        self.state = reading.state
        for waiter in self.waiters:
            waiter.wake()

    def choose_reader(self) -> Waiter | None:
        """Return the waiter whose credentials are used for a poll; None if nobody may read the operation."""
        return next((one for one in self.waiters if one.has_read and not one.is_ended), None)

    def refuse(self, credentials: bytes, error: GatewayError) -> None:
        """End the waits with credentials for which the upstream has refused to show the operation."""
        for waiter in self.waiters:
            if waiter.credentials == credentials:
                waiter.end(error)
