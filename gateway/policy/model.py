"""The document models of a bundle."""

from __future__ import annotations

import re
from calendar import month_name, monthrange
from datetime import MAXYEAR, MINYEAR, UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
    model_validator,
)

CONDITION = "when"
"""The value of `Violation.rule` if the condition of a binding cannot be evaluated."""

_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RESERVED = {"request", "params", "method", "now", "caller"}
# The CEL words are from https://github.com/google/cel-spec/blob/master/doc/langdef.md#syntax.
# _CEL_WORD also matches the names of the CEL types.
_KEYWORDS = {"in", "true", "false", "null"}
_MAX_VARIABLES = 64
_MAX_RULES = 2000
_CEL_WORD = re.compile(
    r"in|true|false|null|as|cel|break|const|continue|else|for|function|if|import|let|loop|namespace|package|return"
    r"|var|void|while|bool|bytes|double|dyn|int|list|map|null_type|string|type|uint"
)
_MAX_PARAMETER_DEPTH = 8
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
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
    """Refuse values that the CEL engine cannot process.

    A deeply nested value crashes the engine, and the engine cuts a text at a NUL character.
    """
    if value is None:
        raise ValueError("a parameter cannot be null; leave it out")
    if levels == 0:
        raise ValueError(f"a parameter is nested at most {_MAX_PARAMETER_DEPTH} levels deep")
    if isinstance(value, str) and "\0" in value:
        raise ValueError("a parameter cannot contain a NUL character")
    if isinstance(value, int) and value not in _INT64:
        raise ValueError("a whole number takes at most 64 bits")
    if isinstance(value, (dict, list)):
        for one in [*value, *value.values()] if isinstance(value, dict) else value:
            _check_parameter(one, levels - 1)
    return value


def _check_expression(value: Any) -> Any:
    """Refuse a value that is not text. The error message describes how to write an expression."""
    if value is None:
        raise ValueError("an expression is expected; leave the key out to have none")
    if isinstance(value, (bool, int, float)):
        word = str(value).lower() if isinstance(value, bool) else str(value)
        raise ValueError(f"an expression is text: put it in quotes, as '{word}'")  # noqa: TRY004 - pydantic takes it
    if isinstance(value, (dict, list)):
        raise ValueError("an expression is text: put one that starts with a bracket in quotes")  # noqa: TRY004 - as above
    return value


def _check_assertion(value: Any) -> Any:
    if value is True:
        raise ValueError("every request would meet it; write a condition, as 'request.name != \"\"'")
    if value is False:
        raise ValueError("to refuse every request put it in quotes, as 'false'")
    return value


def _tag_of_variable(value: Any) -> str:
    return "<methods>" if isinstance(value, dict) else "<text>"


def _impossible_date(text: str) -> str:
    """Return the reason why the date at the start of a text does not exist.

    The result is empty if the date exists, or if the text does not start with a date.
    """
    match = _DATE.match(text)
    if match is None:
        return ""
    year, month, day = map(int, match[0].split("-"))
    if not MINYEAR <= year <= MAXYEAR:
        return f"there is no year {year}"
    if month not in range(1, 13):
        return f"there is no month {month}"
    last = monthrange(year, month)[1]
    if day not in range(1, last + 1):
        return f"there is no such day: {month_name[month]} {year} has {last} days"
    return ""


def _read_moment(value: Any) -> datetime:
    """Read a date or a time. A time without a time zone is refused because it is ambiguous."""
    if isinstance(value, str) and (reason := _impossible_date(value)):
        raise ValueError(reason)
    try:
        if isinstance(value, str) and _DATE.fullmatch(value):
            return datetime.fromisoformat(value).replace(tzinfo=UTC)
        read = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        read = None
    if not isinstance(read, datetime) or read.tzinfo is None:
        raise ValueError("a date as 2026-12-31, or a time with its zone as 2026-12-31T18:00:00Z")
    return read


Name = Annotated[str, AfterValidator(_check_name)]
Variable = Annotated[str, AfterValidator(_check_variable)]
ParameterName = Annotated[str, AfterValidator(_check_parameter_name)]
Moment = Annotated[datetime, BeforeValidator(_read_moment), WithJsonSchema({"type": "string"})]
ParameterValue = Annotated[Any, AfterValidator(_check_parameter)]
Parameters = dict[ParameterName, ParameterValue]
ExpressionText = Annotated[str, Field(min_length=1, max_length=4096), BeforeValidator(_check_expression)]
MethodTexts = Annotated[
    dict[str, ExpressionText],
    Field(min_length=1, description="CEL for each method; the keys are full names, `*` matches any text."),
]
AssertionText = Annotated[ExpressionText, BeforeValidator(_check_assertion)]
VariableValue = Annotated[
    Annotated[ExpressionText, Tag("<text>")] | Annotated[MethodTexts, Tag("<methods>")],
    Discriminator(_tag_of_variable),
]
Action = Literal["deny", "warn", "audit"]
Severity = Literal["low", "medium", "high", "critical"]


class Part(BaseModel):
    """The base class of the parts of a document. A part is immutable and refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Metadata(Part):
    """Name and description of a document."""

    name: Name
    description: str = ""


def _check_rule_name(text: str) -> str:
    if text == CONDITION:
        raise ValueError(f"{CONDITION!r} means the condition of a binding; choose another name")
    return text


class Rule(Part):
    """One condition that a request has to meet.

    Attributes:
        assertion: the CEL condition that is true when the request meets the rule.
        field: the path of the field that the rule is about, for example `uri` or `labels["env"]`.
        message: the CEL expression that returns a description of the problem for the caller.
        fix: the CEL expression that returns a description of how to fix the problem.
        severity: the severity of a broken rule. The severity is reported and has no other effect.
    """

    name: Annotated[Name, AfterValidator(_check_rule_name)]
    assertion: AssertionText = Field(alias="assert", description="CEL; true when the request meets the rule.")
    field: str = Field("", description='Field that the rule is about, as `uri` or `labels["env"]`.')
    message: ExpressionText | None = Field(None, description="CEL giving a text: what is wrong.")
    fix: ExpressionText | None = Field(None, description="CEL that gives a text: how to fix it.")
    severity: Severity = Field("medium", description="How grave a broken rule is.")


class MutationRule(Part):
    """A field that the policy sets before any rule is evaluated.

    Attributes:
        field: the path of the field.
        value: the CEL expression that returns the new value. The new value must have the type of the field.
        when: the CEL condition under which the field is set; without a condition, the field is always set.
    """

    field: str = Field(description='Field to set, as `description` or `labels["managed-by"]`.')
    value: ExpressionText = Field(description="CEL, of the field's type.")
    when: ExpressionText | None = Field(None, description="CEL; the field is set when it is true.")


class PolicySpec(Part):
    """The methods, variables, rules and mutations of a policy.

    Attributes:
        methods: the patterns for the full names of the methods. In a pattern, `*` matches any text.
        variables: the CEL expressions that the rules share. The keys are the names of the variables. A
            variable may use the variables that are declared before it. It has one expression, or an
            expression for each method.
    """

    methods: list[str] = Field(min_length=1, description="Full names of methods; `*` matches any text.")
    variables: dict[Variable, VariableValue] = Field(
        {}, max_length=_MAX_VARIABLES, description="CEL values that rules share; each may use those above it."
    )
    rules: list[Rule] = Field([], max_length=_MAX_RULES)
    mutations: list[MutationRule] = Field([], alias="set", max_length=_MAX_VARIABLES)

    @model_validator(mode="after")
    def _has_effect(self) -> PolicySpec:
        if not self.rules and not self.mutations:
            raise ValueError("a policy has rules, or fields to set")
        return self


class Policy(Part):
    """A set of rules. It has no effect until a binding applies it."""

    api_version: Literal["baremetal-gateway/v1"] = Field(alias="apiVersion")
    kind: Literal["Policy"]
    metadata: Metadata
    spec: PolicySpec


class BindingSpec(Part):
    """The application of a policy to requests.

    Attributes:
        when: the CEL condition on a request; the binding applies to the requests that meet it.
        params_from: the names of the Params documents whose values the binding uses. If two documents have
            the same key, the later document in the list overrides the earlier one.
        params: the binding's own values. The keys are the names of the parameters. These values override the
            values of the Params documents. Expressions read all values as `params.<key>`.
    """

    policy: Name
    action: Action = Field("deny", description="What a broken rule does.")
    when: ExpressionText | None = Field(None, description="CEL; the requests that the binding is for.")
    params_from: list[Name] = Field([], alias="paramsFrom", description="Params whose values it takes.")
    params: Parameters = Field({}, description="What the policy reads as `params.<name>`.")


class Binding(Part):
    """Applies a policy."""

    api_version: Literal["baremetal-gateway/v1"] = Field(alias="apiVersion")
    kind: Literal["Binding"]
    metadata: Metadata
    spec: BindingSpec


class Params(Part):
    """Values that several bindings share."""

    api_version: Literal["baremetal-gateway/v1"] = Field(alias="apiVersion")
    kind: Literal["Params"]
    metadata: Metadata
    spec: Parameters = Field(min_length=1)


class WaiverSpec(Part):
    """Allows violations of some rules, for some requests, until a given time.

    Attributes:
        rules: the names of the waived rules, which belong to the binding's policy.
        when: the CEL condition on a request; without a condition, the waiver applies to all requests.
        owner: the name of the person or team that is responsible for the waiver.
        ticket: the reference to the ticket in which the waiver was agreed.
        expires: the time from which the waiver has no effect. A date without a time means 00:00 UTC on this
            date.
    """

    binding: Name
    rules: list[Name] = Field(min_length=1)
    when: ExpressionText | None = Field(None, description="CEL; the requests that the waiver is for.")
    owner: str = Field(min_length=1, description="Who is responsible for it.")
    ticket: str = Field(min_length=1, description="Where it was agreed.")
    expires: Moment = Field(
        description="From then on it has no effect: a date (its first moment, UTC) or a time with its zone."
    )


class Waiver(Part):
    """Waives rules of one binding for a limited time."""

    api_version: Literal["baremetal-gateway/v1"] = Field(alias="apiVersion")
    kind: Literal["Waiver"]
    metadata: Metadata
    spec: WaiverSpec


KINDS: dict[str, type[Policy | Binding | Params | Waiver]] = {
    "Policy": Policy,
    "Binding": Binding,
    "Params": Params,
    "Waiver": Waiver,
}
