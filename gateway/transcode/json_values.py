"""Readers of JSON values other than objects of fields: scalars, lists, maps, types with a form of their own.

Each reader returns what the constructor of a message takes. When a value does not
fit it notes a violation and returns None: then no message is made.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from google.protobuf import message_factory

from gateway.errors import EnoughViolationsError, Violations
from gateway.schema import describe_elements, describe_size, entry_of, read_constraints
from gateway.schema.well_known import LIST_VALUE, STRUCT
from gateway.transcode.json_path import JsonPath, Step, show_path
from gateway.transcode.json_text import JsonNumber, JsonObject
from gateway.transcode.scalars import (
    SCALAR_READERS,
    UnfitError,
    parse_text,
    read_bool,
    read_double,
    read_string,
    scalar_reader,
    show,
)
from gateway.transcode.well_known import TEXT_TYPES, fill_list, fill_struct, fill_value

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor

MALFORMED = "MALFORMED"


class ReadContext:
    """The reading of one request: what is wrong with it, and how many elements it may still have.

    Attributes:
        violations: found so far.
    """

    __slots__ = ("_limit", "_room", "_told", "violations")

    def __init__(self, max_elements: int | None = None) -> None:
        """Begin.

        Args:
            max_elements: that all lists and maps of the request may have together; None for any number.
        """
        self.violations = Violations()
        self._told: set[str] = set()
        self._limit = max_elements
        self._room = max_elements

    def refuse(self, path: JsonPath, description: str) -> None:
        """Note that a value does not fit.

        Raises:
            EnoughViolationsError: the reading ends here.
        """
        self.violations.add(show_path(path), description, MALFORMED)

    def refuse_unknown(
        self, path: JsonPath, message: str, description: str, names: Callable[[], str]
    ) -> None:
        """Note that a name leads to no field.

        Args:
            path: with the name.
            message: type of the message in which it does not.
            description: what is wrong.
            names: what there is instead; it is told once for each type, as the response would grow with it.

        Raises:
            EnoughViolationsError: the reading ends here.
        """
        if message not in self._told:
            self._told.add(message)
            description = f"{description}; {names()}"
        self.refuse(path, description)

    def refuse_duplicates(self, value: Any, path: JsonPath, step: Callable[[str], Step]) -> None:
        """Refuse names that an object has more than once; step gives the last step of the path to one."""
        if type(value) is JsonObject:
            for name in value.duplicates:
                self.refuse((path, step(name)), "is given more than once; keep one")

    def count(self, elements: int, path: JsonPath, field: FieldDescriptor | None = None) -> None:
        """Count the elements of a list or a map, before any of them is read.

        Args:
            elements: their number.
            path: of the list or map.
            field: that holds them, whose own constraint of size says more than the limit does.

        Raises:
            EnoughViolationsError: they are more than a request may have; it is noted with the path.
        """
        if self._room is None or self._limit is None:
            return
        self._room -= elements
        if self._room >= 0:
            return
        constraints = read_constraints(field) if field is not None else None
        if constraints and constraints.size and elements not in constraints.size:
            description = describe_size(elements, constraints.size)
        else:
            description = describe_elements(self._limit)
        self.violations.add(show_path(path), description, "SIZE")
        raise EnoughViolationsError


ValueReader: TypeAlias = Callable[[ReadContext, Any, JsonPath], Any]
"""The context, a JSON value, where it is → what the constructor of a message takes."""


def converting(convert: Callable[[Any], Any]) -> ValueReader:
    """Return a reader of values by a function that raises UnfitError."""

    def read(context: ReadContext, value: Any, path: JsonPath) -> Any:
        try:
            return convert(value)
        except UnfitError as error:
            return context.refuse(path, str(error))

    return read


def or_null(inner: ValueReader) -> ValueReader:
    """Return a reader to which null is a value, the number 0 of an enum."""
    return lambda context, value, path: 0 if value is None else inner(context, value, path)


def text_type_reader(descriptor: Descriptor) -> ValueReader:
    """Return the reader of a type that is a text in JSON."""
    parse, form = TEXT_TYPES[descriptor.full_name]

    def read(context: ReadContext, value: Any, path: JsonPath) -> Any:
        try:
            text = read_string(value)
        except UnfitError as error:
            return context.refuse(path, str(error))
        if "," in text:  # of a field mask, whose paths are elements
            context.count(text.count(",") + 1, path)
        tree = parse(text)
        return context.refuse(path, f"{show(text)} is not {form}") if tree is None else tree

    return read


def wrapper_reader(descriptor: Descriptor) -> ValueReader:
    """Return the reader of a wrapper, which is the value inside it in JSON."""
    convert = scalar_reader(descriptor.fields_by_name["value"])

    def read(context: ReadContext, value: Any, path: JsonPath) -> Any:
        try:
            return {"value": convert(value)}
        except UnfitError as error:
            return context.refuse(path, str(error))

    return read


def list_reader(field: FieldDescriptor, element: ValueReader) -> ValueReader:
    """Return the reader of a repeated field."""

    def read(context: ReadContext, value: Any, path: JsonPath) -> Any:
        if not isinstance(value, list):
            return context.refuse(path, f"{show(value)} is not an array")
        context.count(len(value), path, field)
        return [element(context, one, (path, index)) for index, one in enumerate(value)]

    return read


def map_reader(field: FieldDescriptor, element: ValueReader) -> ValueReader:
    """Return the reader of a map."""
    read_key = _key_reader(entry_of(field)[0])

    def read(context: ReadContext, value: Any, path: JsonPath) -> Any:
        if not isinstance(value, dict):
            return context.refuse(path, f"{show(value)} is not an object")
        context.count(len(value), path, field)
        context.refuse_duplicates(value, path, _key_step)
        tree: dict[Any, Any] = {}
        for name, one in value.items():
            own = (path, (name,))
            try:
                key = read_key(name)
            except UnfitError as error:
                context.refuse(own, f"as a key, {error}")
                key = name
            if key in tree:
                context.refuse(own, "the key is given twice; keep one")
            tree[key] = element(context, one, own)
        return tree

    return read


def _key_reader(field: FieldDescriptor) -> Callable[[str], Any]:
    if field.type == field.TYPE_BOOL:
        return lambda name: read_bool(parse_text(field, name))
    return SCALAR_READERS[field.type]


def _key_step(name: str) -> tuple[str]:
    return (name,)


def any_json_reader(descriptor: Descriptor) -> ValueReader:
    """Return the reader of Struct, ListValue or Value: JSON of any form, or an object, or an array."""
    kind = descriptor.full_name
    new = message_factory.GetMessageClass(descriptor)
    needed: type
    fill: Callable[[Any, Any], None]
    needed, what, fill = object, "", fill_value
    if kind == STRUCT:
        needed, what, fill = dict, "an object", fill_struct
    elif kind == LIST_VALUE:
        needed, what, fill = list, "an array", fill_list

    def read(context: ReadContext, value: Any, path: JsonPath) -> Any:
        if not isinstance(value, needed):
            return context.refuse(path, f"{show(value)} is not {what}")
        tree = _read_json(context, value, path)
        if context.violations.found:
            return None
        message = new()
        fill(message, tree)
        return message

    return read


def _read_json(context: ReadContext, value: Any, path: JsonPath) -> Any:
    """Read JSON of any form, down to its leaves; numbers come as float."""
    if isinstance(value, dict):
        context.count(len(value), path)
        context.refuse_duplicates(value, path, _key_step)
        tree = {}
        for name, one in value.items():
            own = (path, (name,))
            _fit(context, read_string, name, own)
            tree[name] = _read_json(context, one, own)
        return tree
    if isinstance(value, list):
        context.count(len(value), path)
        return [_read_json(context, one, (path, index)) for index, one in enumerate(value)]
    if isinstance(value, str):
        return _fit(context, read_string, value, path)
    if isinstance(value, JsonNumber) or type(value) is int:
        return _fit(context, read_double, value, path)
    return value


def _fit(context: ReadContext, convert: Callable[[Any], Any], value: Any, path: JsonPath) -> Any:
    try:
        return convert(value)
    except UnfitError as error:
        return context.refuse(path, str(error))
