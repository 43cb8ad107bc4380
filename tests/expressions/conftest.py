"""The fixtures of policies, for expressions too, and an environment of expressions."""

from __future__ import annotations

from typing import Any, Protocol

import pytest
from cel_expr_python import cel
from google.protobuf.message import Message

from gateway.call import Caller
from gateway.expressions import LINK_TYPE, Environment, Patterns, Toolbox
from gateway.schema import Schema
from tests.policy.conftest import decide, evaluate, load, make_request, refuse
from tests.policy.making import CREATE, NOW

__all__ = ["decide", "evaluate", "load", "make_request", "refuse"]


class Compute(Protocol):
    def __call__(self, text: str, **fields: Any) -> Any: ...


@pytest.fixture
def environment(schema: Schema) -> Environment:
    variables = {
        "request": cel.Type("yandex.cloud.baremetal.v1alpha.CreateImageRequest"),
        "method": cel.Type.STRING,
        "now": cel.Type.TIMESTAMP,
        "caller": cel.Type("baremetal_gateway.v1.Caller"),
    }
    tools = Toolbox(link_class=schema.message(LINK_TYPE), patterns=Patterns())
    return Environment(schema, tools, variables, {"names": ["a"]})


@pytest.fixture
def compute(schema: Schema, environment: Environment) -> Compute:
    """The value of an expression, for a request with some fields."""

    def value(text: str, **fields: Any) -> Any:
        request: Message = schema.known[CREATE].request(**fields)
        caller = schema.message("baremetal_gateway.v1.Caller")(address=Caller().address)
        values = {"request": request, "method": CREATE, "now": NOW, "caller": caller}
        values |= environment.parameters
        expression = environment.compile(text)
        return expression.evaluate(environment.activate(values))

    return value
