"""A private pool of descriptor sets.

The gateway's types are in a private pool. Other packages register generated types in the
default pool, and the private pool keeps the gateway's types separate from them. Options are
read with the option types of the private pool. Therefore extensions are found although their
generated Python code is not imported.
"""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Any

from google.protobuf import message_factory
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError, Message

from gateway.faults import Fault, Position
from gateway.schema.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor, OneofDescriptor


def builtin_descriptors() -> bytes:
    """Return the serialized FileDescriptorSet that was compiled from proto/ when the package was built."""
    return files("gateway").joinpath("descriptors.binpb").read_bytes()


def infrastructure_descriptors() -> bytes:
    """Return the serialized FileDescriptorSet of the services of gRPC itself: health and reflection.

    They are no part of the served API, and a set of an operator may contain them too. So they have a pool of
    their own.
    """
    return files("gateway").joinpath("infrastructure.binpb").read_bytes()


def load_pool(descriptor_sets: Mapping[str, bytes]) -> tuple[DescriptorPool, list[str]]:
    """Return a pool that contains the files of all sets, and the full names of the pool's services.

    If several sets contain the same file, the file of the first set is used. Therefore
    an operator's descriptor set may include imported files that the built-in set also contains.

    Args:
        descriptor_sets: the serialized FileDescriptorSets. Each key is the name of a set in error messages.

    Raises:
        SchemaError: a set cannot be decoded, an imported file is missing, or two sets contradict each other.
    """
    found: dict[str, tuple[str, FileDescriptorProto]] = {}
    for origin, data in descriptor_sets.items():
        try:
            descriptor_set = FileDescriptorSet.FromString(data)
        except DecodeError as error:
            raise SchemaError([_fault(origin, "", "not a serialized FileDescriptorSet")]) from error
        for file in descriptor_set.file:
            found.setdefault(file.name, (origin, file))
    services = [
        f"{file.package}.{service.name}".lstrip(".") for _, file in found.values() for service in file.service
    ]
    return _fill(found), services


def _fill(found: dict[str, tuple[str, FileDescriptorProto]]) -> DescriptorPool:
    pool = DescriptorPool()
    added: set[str] = set()

    def add(origin: str, file: FileDescriptorProto) -> None:
        if file.name in added:
            return
        added.add(file.name)
        for name in file.dependency:
            if name not in found:
                message = f"imports {name}, which is in no descriptor set"
                raise SchemaError([_fault(origin, file.name, message)])
            add(*found[name])
        try:
            pool.Add(file)
        except TypeError as error:
            raise SchemaError([_fault(origin, file.name, str(error))]) from error

    for origin, file in found.values():
        add(origin, file)
    return pool


def _fault(origin: str, file: str, message: str) -> Fault:
    return Fault(Position(origin), file, message)


def options_of(descriptor: FieldDescriptor | MethodDescriptor | OneofDescriptor) -> dict[str, Any]:
    """Return the custom options that are set on a descriptor. The keys are the full extension names."""
    owner: Any = getattr(descriptor, "containing_service", None) or descriptor.containing_type  # type: ignore[union-attr]
    pool = owner.file.pool
    raw = descriptor.GetOptions()
    own = message_factory.GetMessageClass(pool.FindMessageTypeByName(raw.DESCRIPTOR.full_name))
    options = own.FromString(raw.SerializeToString())
    return {field.full_name: value for field, value in options.ListFields() if field.is_extension}


def message_class(pool: DescriptorPool, name: str) -> type[Message]:
    """Return the class of a message type.

    Raises:
        KeyError: the pool has no such type.
    """
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))


def descriptor_of(message: Message | type[Message]) -> Descriptor:
    """Return the descriptor of a protobuf message or of a message class."""
    typed: Any = message  # the type stubs know two classes of descriptors
    descriptor: Descriptor = typed.DESCRIPTOR
    return descriptor


def field_of(message: Message | type[Message], name: str) -> FieldDescriptor:
    """Return a field by its name in the .proto file.

    Raises:
        KeyError: the field does not exist.
    """
    return descriptor_of(message).fields_by_name[name]
