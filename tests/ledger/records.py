"""Records of calls, and entries with whole bodies, as the gateway commits them."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any

from gateway.ledger.batch import Entry, KeyClaim
from gateway.ledger.events import OUTCOME, make_event, make_first_event, to_call_row, to_text, to_update
from gateway.ledger.events import now as current_time

if TYPE_CHECKING:
    from google.protobuf.message import Message

CREATE = "yandex.cloud.baremetal.v1alpha.ImageService/Create"
FOLDER = "b1gexample"


def record(call: str, *, time: str | None = None, name: str = "image-1", **changes: Any) -> dict[str, Any]:
    """Return the first event of a create."""
    return {
        "kind": "decision",
        "time": time or to_text(current_time()),
        "id": call,
        "call_id": f"request-{call}",
        "trace_id": "0" * 32,
        "idempotency_key": f"key-{call}",
        "method": CREATE,
        "caller": {"id": "me", "kind": "token", "groups": [], "address": "127.0.0.1", "claims": {}},
        "bundle": "sha256:0",
        "decision": "allow",
        "violations": [],
        "request": {"name": name},
        "target": {"folder_id": FOLDER, "name": name, "labels": {"env": "dev"}},
        "outcome": "pending",
        "code": None,
        **changes,
    }


def intent_of(request: Message | None = None, **further: Any) -> dict[str, Any]:
    """Return the facts about an intent that the gateway itself may settle.

    Args:
        request: the request that may be sent again; None if the ledger does not have it.
        further: further facts.
    """
    kept = {} if request is None else {"request": b64encode(request.SerializeToString()).decode()}
    return {"is_followed": True, **kept, **further}


def begun(
    call: str,
    *,
    owner: str | None = None,
    due_us: int | None = 0,
    claim: KeyClaim | None = None,
    **changes: Any,
) -> Entry:
    """Return the entry of a call whose intent is committed."""
    facts = record(call, **changes)
    return Entry(
        event=make_first_event(facts), row=to_call_row(facts, owner=owner, due_us=due_us), claim=claim
    )


def ended(call: str, *, due_us: int | None = None, kind: str = OUTCOME, **facts: Any) -> Entry:
    """Return the entry of the end of a call."""
    event = make_event(kind, call, facts)
    return Entry(event=event, row=to_update({"id": call, **facts}, due_us=due_us))


def running_operation(call: str, operation: str, *, due_us: int | None = 0) -> Entry:
    """Return the entry of a call that has started an operation."""
    return ended(call, due_us=due_us, outcome="ok", code="OK", operation={"id": operation, "done": False})
