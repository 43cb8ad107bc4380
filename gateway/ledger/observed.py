"""The intents of changes in the mode `observe`. They are recorded, but a change does not depend on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.errors import GatewayError
from gateway.ledger.intent import Intent

if TYPE_CHECKING:
    from gateway.call import Call
    from gateway.ledger.batch import Entry
    from gateway.ledger.writer import LedgerWriter


async def begin_observed(
    writer: LedgerWriter, call: Call, entry: Entry, *, is_followed: bool
) -> Intent | None:
    """Commit the intent of a change, and wait for this for a short time.

    If the intent is not committed then, it stays in the queue of the writer, and the change goes on. The
    result is None if the intent was dropped, because too many entries wait.

    Args:
        writer: the writer of the ledger.
        call: the call, whose mode is `observe`.
        entry: the entry with the intent.
        is_followed: whether the gateway itself may poll the operation that the call starts.
    """
    try:
        await writer.write(entry, call.mode.limit_wait(call.deadline))
    except GatewayError as error:
        call.mode.refuse(error)
        if entry.is_lost:
            return None
    return Intent(writer, entry.event.call, call.idempotency_key, is_followed=is_followed, is_observed=True)


def is_forwarded(entry: Entry) -> bool:
    """Return whether a change goes on although its intent is not committed.

    It does not go on if the caller has left before that.
    """
    written = entry.written
    return written is None or (not written.cancelled() and written.exception() is not None)
