"""The errors of calls for which the ledger cannot be written."""

from __future__ import annotations

from gateway.errors import Code, GatewayError

LEDGER_UNAVAILABLE = "LEDGER_UNAVAILABLE"
"""The reason of the error for a call that was not forwarded because the ledger cannot be written."""


def ledger_unavailable() -> GatewayError:
    """Return the error for a call that is not forwarded because the ledger cannot be written."""
    return GatewayError(
        Code.UNAVAILABLE,
        LEDGER_UNAVAILABLE,
        "the ledger cannot be written, so nothing was forwarded; try again later",
    )


def commit_unknown() -> GatewayError:
    """Return the error for a call that is not forwarded, but whose intent may have been committed.

    If the intent was committed, and this process ends now, the change may be made by settlement.
    """
    return GatewayError(
        Code.DEADLINE_EXCEEDED,
        "DEADLINE_EXCEEDED",
        "the ledger did not confirm the commit in time; repeat the call with the same idempotency-key",
        may_have_acted=True,
    )
