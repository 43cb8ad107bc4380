"""A request to decide on: one that a person wrote, or a line of the decision log."""

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
    """A request to decide on.

    Attributes:
        input: what a policy is given.
        recorded: the record that it was read from; None when somebody wrote the request.
    """

    input: PolicyInput
    recorded: Recorded | None = None


def read_question_or_record(text: str, name: str, schema: Schema, method: str, now: str | None) -> Question:
    """Read a request, an object with `request`, or a record of the decision log.

    Args:
        text: the text in JSON or YAML.
        name: the name of the text, for messages.
        schema: the schema that knows the methods.
        method: the method of the request, when the text does not name it.
        now: the time, with its zone, when the text does not say it; None is the present.

    Raises:
        FaultsError: the text, the time or the request cannot be used.
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
