"""The fixtures of policies, for expressions too, and an environment of Create."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cel_expr_python import cel

from gateway.expressions import LINK_TYPE, Environment, Patterns, Toolbox
from tests.policy.conftest import decide, evaluate, load, make_request, refuse

if TYPE_CHECKING:
    from gateway.schema import Schema

__all__ = ["decide", "evaluate", "load", "make_request", "refuse"]


@pytest.fixture
def environment(schema: Schema) -> Environment:
    variables = {
        "request": cel.Type("yandex.cloud.baremetal.v1alpha.CreateImageRequest"),
        "now": cel.Type.TIMESTAMP,
    }
    tools = Toolbox(link_class=schema.message(LINK_TYPE), patterns=Patterns())
    return Environment(schema, tools, variables, {"names": ["a", "b"], "prefix": "db-"})
