"""Conditions: each part has one, and they decide whether the gateway is ready."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from gateway.telemetry import Health, Status

START = datetime(2026, 1, 1, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


def test_nothing_reported_is_not_ready() -> None:
    assert not Health().is_ready


def test_a_failed_part_is_not_ready_and_a_degraded_one_is() -> None:
    health = Health()
    health.set("a", Status.OK)
    found = []
    for status in (Status.DEGRADED, Status.FAILED, Status.OK):
        health.set("b", status, "why")
        found.append(health.is_ready)
    assert found == [True, False, True]


def test_the_time_changes_only_with_the_status() -> None:
    clock = Clock()
    health = Health(now=clock)
    health.set("a", Status.DEGRADED, "first")
    clock.now += timedelta(seconds=5)
    health.set("a", Status.DEGRADED, "second")
    (condition,) = health.conditions
    assert (condition.reason, condition.since) == ("second", START)
    health.set("a", Status.OK)
    assert health.conditions[0].since == START + timedelta(seconds=5)


def test_as_json() -> None:
    health = Health(now=Clock())
    health.set("upstream/a", Status.DEGRADED, "refused")
    assert [one.to_json() for one in health.conditions] == [
        {
            "name": "upstream/a",
            "status": "degraded",
            "reason": "refused",
            "since": "2026-01-01T00:00:00.000Z",
        }
    ]


def test_conditions_keep_their_order() -> None:
    health = Health()
    for name in ("b", "a", "b"):
        health.set(name, Status.OK)
    assert [one.name for one in health.conditions] == ["b", "a"]


def test_observers_are_called_at_each_change_of_a_status() -> None:
    health, found = Health(), list[bool]()
    health.observe("one", lambda: found.append(health.is_ready))
    health.set("a", Status.OK)
    health.set("a", Status.OK, "another reason")
    health.set("a", Status.FAILED)
    assert found == [True, False]
    health.unobserve("one")
    health.unobserve("one")
    health.set("a", Status.OK)
    assert found == [True, False]
