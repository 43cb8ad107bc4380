"""Paths of request fields: the fields that rules are about, and the fields that policies set.

A path is checked when the bundle is loaded. The path is used later to read or set the field of a request.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from cel_expr_python import cel
from google.protobuf.descriptor import FieldDescriptor

from gateway.quoting import quote
from gateway.schema import entry_of, is_map, value_field

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

_FORM = re.compile(r"(?P<names>[a-z_]\w*(?:\.[a-z_]\w*)*)(?:\[\"(?P<key>[^\"]+)\"\])?", re.ASCII)

_START = re.compile(r"(?P<name>[A-Za-z_]\w*)(?=[.\[]|$)", re.ASCII)

NOT_SET = "not set"
_MAX_ELEMENTS = 8
_CEL_TYPES = {
    FieldDescriptor.CPPTYPE_STRING: cel.Type.STRING,
    FieldDescriptor.CPPTYPE_BOOL: cel.Type.BOOL,
    FieldDescriptor.CPPTYPE_ENUM: cel.Type.INT,
    **dict.fromkeys((FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_INT64), cel.Type.INT),
    **dict.fromkeys((FieldDescriptor.CPPTYPE_UINT32, FieldDescriptor.CPPTYPE_UINT64), cel.Type.UINT),
    **dict.fromkeys((FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE), cel.Type.DOUBLE),
}


class FieldPathError(ValueError):
    """The path of a field is invalid, or the policy cannot set the field."""


@dataclass(frozen=True, slots=True)
class FieldPath:
    """A path such as `uri`, `network.address` or `labels["env"]`. An empty path means the whole request."""

    text: str
    names: tuple[str, ...]
    key: str | None

    def show(self, message: Message) -> str:
        """Return the value of the field as a short, quoted and redacted text.

        The text is empty if the value cannot be shown, for example if the value is a protobuf message, a map
        or bytes.
        """
        value: Any = message
        field: FieldDescriptor | None = None
        for name in self.names:
            field = value.DESCRIPTOR.fields_by_name[name]
            value = getattr(value, name)
        if field is None:
            return ""
        if self.key is not None:
            return _show(value[self.key], self.key) if self.key in value else NOT_SET
        if field.is_repeated:
            return _show_list(value, self.names[-1]) if not is_map(field) else ""
        if field.message_type is not None:
            return ""
        return _show(value, self.names[-1]) if value else NOT_SET


@dataclass(frozen=True, slots=True)
class MutationTarget:
    """A field that a policy sets.

    Attributes:
        path: the path of the field.
        returns: the CEL type that the expression for the value must return.
    """

    path: FieldPath
    returns: cel.Type

    def set(self, message: Message, value: Any) -> None:
        """Set the field to a value.

        Raises:
            ValueError: the field cannot contain the value, for example a number that is out of range.
        """
        parent: Any = message
        *outer, last = self.path.names
        for name in outer:
            parent = getattr(parent, name)
        if self.path.key is not None:
            getattr(parent, last)[self.path.key] = value
        elif isinstance(value, list):
            field = getattr(parent, last)
            del field[:]
            field.extend(value)
        else:
            setattr(parent, last, value)


def compile_target(text: str, descriptor: Descriptor) -> MutationTarget:
    """Compile the path of a field that a policy sets, and check the path against a message type.

    Raises:
        FieldPathError: no field has this path, or the field cannot be set.
    """
    if not text:
        raise FieldPathError("the field to set is required")
    path = compile_field_path(text, descriptor)
    field = _resolve(path.names, descriptor)
    if path.key is None and is_map(field):
        raise FieldPathError('a map is set entry by entry, as labels["env"]')
    kind = value_field(field)
    returns = _CEL_TYPES.get(kind.cpp_type)
    if kind.type == kind.TYPE_BYTES:
        returns = cel.Type.BYTES
    if returns is None:
        raise FieldPathError("only texts, numbers, truth values, bytes and lists of them can be set")
    is_list = field.is_repeated and path.key is None
    return MutationTarget(path, cel.Type.List(returns) if is_list else returns)


def _show(value: Any, name: str = "") -> str:
    if isinstance(value, str):
        return quote(value, name)
    return str(value) if isinstance(value, (int, float)) else ""


def _show_list(values: Any, name: str) -> str:
    shown = [_show(value, name) for value in values[:_MAX_ELEMENTS]]
    more = ["…"] if len(values) > _MAX_ELEMENTS else []
    return f"[{', '.join([*shown, *more])}]" if all(shown) else ""


def compile_field_path(text: str, descriptor: Descriptor) -> FieldPath:
    """Compile a path and check it against a message type.

    Raises:
        FieldPathError: no field has this path.
    """
    if not text:
        return FieldPath("", (), None)
    match = _FORM.fullmatch(text)
    if match is None:
        raise FieldPathError('a field is written as uri, network.address or labels["env"]')
    names = tuple(match["names"].split("."))
    field = _resolve(names, descriptor)
    if match["key"] is not None and not (is_map(field) and entry_of(field)[0].type == field.TYPE_STRING):
        raise FieldPathError(f"{match['names']} is no map with text keys")
    return FieldPath(text, names, match["key"])


def expand_field(text: str, variables: Mapping[str, tuple[str, ...]], descriptor: Descriptor) -> str:
    """Return the path of a field of the request, for a path that may start with a variable.

    Args:
        text: the path as it is written, such as `labels["env"]`.
        variables: the fields that variables stand for. The keys are the names of the variables.
        descriptor: the type of the request.

    Raises:
        FieldPathError: the path starts with a name that is a variable and another field.
    """
    match = _START.match(text)
    names = variables.get(match["name"]) if match else None
    if match is None or names is None:
        return text
    name, rest = match["name"], text[match.end() :]
    if name in descriptor.fields_by_name and names != (name,):
        meaning = ".".join(names) or "the request"
        raise FieldPathError(
            f"{name} is a field, and a variable that stands for {meaning}; rename the variable"
        )
    return ".".join(names) + rest if names else rest.removeprefix(".")


def _unknown(name: str, here: Descriptor | None) -> str:
    if here is None:
        return f'{name!r} is within a value that has no fields; an entry of a map is written as labels["env"]'
    near = get_close_matches(name, here.fields_by_name, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    return f"there is no field {name!r}; {hint}fields: {', '.join(one.name for one in here.fields)}"


def _resolve(names: tuple[str, ...], descriptor: Descriptor) -> FieldDescriptor:
    here: Descriptor | None = descriptor
    field = None
    for name in names:
        field = here.fields_by_name.get(name) if here else None
        if field is None:
            raise FieldPathError(_unknown(name, here))
        here = None if field.is_repeated else field.message_type
    if field is None:
        raise FieldPathError("a field path has a name")
    return field
