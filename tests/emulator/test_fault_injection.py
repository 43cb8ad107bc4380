from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.emulator import EVERY_METHOD, InjectedFault
from gateway.emulator.fault_injection import FaultInjector
from gateway.emulator.status_error import StatusError
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
    ({}, "a fault needs a code, a reply, a delay or to drop the call"),
    ({"code": Code.OK}, "a fault does not end with OK"),
    ({"code": Code.INTERNAL, "drop": True}, "a fault has only one of a code, a reply and a drop of the call"),
    ({"code": Code.INTERNAL, "reply": b""}, "a fault has only one of a code, a reply and a drop of the call"),
    ({"drop": True, "reply": b"x"}, "a fault has only one of a code, a reply and a drop of the call"),
    ({"code": Code.INTERNAL, "nth": 0}, "nth and times count from 1"),
    ({"code": Code.INTERNAL, "times": 0}, "nth and times count from 1"),
]


@pytest.mark.parametrize(
    ("orders", "expected"), [case[1:] for case in TAKEN], ids=[case[0] for case in TAKEN]
)
def test_take(orders: list[dict[str, Any]], expected: list[str]) -> None:
    faults = FaultInjector()
    for order in orders:
        faults.add(InjectedFault(**{"method": "s/M", "code": Code.INTERNAL, **order}))
    taken = [faults.take("s/M") for _ in expected]
    assert [fault.message if fault else "" for fault in taken] == expected


def test_only_calls_after_the_injection_count() -> None:
    faults = FaultInjector()
    assert faults.take("s/M") is None
    faults.add(InjectedFault(method="s/M", code=Code.INTERNAL, nth=2))
    assert faults.take("s/M") is None
    assert faults.take("s/M") is not None


def test_clear() -> None:
    faults = FaultInjector()
    faults.add(InjectedFault(method="s/M", code=Code.INTERNAL, times=None))
    assert faults.take("s/M") is not None
    faults.clear()
    assert faults.take("s/M") is None


@pytest.mark.parametrize(("fields", "message"), CONTRADICTIONS)
def test_refuses_contradictions(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        InjectedFault(method="s/M", **fields)


async def test_a_fault_with_a_code_ends_the_call() -> None:
    with pytest.raises(StatusError, match="full") as caught:
        await InjectedFault(method="s/M", code=Code.RESOURCE_EXHAUSTED, message="full").apply()
    assert caught.value.code is Code.RESOURCE_EXHAUSTED


async def test_a_delay_only_waits() -> None:
    waiting = asyncio.ensure_future(InjectedFault(method="s/M", delay_s=0.002).apply())
    await asyncio.sleep(0)
    assert not waiting.done()
    await waiting


@pytest.mark.parametrize("reply", [b"\xff", b""], ids=["some", "empty"])
async def test_a_reply_is_returned(reply: bytes) -> None:
    assert await InjectedFault(method="s/M", reply=reply).apply() == reply


async def test_a_dropped_call_does_not_end() -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(InjectedFault(method="s/M", drop=True).apply(), 0.005)
