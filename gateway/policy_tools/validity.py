"""Finds mutations that the API refuses: in service the response to such a call is 400."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.policy import Decision
    from gateway.validation import Validator


def find_refused_mutations(validator: Validator, decision: Decision) -> list[str]:
    """Return why the API refuses what was set, a text for each field."""
    made = {one.field: one.policy for one in decision.mutations if one.is_made}
    if not made:
        return []
    return [
        f"{one.field}, which {made[one.field]} sets, is not taken by the API: {one.description}"
        for one in validator.validate(decision.request)
        if one.field in made
    ]
