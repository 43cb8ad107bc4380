"""Readers of JSON values: scalars, lists, maps and well-known types.

Each reader returns an argument for the constructor of a protobuf message. If a value does not fit the
field, the reader adds a violation and returns None. No protobuf message is built from a request that
has a violation.
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
    """The state of reading one request: the violations, and the number of elements that are still allowed.

    Attributes:
        violations: the violations found so far.
    """

    __slots__ = ("_described", "_limit", "_remaining", "violations")

    def __init__(self, max_elements: int | None = None) -> None:
        """Create a context without violations.

        Args:
            max_elements: the maximum total number of elements in the lists and maps of the request; None for
                no limit.
        """
        self.violations = Violations()
        self._described: set[str] = set()
        self._limit = max_elements
        self._remaining = max_elements

    def refuse(self, path: JsonPath, description: str) -> None:
        """Add a violation for a value that does not fit the field.

        Args:
            path: the path of the value.
            description: the description of the violation.

        Raises:
            EnoughViolationsError: the maximum number of violations is reached, so reading stops.
        """
        self.violations.add(show_path(path), description, MALFORMED)

    def refuse_unknown(
        self, path: JsonPath, message: str, description: str, names: Callable[[], str]
    ) -> None:
        """Add a violation for a name that is not the name of a field.

        Args:
            path: the path that ends with the unknown name.
            message: the full name of the message type that does not have the field.
            description: the description of the violation.
            names: the function that returns a text with the valid names. This text is added to the
                description only once for each message type, to keep the response small.

        Raises:
            EnoughViolationsError: the maximum number of violations is reached, so reading stops.
        """
        if message not in self._described:
            self._described.add(message)
            description = f"{description}; {names()}"
        self.refuse(path, description)

    def refuse_duplicates(self, value: Any, path: JsonPath, step: Callable[[str], Step]) -> None:
        """Add a violation for each duplicate name of an object.

        Args:
            value: the JSON value. A value that is not an object has no duplicate names.
            path: the path of the value.
            step: the function that converts a name in the object to a step of a path.

        Raises:
            EnoughViolationsError: the maximum number of violations is reached, so reading stops.
        """
        if type(value) is JsonObject:
            for name in value.duplicates:
                self.refuse((path, step(name)), "is given more than once; keep one")

    def count(self, elements: int, path: JsonPath, field: FieldDescriptor | None = None) -> None:
        """Count the elements of a list or a map before the elements are read.

        Args:
            elements: the number of elements.
            path: the path of the list or map.
            field: the field of the list or map. If the list or map violates the size constraint of the
                field too, the violation describes this constraint and not the maximum for the request.

        Raises:
            EnoughViolationsError: the request has too many elements, so reading stops.
        """
        if self._remaining is None or self._limit is None:
            return
        self._remaining -= elements
        if self._remaining >= 0:
            return
        constraints = read_constraints(field) if field is not None else None
        if constraints and constraints.size and elements not in constraints.size:
            description = describe_size(elements, constraints.size)
        else:
            description = describe_elements(self._limit)
        self.violations.add(show_path(path), description, "SIZE")
        raise EnoughViolationsError


_TEXT = frozenset({str})

ValueReader: TypeAlias = Callable[[ReadContext, Any, JsonPath], Any]
"""A function that takes a context, a JSON value and the value's path.

The function returns an argument for the constructor of a protobuf message.
"""


def converting(convert: Callable[[Any], Any]) -> ValueReader:
    """Return a reader that converts values with the function `convert`.

    If `convert` raises UnfitError, the reader adds a violation.
    """

    def read(context: ReadContext, value: Any, path: JsonPath) -> Any:
        try:
            return convert(value)
        except UnfitError as error:
            return context.refuse(path, str(error))

    return read


def or_null(inner: ValueReader) -> ValueReader:
    """Return a reader that accepts null.

    The reader converts null to 0, the number of the enum value NULL_VALUE. The function `inner` reads all
    other values.
    """
    return lambda context, value, path: 0 if value is None else inner(context, value, path)


def text_type_reader(descriptor: Descriptor) -> ValueReader:
    """Return the reader of a message type whose JSON form is a string."""
    parse, form = TEXT_TYPES[descriptor.full_name]

    def read(context: ReadContext, value: Any, path: JsonPath) -> Any:
        try:
            text = read_string(value)
        except UnfitError as error:
            return context.refuse(path, str(error))
        if "," in text:  # the text is a field mask, and each path in the mask counts as an element
            context.count(text.count(",") + 1, path)
        tree = parse(text)
        return context.refuse(path, f"{show(text)} is not {form}") if tree is None else tree

    return read


def wrapper_reader(descriptor: Descriptor) -> ValueReader:
    """Return the reader of a wrapper type, such as StringValue.

    The JSON form of a wrapper is the wrapped value.
    """
    convert = scalar_reader(descriptor.fields_by_name["value"])

    def read(context: ReadContext, value: Any, path: JsonPath) -> Any:
        try:
            return {"value": convert(value)}
        except UnfitError as error:
            return context.refuse(path, str(error))

    return read


def list_reader(field: FieldDescriptor, element: ValueReader) -> ValueReader:
    """Return the reader of a repeated field.

    Args:
        field: the repeated field.
        element: the reader of one element.
    """

    def read(context: ReadContext, value: Any, path: JsonPath) -> Any:
        if not isinstance(value, list):
            return context.refuse(path, f"{show(value)} is not an array")
        context.count(len(value), path, field)
        return [element(context, one, (path, index)) for index, one in enumerate(value)]

    return read


def map_reader(field: FieldDescriptor, element: ValueReader) -> ValueReader:
    """Return the reader of a map field.

    Args:
        field: the map field.
        element: the reader of one value of the map.
    """
    key_field, value_field = entry_of(field)
    read_key = _key_reader(key_field)
    is_of_texts = key_field.type == value_field.type == field.TYPE_STRING

    def read(context: ReadContext, value: Any, path: JsonPath) -> Any:
        if not isinstance(value, dict):
            return context.refuse(path, f"{show(value)} is not an object")
        context.count(len(value), path, field)
        context.refuse_duplicates(value, path, _key_step)
        if is_of_texts and _are_ascii(value):
            return value
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


def _are_ascii(value: dict[str, Any]) -> bool:
    """Return whether all names and values of an object are ASCII texts. They need no further checks."""
    values = value.values()
    return _TEXT.issuperset(map(type, values)) and "".join(value).isascii() and "".join(values).isascii()


def _key_reader(field: FieldDescriptor) -> Callable[[str], Any]:
    if field.type == field.TYPE_BOOL:
        return lambda name: read_bool(parse_text(field, name))
    return SCALAR_READERS[field.type]


def _key_step(name: str) -> tuple[str]:
    return (name,)


def any_json_reader(descriptor: Descriptor) -> ValueReader:
    """Return the reader of a type for free-form JSON.

    The types are Struct (a JSON object), ListValue (a JSON array) and Value (any JSON value).
    """
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
    """Read any JSON value. Numbers are converted to float."""
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
