"""Finds the `caller` fields that a bundle reads but that the gateway never sets.

An expression that reads such a field compiles. The tests of the bundle may pass, because a test can set all
fields of the caller. In service, however, the field is empty for every caller.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.expressions.syntax import walk
from gateway.faults import Fault, key_of
from gateway.policy.program import CALLER_TYPE
from gateway.policy_tools.expressions_of import expressions_of
from gateway.policy_tools.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.expressions.expression import Expression
    from gateway.policy.bundle import Bundle

_ADVICE = (
    "callers have no such value with this configuration (callers.type), so it is the same for every call, "
    "whatever tests say; decide by the request or by {}"
)


def find_absent_caller_fields(bundle: Bundle, present: frozenset[str]) -> list[Finding]:
    """Return a warning for each position where an expression reads a `caller` field that is never set.

    Args:
        bundle: the compiled bundle.
        present: the names of the `caller` fields that the configured gateway sets.
    """
    found = {}
    advice = _ADVICE.format(", ".join(f"caller.{name}" for name in sorted(present)))
    for expression, document, path in expressions_of(bundle):
        for field, line, column in _absent(expression, present):
            position = document.position_within(path, line, column)
            fault = Fault(position, key_of(path), f"reads caller.{field}: {advice}")
            found[fault] = Finding("warning", fault)
    return sorted(found.values(), key=lambda one: _place(one.fault))


def _place(fault: Fault) -> tuple[str, int, int]:
    return fault.position.file, fault.position.line, fault.position.column


def _absent(expression: Expression, present: frozenset[str]) -> Iterator[tuple[str, int, int]]:
    """Yield the name, the line and the column of each `caller` field that is read but never set.

    Args:
        expression: the compiled expression.
        present: the names of the `caller` fields that the gateway sets.
    """
    checked = expression.checked
    for node in walk(checked.expr):
        if node.WhichOneof("expr_kind") != "select_expr":
            continue
        select = node.select_expr
        kind = checked.type_map.get(select.operand.id)
        if kind is not None and kind.message_type == CALLER_TYPE and select.field not in present:
            yield select.field, *_line_and_column(expression.text, _offset(checked, select.operand))


def _offset(checked: Any, node: Any) -> int:
    return int(checked.source_info.positions.get(node.id, 0))


def _line_and_column(text: str, offset: int) -> tuple[int, int]:
    before = text[:offset]
    return before.count("\n") + 1, len(before) - before.rfind("\n")
