"""The document model of the tests of a bundle."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from gateway.policy.model import Metadata, Moment, Part


class CallerFacts(Part):
    """The caller in a test or in a request to explain; the fields of baremetal_gateway.v1.Caller."""

    id: str = ""
    kind: str = "none"
    groups: list[str] = Field([])
    address: str = ""
    claims: dict[str, str] = Field({})


class ExpectedViolation(Part):
    """A violation that a test case expects.

    Attributes:
        rule: `<policy>/<rule>`.
        message: the whole text, when the case is about it.
        waiver: name of the waiver that allowed it.
    """

    rule: str
    field: str | None = None
    message: str | None = None
    waiver: str | None = None


class ExpectedMutation(Part):
    """A field that a test case expects to be set.

    Attributes:
        value: as responses show it; a text is in quotes.
    """

    field: str
    value: str | None = None


class Expectation(Part):
    """The decision that a test case expects, with every violation.

    Attributes:
        waived: violations that a waiver allowed.
        mutations: fields that policies set, in their order; not compared when left out.
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
        request: the request message in its JSON form.
        now: the time at which it is evaluated.
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
