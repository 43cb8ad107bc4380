"""Values that policies set and the API does not accept: in service such a call gets 400."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.policy import Decision
    from gateway.validation import Validator


def find_refused_mutations(validator: Validator, decision: Decision) -> list[str]:
    """Return why the API does not accept the values that were set, a text for each field."""
    made = {one.field: one.policy for one in decision.mutations if one.is_made}
    if not made:
        return []
    return [
        f"{one.field}, which {made[one.field]} sets, is not accepted by the API: {one.description}"
        for one in validator.validate(decision.request)
        if one.field in made
    ]
