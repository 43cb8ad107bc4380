"""Faults to order: calls that fail, wait or are never answered.

An order counts the calls of its method from the moment it is given. Of several
orders due at one call the earliest given is carried out, the others wait for
the next call.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.emulator.refusal import Refusal
from gateway.errors import Code

if TYPE_CHECKING:
    from google.protobuf.any_pb2 import Any as AnyMessage

EVERY_METHOD = "*"
"""Stands for the name of every method in a Fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What goes wrong, with which calls.

    Without a code and without `drop` the call is only late. ValueError when
    nothing would go wrong, or two things that exclude each other.

    Attributes:
        method: `package.Service/Method`, or EVERY_METHOD.
        code: the call ends with this code.
        message: of the status.
        details: packed messages in the status, before the RequestInfo.
        delay_s: the call first waits this long.
        drop: the call is never answered; it lasts until its deadline or its cancellation.
        after_effect: the call is first carried out, and then goes wrong: the caller
            does not learn that it succeeded.
        nth: the first call of the method that goes wrong, counted from 1.
        times: how many calls go wrong; None for every one from the nth on.
    """

    method: str
    code: Code | None = None
    message: str = "a fault that was ordered"
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

    async def strike(self) -> None:
        """Wait, and then end the call if the fault says so.

        Raises:
            Refusal: the status ordered.
        """
        await asyncio.sleep(self.delay_s)
        if self.drop:
            await asyncio.Event().wait()
        if self.code is not None:
            raise Refusal(self.code, self.message, self.details)


class FaultOrders:
    """The faults ordered and not yet used up, the earliest first."""

    def __init__(self) -> None:
        self._orders: list[_Order] = []

    def add(self, fault: Fault) -> None:
        """Order a fault."""
        self._orders.append(_Order(fault))

    def clear(self) -> None:
        """Forget every order."""
        self._orders.clear()

    def take(self, method: str) -> Fault | None:
        """Count one call of a method and return what goes wrong with it, if anything."""
        concerned = [order for order in self._orders if order.fault.method in (method, EVERY_METHOD)]
        for order in concerned:
            order.seen += 1
        due = next((order for order in concerned if order.seen >= order.fault.nth), None)
        if due is None:
            return None
        due.struck += 1
        if due.struck == due.fault.times:
            self._orders.remove(due)
        return due.fault


class _Order:
    """A fault with how many calls it has seen and struck."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.seen = 0
        self.struck = 0
