"""Intents in the mode observe: a change goes on whether its intent is committed or not."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from gateway.errors import Code, GatewayError
from gateway.errors.mode import ObserveMode
from gateway.ledger.batch import Entry
from gateway.ledger.events import make_event
from gateway.ledger.observed import begin_observed, is_forwarded
from gateway.schema import Schema
from tests.ledger.calls import make_call


class Writer:
    """A writer that refuses entries, and may lose them."""

    def __init__(self, error: GatewayError | None, *, loses: bool = False) -> None:
        self.error, self.loses = error, loses

    async def write(self, entry: Entry, _deadline: float) -> bool:
        if self.error is not None:
            entry.is_lost = self.loses
            raise self.error
        return True


UNAVAILABLE = GatewayError(Code.UNAVAILABLE, "LEDGER_UNAVAILABLE", "not now")


@pytest.mark.parametrize(
    ("error", "loses", "has_intent", "effects"),
    [
        (None, False, True, ()),
        (UNAVAILABLE, False, True, ("would-refuse",)),
        (UNAVAILABLE, True, False, ("would-refuse",)),
    ],
)
async def test_a_change_goes_on(
    schema: Schema, error: GatewayError | None, effects: tuple[str, ...], *, loses: bool, has_intent: bool
) -> None:
    call = replace(make_call(schema), mode=ObserveMode(lambda _effect, _reason: None))
    entry = Entry(event=make_event("decision", "id-1", {}))
    writer: Any = Writer(error, loses=loses)
    intent = await begin_observed(writer, call, entry, is_followed=True)
    assert (intent is not None) is has_intent
    assert intent is None or (intent.id, intent.idempotency_key) == ("id-1", call.idempotency_key)
    assert call.mode.effects == effects


async def test_a_change_whose_caller_has_left_is_not_forwarded() -> None:
    entry = Entry(event=make_event("decision", "id-1", {}))
    assert is_forwarded(entry)  # it was refused at once
    entry.written = asyncio.get_running_loop().create_future()
    entry.written.set_exception(UNAVAILABLE)
    assert is_forwarded(entry)
    left: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    left.cancel()
    assert not is_forwarded(replace(entry, written=left))
    late: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    late.set_result(True)
    assert not is_forwarded(replace(entry, written=late))
