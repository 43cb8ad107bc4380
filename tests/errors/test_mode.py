"""The mode of a call: an error ends the call, or is noted."""

from __future__ import annotations

import asyncio

import pytest

from gateway.errors import Code, GatewayError
from gateway.errors.mode import DENIED, ENFORCE, LONGEST_WAIT_S, OBSERVED_HEADER, ObserveMode

LIMITED = GatewayError(
    Code.RESOURCE_EXHAUSTED, "RATE_LIMITED", "too often, Bearer t1.9euelZrPz.c2VjcmV0c2VjcmV0"
)
DENIAL = GatewayError(Code.PERMISSION_DENIED, DENIED, "denied")


@pytest.fixture
def counted() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def mode(counted: list[tuple[str, str]]) -> ObserveMode:
    return ObserveMode(lambda effect, reason: counted.append((effect, reason)))


def test_a_refusal_ends_a_call_that_is_enforced() -> None:
    ENFORCE.note(DENIAL)
    ENFORCE.note_mutation()
    with pytest.raises(GatewayError) as caught:
        ENFORCE.refuse(LIMITED)
    assert caught.value is LIMITED
    assert (ENFORCE.is_observing, ENFORCE.headers, ENFORCE.effects, ENFORCE.to_json()) == (False, {}, (), {})
    assert ENFORCE.limit_wait(1e9) == 1e9


def test_without_an_effect_nothing_is_shown(mode: ObserveMode) -> None:
    assert (mode.is_observing, mode.headers, mode.effects) == (True, {}, ())
    assert mode.to_json() == {"mode": "observe", "observed": []}


def test_effects_are_shown_once_in_a_fixed_order(mode: ObserveMode, counted: list[tuple[str, str]]) -> None:
    mode.note_mutation()
    mode.refuse(LIMITED)
    mode.refuse(LIMITED)
    mode.note(DENIAL)
    assert mode.headers == {OBSERVED_HEADER: "would-deny, would-refuse, would-mutate"}
    assert counted == [
        ("mutate", ""),
        ("refuse", "RATE_LIMITED"),
        ("refuse", "RATE_LIMITED"),
        ("deny", DENIED),
    ]


def test_a_record_shows_each_effect_without_secrets(mode: ObserveMode) -> None:
    mode.refuse(LIMITED)
    mode.note(DENIAL)
    refusal, denial = mode.to_json()["observed"]
    assert (refusal["effect"], refusal["code"]) == ("would-refuse", "RESOURCE_EXHAUSTED")
    assert refusal["reason"] == "RATE_LIMITED"
    assert refusal["message"].startswith("too often")
    assert "t1.9" not in refusal["message"]
    assert denial == {"effect": "would-deny"}


def test_a_record_does_not_change_later(mode: ObserveMode) -> None:
    before = mode.to_json()
    mode.note_mutation()
    assert before["observed"] == []


async def test_a_call_waits_for_its_record_only_for_a_short_time(mode: ObserveMode) -> None:
    now = asyncio.get_running_loop().time()
    assert now < mode.limit_wait(now + 60) <= asyncio.get_running_loop().time() + LONGEST_WAIT_S
    assert mode.limit_wait(now + 0.1) == now + 0.1
