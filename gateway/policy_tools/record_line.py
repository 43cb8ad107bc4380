"""Reads one line of a decision log."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from gateway.audit.record import DECISION
from gateway.audit.record_reader import RecordError, read_record

if TYPE_CHECKING:
    from gateway.audit.record_reader import Recorded
    from gateway.schema import Schema


class NotJsonError(RecordError):
    """A line is not JSON."""


def read_line(line: str, schema: Schema) -> Recorded | None:
    """Return the record of a decision. Return None if the line contains JSON that is not such a record.

    Raises:
        NotJsonError: the line is not JSON.
        RecordError: the line is a record of a decision, but the recorded request cannot be evaluated again.
    """
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise NotJsonError("not JSON") from error
    if not isinstance(value, dict) or value.get("kind") != DECISION:
        return None
    if "\\ud" in line.lower() and not _is_text(value):
        raise RecordError("contains half of a surrogate pair, which is no text")
    return read_record(value, schema)


def _is_text(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except (UnicodeEncodeError, RecursionError):
        return False
    return True
