"""Which of the engine's extensions policies have, and that nothing else is let in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.policy.making import binding_text, policy_text

if TYPE_CHECKING:
    from tests.policy.conftest import Decide, Refuse

ALLOWED = [
    "[3, 1, 2].sort() == [1, 2, 3]",
    "['a', 'b', 'a'].distinct().size() == 2",
    "sets.intersects([1, 2], [2, 3]) && sets.equivalent([1, 2], [2, 1])",
    "math.greatest(1, 2) == 2 && math.least([3, 2]) == 2 && math.abs(-1) == 1",
    "base64.encode(b'a') == 'YQ==' && base64.decode('YQ==') == b'a'",
    "request.labels[?'zz'].orValue('none') == 'none'",
    "request.labels[?'a'].hasValue() && [1][?3].orValue(7) == 7",
    "request.?name.orValue('none') == 'n'",
    "[?optional.none(), ?optional.of(1)] == [1]",
    "[1, 2].all(i, v, v == i + 1) && [1, 2].exists(i, v, v == 2) && [1, 2].existsOne(i, v, v == 2)",
    "['x', 'y'].transformList(i, v, v + string(i)) == ['x0', 'y1']",
    "['x', 'y'].transformList(i, v, i > 0, v) == ['y']",
    "request.labels.transformList(k, v, k + v) == ['a1', 'b2', 'c3']",
    "request.labels.transformList(k, v, k != 'b', v) == ['1', '3']",
    "request.labels.transformList(k, v, ['q'].map(k, v + k)[0]) == ['1q', '2q', '3q']",
]


@pytest.mark.parametrize("text", ALLOWED)
def test_extensions_work(evaluate: Decide, text: str) -> None:
    fields = {"name": "n", "labels": {"b": "2", "a": "1", "c": "3"}}
    assert evaluate(text, **fields).is_allowed
    assert not evaluate(f"!({text})", **fields).is_allowed


REFUSED = [
    ("lists.range(1000000) != []", "the function lists.range is not available to policies"),
    ("[3, 1].sortBy(x, -x) == [1, 3]", "sortBy, optMap and optFlatMap are not available"),
    ("request.?name.optMap(n, n + 'x').orValue('') == ''", "sortBy, optMap and optFlatMap are not available"),
    ("request.labels.transformMap(k, v, v + 'x') != {}", "transformMap is not available to policies"),
    ("cel.bind(x, 1, x == 1)", "undeclared reference to"),
]


@pytest.mark.parametrize(("text", "reason"), REFUSED)
def test_what_cannot_be_bounded_or_is_unsound_is_refused(refuse: Refuse, text: str, reason: str) -> None:
    faults = refuse(policy_text(text), binding_text())
    assert any(reason in fault for fault in faults)
