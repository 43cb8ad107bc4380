"""The document model of the tests of a bundle."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from gateway.policy.model import Metadata, Moment, Part


class CallerFacts(Part):
    """The caller in a test or an explained request, with the fields of baremetal_gateway.v1.Caller."""

    id: str = ""
    kind: str = "none"
    groups: list[str] = Field([])
    address: str = ""
    claims: dict[str, str] = Field({})


class ExpectedViolation(Part):
    """A violation that a test case expects.

    Attributes:
        rule: the name of the broken rule: `<policy>/<rule>`.
        message: the complete description of the violation; None if the test does not check the description.
        waiver: the name of the waiver that allows the violation; None if the test does not check the waiver.
    """

    rule: str
    field: str | None = None
    message: str | None = None
    waiver: str | None = None


class ExpectedMutation(Part):
    """A field that a test case expects to be set.

    Attributes:
        value: the human-readable text of the new value. If the new value is a text, it is in quotes.
    """

    field: str
    value: str | None = None


class Expectation(Part):
    """The decision that a test case expects, with every violation.

    Attributes:
        waived: the expected violations that a waiver allows.
        mutations: the expected mutations, in order; None if the test does not check mutations.
    """

    decision: Literal["allow", "deny"]
    violations: list[ExpectedViolation] = Field([])
    warnings: list[ExpectedViolation] = Field([])
    audits: list[ExpectedViolation] = Field([])
    waived: list[ExpectedViolation] = Field([])
    mutations: list[ExpectedMutation] | None = None


class Case(Part):
    """One test: a request and the expected decision.

    Attributes:
        request: the request message as a JSON object.
        now: the value of the variable `now` in the policies.
    """

    name: str
    method: str
    request: dict[str, Any]
    caller: CallerFacts = CallerFacts()
    now: Moment = datetime.fromisoformat("2026-01-01T00:00:00+00:00")
    expect: Expectation


class Suite(Part):
    """A file of tests in the bundle."""

    api_version: Literal["baremetal-gateway/v1"] = Field(alias="apiVersion")
    kind: Literal["Tests"]
    metadata: Metadata
    cases: list[Case] = Field(min_length=1)
