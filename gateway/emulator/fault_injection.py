"""Fault injection: calls that fail, are delayed, or get no response.

A fault counts the calls of its method from the moment it is injected. When several
faults are due at one call, the one injected first is applied; the others apply to
the next calls.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.emulator.status_error import StatusError
from gateway.errors import Code

if TYPE_CHECKING:
    from google.protobuf.any_pb2 import Any as AnyMessage

EVERY_METHOD = "*"
"""In an InjectedFault: any method."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InjectedFault:
    """A fault, and the calls that it applies to.

    Without a code and without `drop` the call is only delayed. ValueError when the
    fault has no effect, or its effects exclude each other.

    Attributes:
        method: `package.Service/Method`, or EVERY_METHOD.
        code: the call ends with this code.
        message: the message of the status.
        details: packed messages in the status, before the RequestInfo.
        delay_s: the call first waits this long.
        drop: the call gets no response; it lasts until its deadline or its cancellation.
        after_effect: the call first takes effect, and then fails: the caller does not
            learn that it succeeded.
        nth: the first call of the method that the fault applies to, counted from 1.
        times: how many calls it applies to; None for every call from the nth on.
    """

    method: str
    code: Code | None = None
    message: str = "injected fault"
    details: tuple[AnyMessage, ...] = ()
    delay_s: float = 0.0
    drop: bool = False
    after_effect: bool = False
    nth: int = 1
    times: int | None = 1

    def __post_init__(self) -> None:
        if self.code is Code.OK:
            raise ValueError("a fault does not end with OK")
        if self.drop and self.code is not None:
            raise ValueError("a dropped call ends with no code")
        if self.code is None and not self.drop and self.delay_s <= 0:
            raise ValueError("a fault needs a code, a delay or to drop the call")
        if self.nth < 1 or (self.times is not None and self.times < 1):
            raise ValueError("nth and times count from 1")

    async def apply(self) -> None:
        """Wait, and then end the call when the fault has a status or drops the call.

        Raises:
            StatusError: the status of the fault.
        """
        await asyncio.sleep(self.delay_s)
        if self.drop:
            await asyncio.Event().wait()
        if self.code is not None:
            raise StatusError(self.code, self.message, self.details)


class FaultInjector:
    """The faults that still apply to calls, in the order in which they were injected."""

    def __init__(self) -> None:
        self._pending: list[_PendingFault] = []

    def add(self, fault: InjectedFault) -> None:
        """Inject a fault."""
        self._pending.append(_PendingFault(fault))

    def clear(self) -> None:
        """Remove every fault."""
        self._pending.clear()

    def take(self, method: str) -> InjectedFault | None:
        """Count one call of a method and return the fault that applies to it, if any."""
        matching = [one for one in self._pending if one.fault.method in (method, EVERY_METHOD)]
        for one in matching:
            one.seen += 1
        due = next((one for one in matching if one.seen >= one.fault.nth), None)
        if due is None:
            return None
        due.applied += 1
        if due.applied == due.fault.times:
            self._pending.remove(due)
        return due.fault


class _PendingFault:
    """A fault, how many matching calls it has seen, and to how many it was applied."""

    def __init__(self, fault: InjectedFault) -> None:
        self.fault = fault
        self.seen = 0
        self.applied = 0
