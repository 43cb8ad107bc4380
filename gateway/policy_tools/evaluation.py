"""Evaluates a single CEL expression for a request. The expression does not belong to a policy."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

from cel_expr_python import cel

from gateway.documents import SourceFile, split_lines
from gateway.expressions import LINK_TYPE, Environment, ExpressionError, Patterns, Toolbox
from gateway.faults import Fault, FaultsError
from gateway.policy.program import CALLER_TYPE
from gateway.policy_tools.explain import to_json_value
from gateway.redaction import redact_value

if TYPE_CHECKING:
    from gateway.expressions.expression import Expression
    from gateway.object_storage import Hosts
    from gateway.policy.program import PolicyInput
    from gateway.schema import Schema

_NO_PARAMETERS = "undeclared reference to 'params"
_MAX_LENGTH = 4096
_ENGINE_TYPE = re.compile(r"(?<![\w.])[A-Z][A-Z_]*(?![\w.])")


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The result of the evaluation of an expression.

    Attributes:
        value: the value of the expression, converted to JSON. Secrets in the value are redacted.
        type: the name of the value's type in CEL.
    """

    value: Any
    type: str


def evaluate_expression(text: str, policy_input: PolicyInput, schema: Schema, hosts: Hosts) -> Evaluation:
    """Compile an expression for the method of a request, and evaluate the expression.

    Args:
        text: the text of the expression in CEL.
        policy_input: the request, the method, the caller and the time.
        schema: the schema with the types of the fields that the expression reads.
        hosts: the host names of Object Storage.

    Raises:
        FaultsError: the expression does not compile. The error has the position of every problem.
        EvaluationError: the expression has no value for this request.
    """
    environment = _make_environment(policy_input, schema, hosts)
    expression = _compile(environment, text)
    caller = policy_input.caller
    values = {
        "request": policy_input.request,
        "method": policy_input.method,
        "now": policy_input.now,
        "caller": schema.message(CALLER_TYPE)(
            id=caller.id,
            kind=caller.kind,
            groups=caller.groups,
            address=caller.address,
            claims=dict(caller.claims),
        ),
    }
    value = expression.evaluate(environment.activate(values))
    return Evaluation(
        redact_value(to_json_value(_encode(value), schema.pool)), _name_type(expression.returns)
    )


def _make_environment(policy_input: PolicyInput, schema: Schema, hosts: Hosts) -> Environment:
    tools = Toolbox(link_class=schema.message(LINK_TYPE), patterns=Patterns(), hosts=hosts)
    types = {
        "request": cel.Type(policy_input.request.DESCRIPTOR.full_name),
        "method": cel.Type.STRING,
        "now": cel.Type.TIMESTAMP,
        "caller": cel.Type(CALLER_TYPE),
    }
    return Environment(schema, tools, types)


def _compile(environment: Environment, text: str) -> Expression:
    source = SourceFile("expression", split_lines(text))
    if not text.strip() or len(text) > _MAX_LENGTH:
        reason = f"an expression has 1 to {_MAX_LENGTH} characters"
        raise FaultsError([Fault(source.position(1, 1), "", reason)])
    try:
        return environment.compile(text)
    except ExpressionError as error:
        raise FaultsError(
            Fault(source.position(one.line, one.column), "", _explain(one.message)) for one in error.problems
        ) from error


def _explain(message: str) -> str:
    if message.startswith(_NO_PARAMETERS):
        return "there are no parameters here, a binding gives them; write the value in their place"
    return message


def _name_type(kind: cel.Type) -> str:
    """Return the name of a type in CEL. For example, the engine's `LIST<STRING>` is `list(string)` in CEL."""
    name = _ENGINE_TYPE.sub(lambda match: match[0].lower(), kind.name())
    return name.replace("<", "(").replace(">", ")")


def _encode(value: Any) -> Any:
    """Convert the parts of a value that JSON cannot express.

    The conversion follows the JSON mapping of protobuf. Bytes are converted to base64 text. Infinity and NaN
    are converted to strings.
    """
    if isinstance(value, (bytes, bytearray)):
        return b64encode(value).decode()
    if isinstance(value, float) and not isfinite(value):
        return str(value).replace("inf", "Infinity").replace("nan", "NaN")
    if isinstance(value, list):
        return [_encode(one) for one in value]
    if isinstance(value, dict):
        return {key: _encode(one) for key, one in value.items()}
    return value
