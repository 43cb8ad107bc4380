"""The field that a rule is about: checked when loaded, read when a rule is broken."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from gateway.masking import quote
from gateway.schema import entry_of, is_map

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor
    from google.protobuf.message import Message

_FORM = re.compile(r"(?P<names>[a-z_]\w*(?:\.[a-z_]\w*)*)(?:\[\"(?P<key>[^\"]+)\"\])?", re.ASCII)


class FieldPathError(ValueError):
    """A rule names a field that the request does not have."""


@dataclass(frozen=True, slots=True)
class FieldPath:
    """A path such as `uri`, `network.address` or `labels["env"]`; empty for the whole request."""

    text: str
    names: tuple[str, ...]
    key: str | None

    def describe(self, message: Message) -> str:
        """Return what the field holds, for a person: quoted, masked, short; empty for a whole message."""
        value: Any = message
        field: FieldDescriptor | None = None
        for name in self.names:
            field = value.DESCRIPTOR.fields_by_name[name]
            value = getattr(value, name)
        if field is None:
            return ""
        if self.key is not None:
            return self._describe(value[self.key]) if self.key in value else f"{self.text} is not set"
        if field.is_repeated or field.message_type is not None:
            return ""
        return self._describe(value) if value else f"{self.text} is not set"

    def _describe(self, value: Any) -> str:
        if isinstance(value, str):
            return f"{self.text} is {quote(value)}"
        return f"{self.text} is {value}" if isinstance(value, (int, float)) else ""


def compile_field_path(text: str, descriptor: Descriptor) -> FieldPath:
    """Check a path against a message type.

    Raises:
        FieldPathError: it does not lead to a field.
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


def _unknown(name: str, here: Descriptor | None) -> str:
    if here is None:
        return f'{name!r} stands within what has no fields; an entry of a map is written as labels["env"]'
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
