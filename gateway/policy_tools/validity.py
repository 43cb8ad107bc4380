"""Finds values that policies set but that the API does not accept.

In service, if policies set such a value, the gateway responds with status 400.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.policy import Decision
    from gateway.validation import Validator


def find_refused_mutations(validator: Validator, decision: Decision) -> list[str]:
    """Return the reasons why the API does not accept values that policies set.

    Args:
        validator: the validator that checks the constraints of the API.
        decision: the decision with the mutated request.
    """
    made = {one.field: one.policy for one in decision.mutations if one.is_made}
    if not made:
        return []
    return [
        f"{one.field}, which {made[one.field]} sets, is not accepted by the API: {one.description}"
        for one in validator.validate(decision.request)
        if one.field in made
    ]
