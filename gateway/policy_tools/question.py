"""Reads the request for which the policies make a decision.

The request is in a text that a person wrote, or in a record of the decision log.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.audit.record_reader import RecordError
from gateway.faults import Fault, FaultsError, Position
from gateway.policy.requests import read_policy_input
from gateway.policy_tools.record_line import NotJsonError, read_line

if TYPE_CHECKING:
    from gateway.audit.record_reader import Recorded
    from gateway.policy.program import PolicyInput
    from gateway.schema import Schema


@dataclass(frozen=True, slots=True)
class Question:
    """A request for which the policies make a decision.

    Attributes:
        input: the input of the policies, which includes the request.
        recorded: the record that the request was read from; None if the request was not read from a record.
    """

    input: PolicyInput
    recorded: Recorded | None = None


def read_question_or_record(text: str, name: str, schema: Schema, method: str, now: str | None) -> Question:
    """Read the request from a text.

    The text is one of three: a request; an object that has the key `request`; a record of the decision log.

    Args:
        text: the text in JSON or YAML.
        name: the name of the file that contains the text. It is used in error messages.
        schema: the schema with the methods.
        method: the name of the method. It is used only if the text has no method.
        now: the time of the request with a time zone; None for the present time. It is used only if the text
            has no time.

    Raises:
        FaultsError: the text, the time or the request is invalid.
    """
    recorded = _read_record(text, name, schema)
    if recorded is not None:
        return Question(recorded.input, recorded)
    return Question(read_policy_input(text, name, schema, method, now))


def _read_record(text: str, name: str, schema: Schema) -> Recorded | None:
    try:
        return read_line(text, schema)
    except NotJsonError:
        pass
    except RecordError as error:
        raise FaultsError([Fault(Position(name), "", f"the record cannot be used: {error}")]) from error
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) > 1 and _is_record(lines[0], schema):
        message = (
            f"one record is expected, and there are {len(lines)} lines; choose one, for example with grep ID"
        )
        raise FaultsError([Fault(Position(name), "", message)])
    return None


def _is_record(line: str, schema: Schema) -> bool:
    try:
        return read_line(line, schema) is not None
    except NotJsonError:
        return False
    except RecordError:
        return True
