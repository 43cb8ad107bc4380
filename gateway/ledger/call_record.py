"""The record of a call, and the first event of the call that is made from it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from gateway.ledger.targets import find_target
from gateway.value_class import value_class

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.message import Message

    from gateway.errors import Code


@value_class(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """The record of a call, and facts that only the ledger needs.

    Attributes:
        facts: the record as a JSON object.
        is_evaluated: whether policies decided on the call.
        forwarded: the redacted JSON form of the request that is forwarded, if mutations have changed the
            request.
        is_plain: whether redaction has removed nothing from the request that is forwarded.
        is_observed: whether the mode of the call is `observe`. The record is dropped if too many records
            wait, and the call continues without it.
    """

    facts: Mapping[str, Any]
    is_evaluated: bool = True
    is_plain: bool = False
    forwarded: Mapping[str, Any] | None = None
    is_observed: bool = False


def complete_record(
    record: CallRecord, request: Message | None, outcome: str, code: Code | None
) -> dict[str, Any]:
    """Return the first event of a call: its record with the keys that the ledger adds."""
    facts = dict(record.facts)
    if not record.is_evaluated:
        facts["decision"] = "none"
    facts["target"] = {}
    if request is not None:
        facts["target"] = find_target(request, record.forwarded or facts["request"])
        data = request.SerializeToString(deterministic=True)
        facts["request_sha256"] = hashlib.sha256(data).hexdigest()
    facts["outcome"] = outcome
    facts["code"] = code.name if code is not None else None
    return facts
