"""The documents of a bundle, as their authors write them."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

API_VERSION = "baremetal-gateway/v1"

_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RESERVED = {"request", "params", "method", "now", "caller"}
# https://github.com/google/cel-spec/blob/master/doc/langdef.md#syntax, and the names of types.
_KEYWORDS = {"in", "true", "false", "null"}
_CEL_WORD = re.compile(
    r"in|true|false|null|as|break|const|continue|else|for|function|if|import|let|loop|namespace|package|return"
    r"|var|void|while|bool|bytes|double|dyn|int|list|map|null_type|string|type|uint"
)
_MAX_PARAMETER_DEPTH = 8
_INT64 = range(-(2**63), 2**63)


def _check_name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError("a name is of a-z, 0-9, '-' and '.', and starts and ends with a letter or digit")
    return text


def _check_variable(text: str) -> str:
    if not _IDENTIFIER.fullmatch(text) or text in _RESERVED:
        raise ValueError(f"a variable is a CEL identifier other than {', '.join(sorted(_RESERVED))}")
    if _CEL_WORD.fullmatch(text):
        raise ValueError("the word belongs to CEL itself; choose another name")
    return text


def _check_parameter_name(text: str) -> str:
    if not _IDENTIFIER.fullmatch(text) or text in _KEYWORDS:
        raise ValueError("the name of a parameter is a CEL identifier")
    return text


def _check_parameter(value: Any, levels: int = _MAX_PARAMETER_DEPTH) -> Any:
    """Bound what reaches the engine: a deep value crashes it, and it cuts texts at NUL."""
    if value is None:
        raise ValueError("a parameter holds no null; leave it out")
    if levels == 0:
        raise ValueError(f"a parameter is nested at most {_MAX_PARAMETER_DEPTH} levels deep")
    if isinstance(value, str) and "\0" in value:
        raise ValueError("a parameter holds no NUL character")
    if isinstance(value, int) and value not in _INT64:
        raise ValueError("a whole number takes at most 64 bits")
    if isinstance(value, (dict, list)):
        for one in [*value, *value.values()] if isinstance(value, dict) else value:
            _check_parameter(one, levels - 1)
    return value


Name = Annotated[str, AfterValidator(_check_name)]
Variable = Annotated[str, AfterValidator(_check_variable)]
ParameterName = Annotated[str, AfterValidator(_check_parameter_name)]
ParameterValue = Annotated[Any, AfterValidator(_check_parameter)]
Expression = Annotated[str, Field(min_length=1, max_length=4096)]


class Part(BaseModel):
    """A part of a document: unknown keys are refused, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Metadata(Part):
    """What a document is called and what for."""

    name: Name
    description: str = ""


class Rule(Part):
    """One condition that a request has to meet.

    Attributes:
        assertion: CEL; true when the request meets the rule.
        field: path of the field that the rule is about, `uri` or `labels["env"]`.
        message: CEL giving the text for the caller: what is wrong and how to mend it.
    """

    name: Name
    assertion: Expression = Field(alias="assert")
    field: str = ""
    message: Expression | None = None


class PolicySpec(Part):
    """What a policy asks of which methods.

    Attributes:
        methods: full names, `*` standing for any text.
        variables: CEL values that the rules share; each may use those above it.
    """

    methods: list[str] = Field(min_length=1)
    variables: dict[Variable, Expression] = {}
    rules: list[Rule] = Field(min_length=1)


class Policy(Part):
    """A set of rules. It has no effect until a binding puts it in force."""

    api_version: Literal["baremetal-gateway/v1"] = Field(alias="apiVersion")
    kind: Literal["Policy"]
    metadata: Metadata
    spec: PolicySpec


class BindingSpec(Part):
    """How a policy is put in force.

    Attributes:
        when: CEL; the binding applies to the requests for which it is true.
        params: values that the policy's expressions read as `params.<name>`.
    """

    policy: Name
    action: Literal["deny", "warn", "audit"] = "deny"
    when: Expression | None = None
    params: dict[ParameterName, ParameterValue] = {}


class Binding(Part):
    """Puts a policy in force."""

    api_version: Literal["baremetal-gateway/v1"] = Field(alias="apiVersion")
    kind: Literal["Binding"]
    metadata: Metadata
    spec: BindingSpec


KINDS: dict[str, type[Policy | Binding]] = {"Policy": Policy, "Binding": Binding}


class ExpectedViolation(Part):
    """A violation that a test case expects.

    Attributes:
        rule: `<policy>/<rule>`.
        message: the whole text, when the case is about it.
    """

    rule: str
    field: str | None = None
    message: str | None = None


class Expectation(Part):
    """What a test case expects of the decision, every violation named."""

    decision: Literal["allow", "deny"]
    violations: list[ExpectedViolation] = []
    warnings: list[ExpectedViolation] = []
    audits: list[ExpectedViolation] = []


class Case(Part):
    """One test: a request and the decision that it has to get.

    Attributes:
        request: the request message in its JSON form.
        now: the time at which it is judged.
    """

    name: str
    method: str
    request: dict[str, Any]
    now: AwareDatetime = datetime.fromisoformat("2026-01-01T00:00:00+00:00")
    expect: Expectation


class Suite(Part):
    """A file of tests beside the bundle."""

    api_version: Literal["baremetal-gateway/v1"] = Field(alias="apiVersion")
    kind: Literal["Tests"]
    metadata: Metadata
    cases: list[Case] = Field(min_length=1)
