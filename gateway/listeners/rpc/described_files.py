"""The .proto files that describe services, as server reflection shows them.

Only the served methods are in the files. Files that no served service needs are not shown.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from google.protobuf.descriptor_pb2 import FileDescriptorProto

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from google.protobuf.descriptor import FileDescriptor
    from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, FieldDescriptorProto


@dataclass(slots=True)
class DescribedFiles:
    """An index of files by their names, their symbols and their extensions.

    Attributes:
        services: the full names of the services.
    """

    services: set[str] = field(default_factory=set)
    _contents: dict[str, bytes] = field(default_factory=dict)
    _imports: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _symbols: dict[str, str] = field(default_factory=dict)
    _extensions: dict[str, dict[int, str]] = field(default_factory=dict)
    _messages: set[str] = field(default_factory=set)

    def add(self, file: FileDescriptor, is_served: Callable[[str], bool]) -> None:
        """Add a file and everything that it imports.

        Args:
            file: the file.
            is_served: a function that returns whether a method is served. The argument is the full name, in
                the form `package.Service/Method`.
        """
        name: str = file.name
        if name in self._contents:
            return
        proto = FileDescriptorProto.FromString(file.serialized_pb)
        proto.ClearField("source_code_info")
        _remove_other_methods(proto, is_served)
        self._contents[name] = proto.SerializeToString()
        self._imports[name] = tuple(proto.dependency)
        self._index(proto)
        for imported in file.dependencies:
            self.add(imported, is_served)

    def find_file(self, name: str, known: Collection[str] = ()) -> dict[str, bytes] | None:
        """Return a file, and the files that it imports directly or indirectly; None if there is no such file.

        Args:
            name: the name of the file.
            known: the names of the files that the caller has. They are left out, except the file itself.

        Returns:
            The serialized FileDescriptorProtos. The file itself is the first.
        """
        if name not in self._contents:
            return None
        found = {name: self._contents[name]}
        names = list(self._imports[name])
        for one in names:  # the list grows in the loop
            if one not in found and one not in known:
                found[one] = self._contents[one]
                names += self._imports[one]
        return found

    def find_symbol(self, symbol: str) -> str | None:
        """Return the name of the file that defines a symbol; None if there is no such symbol."""
        return self._symbols.get(symbol)

    def find_extension(self, message: str, number: int) -> str | None:
        """Return the name of the file that defines an extension; None if there is no such extension."""
        return self._extensions.get(message, {}).get(number)

    def extension_numbers(self, message: str) -> list[int] | None:
        """Return the numbers of the extensions of a message; None if there is no such message."""
        return sorted(self._extensions.get(message, ())) if message in self._messages else None

    def _index(self, proto: FileDescriptorProto) -> None:
        prefix = f"{proto.package}." if proto.package else ""
        for service in proto.service:
            self.services.add(f"{prefix}{service.name}")
        for message in proto.message_type:
            self._index_messages(prefix, message)
        for extension in _extensions_of(proto.extension, proto.message_type):
            self._extensions.setdefault(extension.extendee.lstrip("."), {})[extension.number] = proto.name
        self._symbols |= dict.fromkeys(_symbols_of(proto, prefix), proto.name)

    def _index_messages(self, prefix: str, message: DescriptorProto) -> None:
        self._messages.add(f"{prefix}{message.name}")
        for nested in message.nested_type:
            self._index_messages(f"{prefix}{message.name}.", nested)


def _remove_other_methods(proto: FileDescriptorProto, is_served: Callable[[str], bool]) -> None:
    """Remove the methods that are not served, and the services that have no served method."""
    prefix = f"{proto.package}." if proto.package else ""
    services = list(proto.service)
    del proto.service[:]
    for service in services:
        kept = [method for method in service.method if is_served(f"{prefix}{service.name}/{method.name}")]
        if kept:
            del service.method[:]
            service.method.extend(kept)
            proto.service.append(service)


def _symbols_of(proto: FileDescriptorProto, prefix: str) -> Iterator[str]:
    yield from _members(prefix, proto.message_type, proto.enum_type, proto.extension)
    for service in proto.service:
        yield f"{prefix}{service.name}"
        yield from (f"{prefix}{service.name}.{method.name}" for method in service.method)


def _members(
    prefix: str,
    messages: Iterable[DescriptorProto],
    enums: Iterable[EnumDescriptorProto],
    fields: Iterable[FieldDescriptorProto],
) -> Iterator[str]:
    """Yield the full names of everything in one scope. The values of an enum are in the scope of the enum."""
    yield from (f"{prefix}{one.name}" for one in fields)
    for enum in enums:
        yield f"{prefix}{enum.name}"
        yield from (f"{prefix}{value.name}" for value in enum.value)
    for message in messages:
        scope = f"{prefix}{message.name}"
        yield scope
        yield from (f"{scope}.{one.name}" for one in message.oneof_decl)
        members = [*message.field, *message.extension]
        yield from _members(f"{scope}.", message.nested_type, message.enum_type, members)


def _extensions_of(
    extensions: Iterable[FieldDescriptorProto], messages: Iterable[DescriptorProto]
) -> Iterator[FieldDescriptorProto]:
    yield from extensions
    for message in messages:
        yield from _extensions_of(message.extension, message.nested_type)
