"""The sections of policies and records of decisions."""

from __future__ import annotations

from gateway.config.policies import DecisionLog


def test_the_decision_log_has_the_keys_of_its_sinks() -> None:
    section = DecisionLog()
    assert (section.type, str(section.path), section.durability) == (
        None,
        "decisions.jsonl",
        "process",
    )
