"""Converts requests from a file into the input of policies."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from google.protobuf import json_format
from pydantic import Field, ValidationError

from gateway.call import Caller
from gateway.documents import load_documents
from gateway.faults import Fault, FaultsError, Position, validation_faults
from gateway.policy.method_names import suggest_method
from gateway.policy.model import Moment, Part
from gateway.policy.program import PolicyInput
from gateway.policy.suite_model import CallerFacts
from gateway.redaction import redact_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.faults import Path
    from gateway.schema import Schema

# The exceptions that json_format raises for an invalid value. The last three exceptions are raised for an
# invalid Any and for an enum whose number is infinite.
_UNFIT = (json_format.ParseError, TypeError, ValueError, AttributeError, LookupError, OverflowError)
_UNKNOWN_FIELD = re.compile(r'has no field named "(.*)" at "(.*)"\.\n .*: "\[(.*)\]"', re.DOTALL)
_MAX_SHOWN = 300


class RequestError(ValueError):
    """The method of a request is unknown, or the request does not match the request type of the method."""


def read_request(
    schema: Schema, method: str, request: dict[str, Any], caller: CallerFacts, now: datetime
) -> PolicyInput:
    """Convert a request in JSON into the input of policies.

    Args:
        schema: the schema that contains the method.
        method: the full name of the method.
        request: the request message as a JSON object.
        caller: the caller of the method.
        now: the value of the variable `now` in rules.

    Raises:
        RequestError: the method is unknown, or the request does not match the request type of the method.
    """
    known = schema.known.get(method)
    if known is None:
        raise RequestError(f"{method!r} is no known method{suggest_method(method, schema.known)}")
    try:
        message = json_format.ParseDict(request, known.request(), descriptor_pool=schema.pool)
    except _UNFIT as error:
        reason = _explain(str(error))
        raise RequestError(
            f"the request does not fit {known.request.DESCRIPTOR.full_name}: {reason}"
        ) from error
    return PolicyInput(known.name, message, to_caller(caller), now)


def _explain(error: str) -> str:
    """Return an error message of json_format as one short and redacted line."""
    match = _UNKNOWN_FIELD.search(error)
    if match:
        fields = re.findall(r"'([^']*)'", match[3])
        near = get_close_matches(match[1], fields, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        name = redact_text(match[1], _MAX_SHOWN)
        error = f"there is no field {name!r} in {match[2]}; {hint}fields: {', '.join(fields)}"
    return redact_text(" ".join(error.split()), _MAX_SHOWN)


def read_policy_input(text: str, name: str, schema: Schema, method: str, now: str | None) -> PolicyInput:
    """Read a request file and return the input of policies.

    Args:
        text: the text of the file, in JSON or YAML. The text contains a request, or an object with the keys
            `request`, `method`, `caller` and `now`.
        name: the file name that error messages contain.
        schema: the schema that contains the methods.
        method: the full name of the default method. It is used if the text contains no method.
        now: the default time, with a time zone. It is used if the text contains no time. None means the
            current time.

    Raises:
        FaultsError: the text, the time or the request is invalid.
    """
    value, position = _load(text, name)
    if not isinstance(value.get("request"), dict):
        value = {"request": value}
    value = {"method": method, "now": now or datetime.now(UTC), **value}
    try:
        document = InputDocument.model_validate(value)
    except ValidationError as error:
        raise FaultsError(validation_faults(error, InputDocument, position)) from error
    try:
        return read_request(schema, document.method, document.request, document.caller, document.now)
    except RequestError as error:
        raise _refuse(position(()), str(error)) from error


def _load(text: str, name: str) -> tuple[dict[str, Any], Callable[[Path], Position]]:
    """Return the object in a text, and a function that returns the position of a part of the object."""
    try:
        documents = load_documents(text, name)
    except FaultsError:
        value = _load_json(text)
        if value is None:
            raise
        return value, lambda _: Position(name)
    if len(documents) != 1 or not isinstance(documents[0].value, dict):
        raise _refuse(Position(name), "write one request, as an object")
    return documents[0].value, documents[0].position


def _load_json(text: str) -> dict[str, Any] | None:
    """Return the object in a text, or None if the text contains no JSON object.

    This function is needed because JSON can escape a character as two surrogates. Such JSON is not valid
    YAML.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _refuse(position: Position, message: str) -> FaultsError:
    return FaultsError([Fault(position, "", message)])


class InputDocument(Part):
    """A request and its context: the method, the caller and the time."""

    method: str
    request: dict[str, Any] = Field(repr=False)  # the request may contain a signature
    caller: CallerFacts = CallerFacts()
    now: Moment


def to_caller(facts: CallerFacts) -> Caller:
    """Convert the facts about a caller, from a test or a request file, into a Caller."""
    return Caller(
        id=facts.id,
        kind=facts.kind,
        groups=tuple(facts.groups),
        address=facts.address,
        claims=dict(facts.claims),
    )
