"""Messages of any type, for property tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf import message_factory
from google.protobuf.descriptor import FieldDescriptor
from hypothesis import strategies as st

from gateway.schema import entry_of, is_map

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.descriptor import Descriptor, EnumDescriptor

    from gateway.schema import Schema

_PACKAGE = "google.protobuf"
_INTEGERS = {
    FieldDescriptor.CPPTYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: st.integers(0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: st.integers(0, 2**64 - 1),
    FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
}
_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_WORD = st.from_regex(r"[a-z]{1,3}(_[a-z]{1,3})?", fullmatch=True)


class Messages:
    """Strategies for the messages of one schema."""

    def __init__(
        self,
        schema: Schema,
        *,
        is_printable: bool = True,
        text: st.SearchStrategy[str] = _TEXT,
        packed: tuple[str, ...] = (),
    ) -> None:
        """Create strategies.

        Args:
            schema: of the messages.
            is_printable: each message has a JSON form that is read as the same message.
            text: of the fields of type string.
            packed: full names of the types in an Any, besides some of google.protobuf.
        """
        self._known: dict[tuple[str, int], st.SearchStrategy[Any]] = {}
        self._schema = schema
        self._is_printable = is_printable
        self._text = text
        # None with a map inside: its order in the bytes of an Any is undefined.
        self._packed = (*(f"{_PACKAGE}.{kind}" for kind in ("Duration", "FieldMask", "BytesValue")), *packed)

    def of(self, descriptor: Descriptor, depth: int = 3) -> st.SearchStrategy[Any]:
        """Return messages of a type, at most one member of each oneof set."""
        key = descriptor.full_name, depth
        if key not in self._known:
            self._known[key] = self._of(descriptor, depth)
        return self._known[key]

    def _of(self, descriptor: Descriptor, depth: int) -> st.SearchStrategy[Any]:
        new: Any = message_factory.GetMessageClass(descriptor)
        special = self._special(descriptor.full_name, depth)
        if special is not None:
            return special.map(lambda value: _make(new, value))
        if depth <= 0:
            return st.builds(new)
        groups: dict[str, list[FieldDescriptor]] = {}
        for field in descriptor.fields:
            name = field.containing_oneof.name if field.containing_oneof else field.name
            groups.setdefault(name, []).append(field)

        @st.composite
        def build(draw: st.DrawFn) -> Any:
            message = new()
            for group in draw(st.lists(st.sampled_from(list(groups.values())), max_size=4, unique_by=id)):
                field = draw(st.sampled_from(group))
                value = draw(self._field(field, depth))
                message.MergeFrom(new(**{field.name: value}))
            return message

        return build() if groups else st.builds(new)

    def _field(self, field: FieldDescriptor, depth: int) -> st.SearchStrategy[Any]:
        if is_map(field):
            key, value = entry_of(field)
            return st.dictionaries(self._one(key, depth), self._one(value, depth), max_size=2)
        one = self._one(field, depth)
        return st.lists(one, max_size=2) if field.is_repeated else one

    def _one(self, field: FieldDescriptor, depth: int) -> st.SearchStrategy[Any]:
        if field.message_type is not None:
            return self.of(field.message_type, depth - 1)
        if field.type == field.TYPE_BYTES:
            return st.binary(max_size=5)
        if field.enum_type is not None:
            return _numbers_of(field.enum_type)
        if field.cpp_type in {field.CPPTYPE_DOUBLE, field.CPPTYPE_FLOAT}:
            nan = not self._is_printable
            is_float = field.cpp_type == field.CPPTYPE_FLOAT
            return st.floats(allow_nan=nan, width=32) if is_float else st.floats(allow_nan=nan)
        return _INTEGERS.get(field.cpp_type, self._text)

    def _special(self, name: str, depth: int) -> st.SearchStrategy[Any] | None:
        strategies: dict[str, Callable[[], st.SearchStrategy[Any]]] = {
            "Timestamp": lambda: self._seconds(st.integers(-62135596800, 253402300799), st.just(1)),
            "Duration": lambda: self._seconds(st.integers(0, 315575999999), st.sampled_from([1, -1])),
            "FieldMask": lambda: st.lists(self._mask_path(), max_size=3).map(lambda paths: {"paths": paths}),
            "Value": self._json,
            "Struct": lambda: st.dictionaries(self._text, self._json(), max_size=3),
            "ListValue": lambda: st.lists(self._json(), max_size=3),
            "Any": lambda: self._any(depth),
        }
        package, _, short = name.rpartition(".")
        return strategies[short]() if package == _PACKAGE and short in strategies else None

    def _any(self, depth: int) -> st.SearchStrategy[Any]:
        names = self._packed if depth > 0 else ()
        return st.one_of(st.just({}), *(self._any_of(name, depth - 1) for name in names))

    def _any_of(self, name: str, depth: int) -> st.SearchStrategy[Any]:
        return self.of(self._schema.pool.FindMessageTypeByName(name), depth).map(
            lambda message: {"type_url": f"a/{name}", "value": message.SerializeToString()}
        )

    def _seconds(
        self, seconds: st.SearchStrategy[int], sign: st.SearchStrategy[int]
    ) -> st.SearchStrategy[Any]:
        """Return Timestamps or Durations; not printable ones are out of range, or have mixed signs."""
        whole = st.builds(
            lambda sign, seconds, nanos: {"seconds": sign * seconds, "nanos": sign * nanos},
            sign,
            seconds,
            st.one_of(st.just(0), st.integers(0, 999_999_999)),
        )
        if self._is_printable:
            return whole
        wild = {"seconds": st.integers(-(2**63), 2**63 - 1), "nanos": st.integers(-(2**31), 2**31 - 1)}
        return st.one_of(whole, st.fixed_dictionaries(wild))

    def _mask_path(self) -> st.SearchStrategy[str]:
        path = st.lists(_WORD, min_size=1, max_size=2).map(".".join)
        return path if self._is_printable else st.one_of(path, self._text)

    def _json(self) -> st.SearchStrategy[Any]:
        number = st.floats(allow_nan=not self._is_printable, allow_infinity=not self._is_printable)
        return st.recursive(
            st.one_of(st.none(), st.booleans(), number, self._text),
            lambda inner: st.one_of(
                st.lists(inner, max_size=3), st.dictionaries(self._text, inner, max_size=3)
            ),
            max_leaves=5,
        )


def _numbers_of(enum: EnumDescriptor) -> st.SearchStrategy[int]:
    if enum.full_name == f"{_PACKAGE}.NullValue":
        return st.just(0)
    return st.sampled_from(sorted(enum.values_by_number)) if enum.is_closed else st.integers(-5, 5)


def _make(new: Any, value: Any) -> Any:
    """Return a message; a Value, which has no keyword of its own for its kind, by way of a list."""
    name = new.DESCRIPTOR.name
    if name not in {"Value", "ListValue", "Struct"}:
        return new(**value)
    message = new()
    if name == "Struct":
        message.update(value)
    elif name == "ListValue":
        message.extend(value)
    else:
        packed = type(message.list_value)()
        packed.extend([value])
        message.CopyFrom(packed.values[0])
    return message
