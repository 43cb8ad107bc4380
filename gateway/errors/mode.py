"""The mode of a call: whether a refusal ends the call, or is only observed.

Every stage that can refuse a call gives its error to the mode of the call. In the mode `enforce`, the error
ends the call. In the mode `observe`, the error is noted, and the call continues as if nothing had refused it.
So both modes have the same code path.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from gateway.redaction import redact_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gateway.errors import GatewayError

OBSERVED_HEADER = "x-policy-observed"
"""The name of the header, or of the trailing metadata, that shows what was observed."""

EFFECTS = ("deny", "refuse", "mutate")
"""What enforcement would have done to a call, in the order in which responses show it."""
DENIED = "POLICY_VIOLATION"
"""The reason of the error for a call that a policy denies."""

LONGEST_WAIT_S = 1.0
"""The maximum time for which a call in the mode `observe` waits until its record is written, in seconds."""


class EnforceMode:
    """The mode `enforce`. A refusal ends the call. All calls share one object.

    Attributes:
        is_observing: whether refusals are only observed.
    """

    __slots__ = ()

    is_observing = False

    def refuse(self, error: GatewayError) -> None:
        """End the call with an error. In the mode `observe`, note the error and return."""
        raise error

    def note(self, error: GatewayError) -> None:
        """Note an error that ends the call if the mode is `enforce`. This method never raises it."""

    def note_mutation(self) -> None:
        """Note that policies change the request."""

    def limit_wait(self, deadline: float) -> float:
        """Return the time until which the call waits for its record, in seconds of the event loop's clock.

        Args:
            deadline: the deadline of the call.
        """
        return deadline

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the response, or the trailing metadata, that show what was observed."""
        return {}

    @property
    def effects(self) -> tuple[str, ...]:
        """What was observed, as `would-deny`, `would-refuse` and `would-mutate`."""
        return ()

    def to_json(self) -> dict[str, Any]:
        """Return the keys of the call's record that are about the mode; empty in the mode `enforce`."""
        return {}


class ObserveMode(EnforceMode):
    """The mode `observe`. A refusal is noted, and the call continues. Each call has an object of its own."""

    __slots__ = ("_count", "_found", "_shown")

    is_observing = True

    def __init__(self, count: Callable[[str, str], None]) -> None:
        """Initialize the mode of one call.

        Args:
            count: a function that counts an observation. The arguments are the effect, and the reason of the
                error; the reason is empty for mutations.
        """
        self._count = count
        self._found: set[str] = set()
        self._shown: list[dict[str, str]] = []

    def refuse(self, error: GatewayError) -> None:
        """Note an error, and return."""
        self.note(error)

    def note(self, error: GatewayError) -> None:
        """Note an error that would end the call."""
        if error.reason == DENIED:
            self._add("deny", DENIED, {})  # the record lists the violations
            return
        facts = {
            "code": error.code.name,
            "reason": error.reason,
            "message": redact_text(error.message),
        }
        self._add("refuse", error.reason, facts)

    def note_mutation(self) -> None:
        """Note that policies would change the request."""
        self._add("mutate", "", {})

    def _add(self, effect: str, reason: str, facts: Mapping[str, str]) -> None:
        self._count(effect, reason)
        self._found.add(effect)
        self._shown.append({"effect": f"would-{effect}", **facts})

    def limit_wait(self, deadline: float) -> float:
        """Return a time that is at most LONGEST_WAIT_S from now."""
        return min(deadline, asyncio.get_running_loop().time() + LONGEST_WAIT_S)

    @property
    def headers(self) -> dict[str, str]:
        """The header with a comma between two values; no header if nothing was observed."""
        return {OBSERVED_HEADER: ", ".join(self.effects)} if self._found else {}

    @property
    def effects(self) -> tuple[str, ...]:
        """What was observed. Each effect is shown once."""
        return tuple(f"would-{effect}" for effect in EFFECTS if effect in self._found)

    def to_json(self) -> dict[str, Any]:
        """Return the mode, and what was observed until now."""
        return {"mode": "observe", "observed": [dict(one) for one in self._shown]}


ENFORCE = EnforceMode()
"""The mode of every call of a gateway that enforces."""
