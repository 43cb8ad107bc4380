"""Settlement by an operator, who has found out what came of a change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.errors import Code
from gateway.ledger.batch import Entry
from gateway.ledger.events import SETTLEMENT, make_event, to_update
from gateway.redaction import redact_text

if TYPE_CHECKING:
    from gateway.ledger.batch import Store
    from gateway.ledger.work import Work

MAX_REASON = 1000
"""The maximum length of a reason, in characters."""


class SettlementError(ValueError):
    """The call cannot be settled by an operator."""


async def make_settlement(work: Work, key: str, outcome: str, reason: str, user: str) -> Entry:
    """Return the entry that settles a call.

    Args:
        work: the open calls.
        key: the ID of the call, or its request ID.
        outcome: the outcome that the operator has found: `ok` or `error`.
        reason: how the operator knows the outcome.
        user: the name of the operator.

    Raises:
        SettlementError: the outcome is not valid, or not exactly one call with this ID has no outcome.
        StoreError: the database cannot be used.
    """
    if outcome not in {"ok", "error"}:
        raise SettlementError(f"the outcome {outcome!r} is not ok or error")
    found = await work.find_open(key)
    if not found:
        raise SettlementError(f"no call {key!r} is without a known outcome")
    if len(found) > 1:
        ids = ", ".join(call.id for call in found)
        raise SettlementError(f"several calls have the ID {key!r}; name one of {ids}")
    call = found[0]
    facts = {
        "outcome": outcome,
        "by": "operator",
        "reason": redact_text(reason)[:MAX_REASON],
        "user": user,
    }
    if outcome == "ok":  # otherwise the code of the error that left the outcome open stays
        facts["code"] = Code.OK.name
    return Entry(
        event=make_event(SETTLEMENT, call.id, facts),
        row=to_update({"id": call.id, **facts}),
        frees_key=outcome == "error",
        fence=call.epoch,
        is_kept=True,
    )


async def settle_now(store: Store, work: Work, key: str, outcome: str, **facts: str) -> bool:
    """Settle a call in a database that no gateway has to write. Return whether it was still open."""
    entry = await make_settlement(work, key, outcome, facts["reason"], facts["user"])
    return not await store.commit([entry])
