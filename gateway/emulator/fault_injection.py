"""Injects faults into calls: a call fails, is delayed, or gets a wrong response or no response.

Each fault counts the calls of its method. The count starts when the fault is injected. When
several faults apply to a call, only the fault that was injected first is used for this call.
The other faults remain for later calls.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway.emulator.status_error import StatusError
from gateway.errors import Code

if TYPE_CHECKING:
    from google.protobuf.any_pb2 import Any as AnyMessage

EVERY_METHOD = "*"
"""The value of `InjectedFault.method` that means any method."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InjectedFault:
    """A fault and the calls that it applies to.

    A fault has at most one of `code`, `reply` and `drop`. If it has none of them, the call is only delayed.

    Attributes:
        method: the name of the method, as `package.Service/Method`, or EVERY_METHOD.
        code: the status code that ends the call; None if the call does not fail.
        message: the error message of the status.
        details: the detail messages of the status, each packed in an Any. The emulator adds a RequestInfo.
        reply: the bytes that the call is answered with, instead of its response message; None if the fault
            does not replace the response. The bytes can be a message of another type, or no message.
        delay_s: the delay before the fault takes effect, in seconds.
        drop: whether the call gets no response. The call then lasts until its deadline or cancellation.
        after_effect: whether the call is carried out before the fault is applied. The caller can then get
            an error although the change was made. If the value is false, a call whose fault has a code or a
            reply is not carried out.
        nth: the number of the first call that the fault applies to, counted from 1.
        times: the number of calls that the fault applies to; None means every call from the nth call on.

    Raises:
        ValueError: the fault has no effect, its effects exclude each other, or a number is out of range.
    """

    method: str
    code: Code | None = None
    message: str = "injected fault"
    details: tuple[AnyMessage, ...] = ()
    delay_s: float = 0.0
    reply: bytes | None = field(default=None, repr=False)
    drop: bool = False
    after_effect: bool = False
    nth: int = 1
    times: int | None = 1

    def __post_init__(self) -> None:
        if self.code is Code.OK:
            raise ValueError("a fault does not end with OK")
        ends = (self.code is not None) + (self.reply is not None) + self.drop
        if ends > 1:
            raise ValueError("a fault has only one of a code, a reply and a drop of the call")
        if not ends and self.delay_s <= 0:
            raise ValueError("a fault needs a code, a reply, a delay or to drop the call")
        if self.nth < 1 or (self.times is not None and self.times < 1):
            raise ValueError("nth and times count from 1")

    async def apply(self) -> bytes | None:
        """Apply the fault to the current call.

        Wait for the delay. If the fault drops the call, then wait until the call is cancelled.

        Returns:
            The response that replaces the response of the call; None if the fault replaces no response.

        Raises:
            StatusError: the fault has a status code.
        """
        await asyncio.sleep(self.delay_s)
        if self.drop:
            await asyncio.Event().wait()
        if self.code is not None:
            raise StatusError(self.code, self.message, self.details)
        return self.reply


class FaultInjector:
    """The faults that can still apply to calls, in the order in which they were injected."""

    def __init__(self) -> None:
        self._pending: list[_PendingFault] = []

    def add(self, fault: InjectedFault) -> None:
        """Inject a fault."""
        self._pending.append(_PendingFault(fault))

    def clear(self) -> None:
        """Remove every fault."""
        self._pending.clear()

    def take(self, method: str) -> InjectedFault | None:
        """Count one call of a method. Return the fault that applies to it, or None if no fault applies."""
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
    """A fault, the number of matching calls, and the number of calls that the fault was applied to."""

    def __init__(self, fault: InjectedFault) -> None:
        self.fault = fault
        self.seen = 0
        self.applied = 0
