"""Changes to the checked form of an expression."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gateway.expressions.editing import MOST_ADDED, Editor
from gateway.expressions.errors import CostLimitError
from gateway.expressions.syntax import to_text, walk

if TYPE_CHECKING:
    from gateway.expressions import Environment


def edit(environment: Environment, text: str) -> tuple[Editor, Any]:
    checked = environment.compile(text).checked
    return Editor(checked), checked.expr


def test_a_node_becomes_a_name_of_the_same_type(environment: Environment) -> None:
    editor, node = edit(environment, "request.name + 'a'")
    kind = editor.type_of(node)
    editor.set_name(node, "@0")
    assert (to_text(node), editor.type_of(node)) == ("@0", kind)
    assert editor.checked.reference_map[node.id].name == "@0"


@pytest.mark.parametrize(
    ("keys", "written"),
    [(1, '@0.truths["a"]'), (2, '@0.rows["a"].truths["b"]')],
)
def test_a_node_becomes_a_look_up_in_a_table(environment: Environment, keys: int, written: str) -> None:
    editor, node = edit(environment, "['a', 'b'] == []")
    given = list(node.call_expr.args[0].list_expr.elements)[:keys]
    editor.set_lookup(node, "@0", "truths", given)
    assert to_text(node) == written


def test_a_copy_has_ids_and_types_of_its_own(environment: Environment) -> None:
    editor, node = edit(environment, "request.name + 'a'")
    copied = editor.copy(node)
    assert to_text(copied) == to_text(node)
    assert not {one.id for one in walk(copied)} & {one.id for one in walk(node)}
    assert editor.type_of(copied) == editor.type_of(node)


def test_a_map_is_sorted_by_its_keys(environment: Environment) -> None:
    editor, node = edit(environment, "request.labels.map(k, k)")
    assert editor.has_sortable_keys(node.comprehension_expr.iter_range)
    editor.sort_keys(node.comprehension_expr.iter_range)
    key = node.comprehension_expr.iter_range.call_expr.target.comprehension_expr.iter_var
    assert to_text(node) == f"request.labels.map({key}, {key}).sort().map(k, k)"


def test_values_of_a_loop_are_looked_up_by_the_key(environment: Environment) -> None:
    editor, node = edit(environment, "request.labels.transformList(k, v, v + v)")
    editor.replace_values(node)
    key = node.comprehension_expr.iter_var
    assert to_text(node) == f"request.labels.map({key}, request.labels[{key}] + request.labels[{key}])"


def test_a_map_of_parts_is_made(environment: Environment) -> None:
    editor, node = edit(environment, "['a'].exists(x, x == 'b')")
    over = node.comprehension_expr.iter_range
    assert to_text(
        editor.make_map(over, ("y",), editor.make_list([editor.copy(over)]))
    ) == "['a'].map(y, [['a']])".replace("'", '"')


def test_copies_are_limited(environment: Environment) -> None:
    editor, node = edit(environment, f"[{', '.join(['request.name'] * 50)}] == []")
    copy_often(editor, node, MOST_ADDED // 200)
    with pytest.raises(CostLimitError, match="becomes too large"):
        copy_often(editor, node, MOST_ADDED // 100)


def copy_often(editor: Editor, node: Any, times: int) -> None:
    for _ in range(times):
        editor.copy(node)
