"""The check of the method names in the configuration of the limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.faults import Fault, FaultsError, Position, suggest

if TYPE_CHECKING:
    from gateway.config.limits import Limits
    from gateway.schema import Schema


def check_methods(limits: Limits, schema: Schema) -> None:
    """Check that each method in `limits.per_method` is served.

    Raises:
        FaultsError: there are methods that are not served. The error contains a fault for each of them.
    """
    faults = [
        Fault(
            Position("configuration"),
            f"limits.per_method.{name}",
            f"no method of this name is served{suggest(name, schema.methods)}",
        )
        for name in limits.per_method
        if name not in schema.methods
    ]
    if faults:
        raise FaultsError(faults)
