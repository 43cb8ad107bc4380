from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.emulator import EVERY_METHOD, Fault
from gateway.emulator.faults import FaultOrders
from gateway.emulator.refusal import Refusal
from gateway.errors import Code

TAKEN: list[tuple[str, list[dict[str, Any]], list[str]]] = [
    ("one-shot", [{"message": "a"}], ["a", "", ""]),
    ("nth", [{"message": "a", "nth": 3}], ["", "", "a", ""]),
    ("twice", [{"message": "a", "nth": 2, "times": 2}], ["", "a", "a", ""]),
    ("every", [{"message": "a", "times": None}], ["a", "a", "a"]),
    ("every from the nth", [{"message": "a", "nth": 2, "times": None}], ["", "a", "a"]),
    ("one after another", [{"message": "a"}, {"message": "b"}], ["a", "b", ""]),
    ("out of order", [{"message": "a", "nth": 2}, {"message": "b"}], ["b", "a", ""]),
    ("other method", [{"message": "a", "method": "s/Other"}], ["", ""]),
    ("any method", [{"message": "a", "method": EVERY_METHOD}], ["a", ""]),
]

CONTRADICTIONS: list[tuple[dict[str, Any], str]] = [
    ({}, "a fault needs a code, a delay or to drop the call"),
    ({"code": Code.OK}, "a fault does not end with OK"),
    ({"code": Code.INTERNAL, "drop": True}, "a dropped call ends with no code"),
    ({"code": Code.INTERNAL, "nth": 0}, "nth and times count from 1"),
    ({"code": Code.INTERNAL, "times": 0}, "nth and times count from 1"),
]


@pytest.mark.parametrize(
    ("orders", "expected"), [case[1:] for case in TAKEN], ids=[case[0] for case in TAKEN]
)
def test_take(orders: list[dict[str, Any]], expected: list[str]) -> None:
    faults = FaultOrders()
    for order in orders:
        faults.add(Fault(**{"method": "s/M", "code": Code.INTERNAL, **order}))
    taken = [faults.take("s/M") for _ in expected]
    assert [fault.message if fault else "" for fault in taken] == expected


def test_only_calls_after_the_order_count() -> None:
    faults = FaultOrders()
    assert faults.take("s/M") is None
    faults.add(Fault(method="s/M", code=Code.INTERNAL, nth=2))
    assert faults.take("s/M") is None
    assert faults.take("s/M") is not None


def test_clear() -> None:
    faults = FaultOrders()
    faults.add(Fault(method="s/M", code=Code.INTERNAL, times=None))
    assert faults.take("s/M") is not None
    faults.clear()
    assert faults.take("s/M") is None


@pytest.mark.parametrize(("fields", "message"), CONTRADICTIONS)
def test_refuses_contradictions(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Fault(method="s/M", **fields)


async def test_strike_ends_with_the_status() -> None:
    with pytest.raises(Refusal, match="full") as caught:
        await Fault(method="s/M", code=Code.RESOURCE_EXHAUSTED, message="full").strike()
    assert caught.value.code is Code.RESOURCE_EXHAUSTED


async def test_strike_of_a_delay_only_waits() -> None:
    waiting = asyncio.ensure_future(Fault(method="s/M", delay_s=0.002).strike())
    await asyncio.sleep(0)
    assert not waiting.done()
    await waiting


async def test_strike_of_a_drop_does_not_end() -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(Fault(method="s/M", drop=True).strike(), 0.005)
