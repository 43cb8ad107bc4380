"""The record of a decision as a line of the decision log.

A line is the encoding of the record that `to_record` returns. Most records have everything in common with
many records before them, apart from their identifiers, times and requests. So the encoding of all that they
have in common is kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.audit.record import describe_decision, timestamp, to_record
from gateway.errors.mode import ENFORCE, EnforceMode
from gateway.quoting import encode_json
from gateway.redaction import is_clean_json, is_identifier, redact_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.message import Message

    from gateway.audit.record import ToTree
    from gateway.object_storage import Hosts
    from gateway.policy import Decision

_MAX_KEPT = 1024  # maximum number of encodings that are kept
_MAX_KEPT_BYTES = 4096  # maximum size of an encoding that is kept


class RecordLines:
    """Encodes the records of decisions with one schema."""

    def __init__(self, to_tree: ToTree, hosts: Hosts) -> None:
        """Initialize the encoder.

        Args:
            to_tree: a function that returns the JSON value of a request.
            hosts: the hosts of Object Storage.
        """
        self._to_tree = to_tree
        self._hosts = hosts
        self._kept: dict[tuple[Any, ...], bytes] = {}

    def encode(
        self,
        decision: Decision,
        *,
        call_id: str,
        trace_id: str,
        idempotency_key: str = "",
        mode: EnforceMode = ENFORCE,
    ) -> bytes:
        """Return the line of a decision, without a line break. The arguments are those of to_record()."""
        request = self._encode_request(decision.input.request)
        if request is None or mode.is_observing:
            record = to_record(
                decision,
                self._to_tree,
                self._hosts,
                call_id=call_id,
                trace_id=trace_id,
                idempotency_key=idempotency_key,
                mode=mode,
            )
            return encode_json(record)
        head = (
            f'{{"kind":"decision","time":"{timestamp(decision.input.now)}","id":"{decision.id}",'
            f'"call_id":{_quote(call_id)},"trace_id":"{trace_id}",'
            f'"idempotency_key":{_quote(idempotency_key, redact=redact_text)},'
        )
        duration_us = decision.duration_ns // 1000
        tail = f',"signed_until":{{}},"is_masked":false,"left_out":[],"duration_us":{duration_us}}}'
        return b"".join(
            [head.encode(), self._encode_common(decision), b',"request":', request, tail.encode()]
        )

    def _encode_request(self, request: Message) -> bytes | None:
        """Return the JSON text of a request; None if something in it cannot be shown, or must not be."""
        try:
            data = encode_json(self._to_tree(request))
        except ValueError:
            return None
        return data if is_clean_json(data) else None

    def _encode_common(self, decision: Decision) -> bytes:
        """Return the part of the line that many decisions have in common."""
        caller = decision.input.caller
        key = (
            decision.method,
            caller.id,
            caller.kind,
            caller.groups,
            caller.address,
            tuple(caller.claims.items()),
            decision.bundle,
            decision.violations,
            decision.waived,
            decision.mutations,
        )
        encoded = self._kept.get(key)
        if encoded is None:
            encoded = encode_json(describe_decision(decision))[1:-1]
            if len(encoded) <= _MAX_KEPT_BYTES:
                if len(self._kept) >= _MAX_KEPT:
                    self._kept.clear()
                self._kept[key] = encoded
        return encoded


def _quote(text: str, redact: Callable[[str], str] = str) -> str:
    return f'"{text}"' if is_identifier(text) else encode_json(redact(text)).decode()
