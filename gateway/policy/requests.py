"""Requests as people write and record them → what is judged."""

from __future__ import annotations

from datetime import UTC, datetime
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from google.protobuf import json_format
from pydantic import AwareDatetime, ValidationError

from gateway.caller import Caller
from gateway.documents import load_documents
from gateway.faults import Fault, FaultsError, Position, validation_faults
from gateway.policy.model import Part
from gateway.policy.program import PolicyInput
from gateway.policy.suite_model import CallerFacts

if TYPE_CHECKING:
    from gateway.schema import Schema

# What json_format raises on what does not fit; the last ones on a bad Any or an infinite enum.
_UNFIT = (json_format.ParseError, TypeError, ValueError, AttributeError, LookupError, OverflowError)


class RequestError(ValueError):
    """A request names no known method, or does not fit it."""


def read_request(
    schema: Schema, method: str, request: dict[str, Any], caller: CallerFacts, now: datetime
) -> PolicyInput:
    """Return what is judged.

    Args:
        schema: that knows the method.
        method: full name.
        request: the message in its JSON form.
        caller: who calls.
        now: the time that rules see.

    Raises:
        RequestError: there is no such method, or the request does not fit it.
    """
    known = schema.known.get(method)
    if known is None:
        near = get_close_matches(method, schema.known, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise RequestError(f"{method!r} is no known method{hint}")
    try:
        message = json_format.ParseDict(request, known.request(), descriptor_pool=schema.pool)
    except _UNFIT as error:
        raise RequestError(
            f"the request does not fit {known.request.DESCRIPTOR.full_name}: {error}"
        ) from error
    return PolicyInput(known.name, message, to_caller(caller), now)


def read_question(text: str, name: str, schema: Schema, method: str, now: str | None) -> PolicyInput:
    """Read what somebody asks about: a request, or an object with `request` and what stands around it.

    Args:
        text: in JSON or YAML.
        name: of the text, for messages.
        schema: that knows the methods.
        method: of the request, when the text does not name it.
        now: the time, with its zone, when the text does not say it; None is the present.

    Raises:
        FaultsError: the text, the time or the request cannot be used.
    """
    documents = load_documents(text, name)
    if len(documents) != 1 or not isinstance(documents[0].value, dict):
        raise _refuse(Position(name), "one request is asked for, as an object")
    document, value = documents[0], documents[0].value
    if not isinstance(value.get("request"), dict):
        value = {"request": value}
    value = {"method": method, "now": now or datetime.now(UTC), **value}
    try:
        question = Question.model_validate(value)
    except ValidationError as error:
        raise FaultsError(validation_faults(error, Question, document.position)) from error
    try:
        return read_request(schema, question.method, question.request, question.caller, question.now)
    except RequestError as error:
        raise _refuse(document.position(()), str(error)) from error


def _refuse(position: Position, message: str) -> FaultsError:
    return FaultsError([Fault(position, "", message)])


class Question(Part):
    """A request with what stands around it."""

    method: str
    request: dict[str, Any]
    caller: CallerFacts = CallerFacts()
    now: AwareDatetime


def to_caller(facts: CallerFacts) -> Caller:
    """Return the caller that facts describe."""
    return Caller(
        id=facts.id,
        kind=facts.kind,
        groups=tuple(facts.groups),
        address=facts.address,
        claims=dict(facts.claims),
    )
