"""Limits of inputs decide what an expression may cost."""

from __future__ import annotations

import pytest
from cel_expr_python import cel

from gateway.expressions import LINK_TYPE, Environment, ExpressionError, InputLimits, Patterns, Toolbox
from gateway.schema import Schema

TEXT = "request.update_mask.paths.all(a, request.update_mask.paths.all(b, a != b))"


def environment(schema: Schema, limits: InputLimits) -> Environment:
    tools = Toolbox(link_class=schema.message(LINK_TYPE), patterns=Patterns(), limits=limits)
    request = cel.Type("yandex.cloud.baremetal.v1alpha.UpdateImageRequest")
    return Environment(schema, tools, {"request": request})


def test_fewer_elements_cost_less(schema: Schema) -> None:
    assert environment(schema, InputLimits(text=64, elements=8)).compile(TEXT).text == TEXT
    with pytest.raises(ExpressionError, match="takes too long"):
        environment(schema, InputLimits(text=65536, elements=4096)).compile(TEXT)
