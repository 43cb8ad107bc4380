"""Changes the checked form of an expression. The references and types stay complete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.expressions.checked import last_id, rename
from gateway.expressions.errors import CostLimitError
from gateway.expressions.functions import TABLE_TYPE
from gateway.expressions.syntax import is_variable_binding, walk

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.expressions.syntax import Node

_RESULT = "@result"
_STRING, _UINT = 5, 3  # the numbers of the types in PrimitiveType
MOST_ADDED = 16384
"""The maximum number of nodes that are added to an expression. The engine needs about 3 KB for a node."""
_TOO_LARGE = (
    "becomes too large: a map that is computed is copied wherever transformList reads a value of it, and so "
    "are the arguments of inCidr, missing and unknown in loops; make a variable of the map, or nest fewer"
)


class Editor:
    """Changes one expression in place.

    The engine uses the ID of a node to find the variable, function or type of the node. So
    each added node gets a new ID. The reference and the type of the node are stored under this ID.

    Attributes:
        checked: the expression, a cel.expr.CheckedExpr.
    """

    def __init__(self, checked: Any) -> None:
        self.checked = checked
        self._last = last_id(checked)
        self._most = self._last + MOST_ADDED

    def type_of(self, node: Node) -> Any:
        """Return the type of a node as a cel.expr.Type; None if the type is only known at evaluation."""
        return self.checked.type_map.get(node.id)

    def overload_of(self, node: Node) -> str:
        """Return the ID of a call's overload. If several are possible, their IDs are separated by "|"."""
        found = self.checked.reference_map.get(node.id)
        return "" if found is None else "|".join(sorted(found.overload_id))

    def set_name(self, node: Node, name: str, kind: Any = None) -> None:
        """Turn a node into the name of a variable.

        Args:
            node: the node to change.
            name: the name of the variable.
            kind: the type of the value. If it is left out, the node keeps its type.
        """
        kept = self.type_of(node) if kind is None else kind
        self._reset(node, kept)
        node.ident_expr.name = name
        self.checked.reference_map[node.id].name = name

    def set_lookup(self, node: Node, table: str, field: str, keys: list[Node]) -> None:
        """Turn a node into `table.field[key]` or, with two keys, into `table.rows[first].field[second]`.

        Args:
            node: the node to change.
            table: the name of a variable of TABLE_TYPE.
            field: the name of the table's field that contains the values.
            keys: the nodes of the keys, one or two. They are parts of `node`.
        """
        kind = self.type_of(node)
        copies = [self.copy(key) for key in keys]
        self._reset(node, kind)
        place = self._set_entry(node, field, copies.pop(), kind)
        if copies:
            place = self._set_entry(place, "rows", copies.pop(), self.type_of(place))
        self._name(place, table)
        self.checked.type_map[place.id].message_type = TABLE_TYPE

    def _set_entry(self, node: Node, field: str, key: Node, kind: Any) -> Node:
        """Turn a node into `table.field[key]`, and return the empty node for `table`.

        The caller has to fill the returned node.

        Args:
            node: the node to change.
            field: the name of the table's field.
            key: the key of the entry.
            kind: the type of the value; None if the type is only known at evaluation.
        """
        self._set_index(node, key)
        entries = node.call_expr.args[0]
        entries.id = self._new_id()
        entries.select_expr.field = field
        known = self.checked.type_map[entries.id].map_type
        known.key_type.primitive = _STRING
        if kind is not None:
            known.value_type.CopyFrom(kind)
        place = entries.select_expr.operand
        place.id = self._new_id()
        self.checked.type_map[place.id].message_type = TABLE_TYPE
        return place

    def has_sortable_keys(self, node: Node) -> bool:
        """Return whether a node is a map whose key type is known and can be sorted."""
        kind = self.type_of(node)
        return kind is not None and kind.map_type.key_type.primitive in _SORTED

    def has_keys_of_python(self, node: Node) -> bool:
        """Return whether keys from Python have the same CEL type as the keys of a map.

        The engine converts a Python integer to an int, never to a uint. So the result is False for a map
        that has keys of type uint.
        """
        return bool(self.type_of(node).map_type.key_type.primitive != _UINT)

    def replace_values(self, node: Node) -> None:
        """Turn a loop over the keys and values of a map into a loop over the keys.

        The new loop looks up each value in the map.
        """
        self._freshen(node)
        loop = node.comprehension_expr
        name, loop.iter_var2 = loop.iter_var2, ""
        for one in list(walk(loop.loop_step)):
            if one.WhichOneof("expr_kind") == "ident_expr" and one.ident_expr.name == name:
                whole = self.copy(loop.iter_range)
                key = type(node)()
                self._name(key, loop.iter_var)
                self._reset(one, self.type_of(one))
                self._set_index(one, key)
                one.call_expr.args[0].CopyFrom(whole)

    def _freshen(self, node: Node) -> None:
        """Give unique names to the variables of all loops in a part."""
        for one in walk(node):
            loop = one.comprehension_expr
            names = {name: f"@{name}{self._new_id()}" for name in (loop.iter_var, loop.iter_var2) if name}
            if one.WhichOneof("expr_kind") != "comprehension_expr" or is_variable_binding(one):
                continue
            loop.iter_var, loop.iter_var2 = names[loop.iter_var], names.get(loop.iter_var2, "")
            for part in (loop.loop_condition, loop.loop_step, loop.result):
                rename(self.checked, part, names)

    def set_key_list(self, node: Node, name: str) -> None:
        """Replace a map with the name of a variable that contains the list of the map's keys."""
        keys = self.type_of(node).map_type.key_type
        kind = type(self.type_of(node))()
        kind.list_type.elem_type.CopyFrom(keys)
        self.set_name(node, name, kind)

    def sort_keys(self, node: Node) -> None:
        """Replace a map with the list of its keys in ascending order. All keys must have the same type."""
        keys = self.type_of(node).map_type.key_type
        whole = self.copy(node)
        self._reset(node, None)
        self.checked.type_map[node.id].list_type.elem_type.CopyFrom(keys)
        self._set_overload(node, f"list_{_SORTED[keys.primitive]}_sort")
        node.call_expr.function = "sort"
        key = type(node)()
        name = f"@key{self._new_id()}"
        self._name(key, name)
        gathered = self.make_map(whole, (name,), key)
        self.checked.type_map[gathered.id].list_type.elem_type.CopyFrom(keys)
        node.call_expr.target.CopyFrom(gathered)

    def graft(self, node: Node, definition: Any, arguments: Mapping[str, Node]) -> None:
        """Replace a function call with the definition of the function.

        Args:
            node: the node of the call.
            definition: the definition, a cel.expr.CheckedExpr.
            arguments: the nodes that replace the variables of the definition, keyed by variable name.
        """
        copies = {name: self._detached(one) for name, one in arguments.items()}
        grafted = self._adopt(definition, definition.expr)
        self._freshen(grafted)
        for one in list(walk(grafted)):
            if one.WhichOneof("expr_kind") == "ident_expr" and one.ident_expr.name in copies:
                one.CopyFrom(self._adopt(self.checked, copies[one.ident_expr.name]))
        kept = node.id
        self.checked.reference_map.pop(kept, None)
        node.CopyFrom(grafted)
        if kept in self.checked.type_map:
            self.checked.type_map[node.id].CopyFrom(self.checked.type_map[kept])

    def copy(self, node: Node) -> Node:
        """Return a copy of a part. The nodes of the copy have new IDs."""
        return self._adopt(self.checked, node)

    def _detached(self, node: Node) -> Node:
        copied = type(node)()
        copied.CopyFrom(node)
        return copied

    def _adopt(self, source: Any, node: Node) -> Node:
        """Return a copy of a node. The copy has new IDs, and the same references and types as the node.

        Args:
            source: the expression that contains the node, a cel.expr.CheckedExpr.
            node: the node to copy.
        """
        copied = self._detached(node)
        for one in walk(copied):
            known, one.id = one.id, self._new_id()
            for facts, own in (
                (source.reference_map, self.checked.reference_map),
                (source.type_map, self.checked.type_map),
            ):
                if known in facts:
                    own[one.id].CopyFrom(facts[known])
        return copied

    def _reset(self, node: Node, kind: Any) -> None:
        """Remove the content of a node and give the node a new ID.

        Args:
            node: the node to change.
            kind: the new type of the node; None if the type is not known.
        """
        kept = None
        if kind is not None:
            kept = type(kind)()
            kept.CopyFrom(kind)
        node.Clear()
        node.id = self._new_id()
        if kept is not None:
            self.checked.type_map[node.id].CopyFrom(kept)

    def _set_index(self, node: Node, key: Node) -> None:
        node.call_expr.function = "_[_]"
        node.call_expr.args.add()
        node.call_expr.args.add().CopyFrom(key)
        self._set_overload(node, "index_map")

    def make_list(self, elements: list[Node]) -> Node:
        """Return a list expression with the given elements."""
        made = type(self.checked.expr)()
        made.id = self._new_id()
        made.list_expr.elements.extend(elements)
        return made

    def make_map(self, over: Node, variables: tuple[str, ...], result: Node) -> Node:
        """Return the expression `over.map(variable, result)`.

        Args:
            over: the list or map that the loop iterates over.
            variables: the names of the loop variables. If there is one variable, it is an element of a list
                or a key of a map. If there are two, they are the index and the element of a list, or the
                key and the value of a map entry.
            result: the expression for an element of the resulting list.
        """
        made = type(over)()
        made.id = self._new_id()
        loop = made.comprehension_expr
        loop.iter_var, loop.iter_var2 = (*variables, "")[:2]
        loop.iter_range.CopyFrom(over)
        loop.accu_var = _RESULT
        loop.accu_init.CopyFrom(self.make_list([]))
        loop.accu_init.list_expr.SetInParent()
        loop.loop_condition.id = self._new_id()
        loop.loop_condition.const_expr.bool_value = True
        step = loop.loop_step
        step.id = self._new_id()
        step.call_expr.function = "_+_"
        self._set_overload(step, "add_list")
        self._name(step.call_expr.args.add(), _RESULT)
        step.call_expr.args.add().CopyFrom(self.make_list([result]))
        self._name(loop.result, _RESULT)
        return made

    def _name(self, node: Node, name: str) -> None:
        node.id = self._new_id()
        node.ident_expr.name = name
        self.checked.reference_map[node.id].name = name

    def _set_overload(self, node: Node, overload: str) -> None:
        self.checked.reference_map[node.id].overload_id.append(overload)

    def _new_id(self) -> int:
        self._last += 1
        if self._last > self._most:
            raise CostLimitError(_TOO_LARGE)
        return self._last


_SORTED = {1: "bool", 2: "int", 3: "uint", 5: "string"}
"""The types of map keys: number in PrimitiveType → name of the same type in the overload IDs of `sort()`."""
