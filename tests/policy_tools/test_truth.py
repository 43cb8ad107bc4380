"""Conditions that come out the same for every request, and those that only look so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.policy_tools.truth import find_truth
from tests.policy.making import CREATE, binding_text, policy_text

if TYPE_CHECKING:
    from tests.policy.conftest import Load

ALWAYS_TRUE = [
    "request.name == 'a' || true",
    "true || request.labels['x'] == 'y'",
    "request.name == 'a' || request.uri == 'b' || 1 == 1",
    "request.name == 'a' || !(request.name == 'a')",
    "request.name == 'a' || request.uri == '' || request.name != 'a'",
    "has(request.labels.x) || !has(request.labels.x)",
    "request.name == request.name",
    "!(request.name != request.name)",
    "size(request.labels) >= 0",
    "request.labels.size() >= 0",
    "request.name == '' ? true : 1 == 1",
    "1 == 1 ? true : request.name == ''",
    "params.lenient || request.name == 'a'",
    "v || request.name == 'b'",
    "now < timestamp('2026-01-01T00:00:00Z') || now >= timestamp('2026-01-01T00:00:00Z') || true",
]
ALWAYS_FALSE = [
    "request.name == 'a' && false",
    "request.name == 'a' && request.name != 'a'",
    "!(request.name == 'a' || true)",
    "request.name != request.name",
    "request.name.size() < 0",
    "!v",
    "request.name == 'a' && !params.lenient",
]
DEPENDS = [
    "request.name == 'a'",
    "request.name == 'a' || request.uri == 'a'",
    "request.name == 'a' || false",
    "request.name == 'a' && true",
    "double(request.name) == double(request.name)",
    "double(request.name) < 1.0 || double(request.name) >= 1.0",
    "dyn(request.name) == dyn(request.name)",
    "size(request.labels) >= 1",
    "request.labels.all(key, true)",
    "request.name == '' ? true : request.uri == ''",
    "w && request.name != 'b'",
    "now < timestamp('2026-01-01T00:00:00Z')",
]


def truth(load: Load, condition: str) -> bool | str | None:
    policy = policy_text(
        f"({condition}) || (w && params.lenient && v)",
        variables={"v": "request.name == 'a' || true", "w": "request.uri == 'a'", "c": condition},
    )
    bundle = load(policy, binding_text(params={"lenient": True}))
    (binding,) = bundle.programs[CREATE].bindings
    return find_truth(binding, dict(binding.variables)["c"])


@pytest.mark.parametrize("condition", ALWAYS_TRUE)
def test_is_always_true(load: Load, condition: str) -> None:
    assert truth(load, condition) is True


@pytest.mark.parametrize("condition", ALWAYS_FALSE)
def test_is_always_false(load: Load, condition: str) -> None:
    assert truth(load, condition) is False


@pytest.mark.parametrize("condition", DEPENDS)
def test_depends_on_the_request(load: Load, condition: str) -> None:
    assert truth(load, condition) is None
