"""Our .proto files against the descriptors in the cloud's own client library, fact by fact."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf import json_format, message_factory
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    ServiceDescriptorProto,
)
from google.protobuf.unknown_fields import UnknownFieldSet

from gateway.schema import builtin_descriptors, load_pool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from google.protobuf.descriptor_pool import DescriptorPool
    from google.protobuf.message import Message

    from tests.conformance.conftest import Peer

    Facts = dict[str, Any]

FILES = (
    "yandex/cloud/api/operation.proto",
    "yandex/cloud/baremetal/v1alpha/image.proto",
    "yandex/cloud/baremetal/v1alpha/image_service.proto",
    "yandex/cloud/baremetal/v2/boot_image.proto",
    "yandex/cloud/baremetal/v2/boot_image_service.proto",
    "yandex/cloud/baremetal/v2/operation.proto",
    "yandex/cloud/endpoint/api_endpoint.proto",
    "yandex/cloud/endpoint/api_endpoint_service.proto",
    "yandex/cloud/iam/v1/iam_token_service.proto",
    "yandex/cloud/operation/operation.proto",
    "yandex/cloud/operation/operation_service.proto",
    "yandex/cloud/validation.proto",
)

ABSENT = "absent"

# What differs on purpose: the fact → ours, theirs.
DELIBERATE: Mapping[str, tuple[Any, Any]] = {
    # The API design guide documents POST, the cloud's files have GET only; both are served.
    "yandex.cloud.operation.OperationService.Cancel option google.api.http.additional_bindings[0].post": (
        "/operations/{operation_id}:cancel",
        ABSENT,
    ),
}

# Where generated code goes in other languages: ours generates none.
PACKAGING = {"go_package", "java_package", "java_multiple_files", "java_outer_classname", "objc_class_prefix"}

_TYPES = FieldDescriptorProto.Type
_LABELS = FieldDescriptorProto.Label


@pytest.fixture
async def theirs(peer: Peer) -> bytes:
    return await peer.run("descriptors.py", *FILES)


def test_the_files_compared_are_all_of_the_clouds() -> None:
    ours = FileDescriptorSet.FromString(builtin_descriptors())
    assert {file.name for file in ours.file if file.name.startswith("yandex/")} == set(FILES)


async def test_descriptors_are_the_clouds_own(theirs: bytes) -> None:
    differences = compare(facts_of(builtin_descriptors()), facts_of(theirs))
    assert differences == DELIBERATE


IMAGE = "yandex.cloud.baremetal.v1alpha"


def _message(files: Mapping[str, FileDescriptorProto], name: str) -> DescriptorProto:
    file = files[f"yandex/cloud/baremetal/v1alpha/{'image' if name == 'Image' else 'image_service'}.proto"]
    return next(message for message in file.message_type if message.name == name)


def _renumber(files: Mapping[str, FileDescriptorProto]) -> None:
    _message(files, "ListImagesRequest").field[4].number = 104


def _retype(files: Mapping[str, FileDescriptorProto]) -> None:
    _message(files, "ListImagesRequest").field[1].type = FieldDescriptorProto.TYPE_INT32


def _repeat(files: Mapping[str, FileDescriptorProto]) -> None:
    _message(files, "CreateImageRequest").field[3].label = FieldDescriptorProto.LABEL_REPEATED


def _unreserve(files: Mapping[str, FileDescriptorProto]) -> None:
    _message(files, "Image").reserved_range[1].end = 99


def _rename_in_json(files: Mapping[str, FileDescriptorProto]) -> None:
    _message(files, "Image").field[1].json_name = "folder"


def _loosen(files: Mapping[str, FileDescriptorProto]) -> None:
    _message(files, "CreateImageRequest").field[3].ClearField("options")


def _swap_statuses(files: Mapping[str, FileDescriptorProto]) -> None:
    values = _message(files, "Image").enum_type[0].value
    values[2].name, values[3].name = values[3].name, values[2].name


def _stream(files: Mapping[str, FileDescriptorProto]) -> None:
    files["yandex/cloud/operation/operation_service.proto"].service[0].method[0].server_streaming = True


def _reroute(files: Mapping[str, FileDescriptorProto]) -> None:
    create = files["yandex/cloud/baremetal/v1alpha/image_service.proto"].service[0].method[2]
    path = b"/baremetal/v1alpha/images"
    options = create.options.SerializeToString().replace(path, path[:-1] + b"z")
    create.options.ParseFromString(options)


def _move_an_extension(files: Mapping[str, FileDescriptorProto]) -> None:
    file = files["yandex/cloud/validation.proto"]
    next(extension for extension in file.extension if extension.name == "unique").number = 101599


def _leave_the_oneof(files: Mapping[str, FileDescriptorProto]) -> None:
    files["yandex/cloud/operation/operation.proto"].message_type[0].oneof_decl[0].name = "outcome"


@pytest.mark.parametrize(
    ("change", "facts"),
    [
        (_renumber, {f"{IMAGE}.ListImagesRequest.filter number": (104, 103)}),
        (_retype, {f"{IMAGE}.ListImagesRequest.page_size type": ("TYPE_INT32", "TYPE_INT64")}),
        (_repeat, {f"{IMAGE}.CreateImageRequest.uri label": ("LABEL_REPEATED", "LABEL_OPTIONAL")}),
        (_unreserve, {f"{IMAGE}.Image reserved[1]": ((8, 99), (8, 100))}),
        (_rename_in_json, {f"{IMAGE}.Image.folder_id json_name": ("folder", "folderId")}),
        (
            _loosen,
            {
                f"{IMAGE}.CreateImageRequest.uri option yandex.cloud.required": (ABSENT, True),
                f"{IMAGE}.CreateImageRequest.uri option yandex.cloud.length": (ABSENT, "<=1024"),
            },
        ),
        (
            _swap_statuses,
            {f"{IMAGE}.Image.Status.READY number": (3, 2), f"{IMAGE}.Image.Status.ERROR number": (2, 3)},
        ),
        (
            _stream,
            {"yandex.cloud.operation.OperationService.Get server_streaming": (True, False)},
        ),
        (
            _reroute,
            {
                f"{IMAGE}.ImageService.Create option google.api.http.post": (
                    "/baremetal/v1alpha/imagez",
                    "/baremetal/v1alpha/images",
                )
            },
        ),
        (_move_an_extension, {"yandex.cloud.unique number": (101599, 101506)}),
        (
            _leave_the_oneof,
            {
                "yandex.cloud.operation.Operation.error oneof": ("outcome", "result"),
                "yandex.cloud.operation.Operation.response oneof": ("outcome", "result"),
            },
        ),
    ],
    ids=lambda value: value.__name__.strip("_") if callable(value) else "named",
)
def test_a_change_is_named(
    change: Callable[[Mapping[str, FileDescriptorProto]], None], facts: Mapping[str, tuple[Any, Any]]
) -> None:
    changed = FileDescriptorSet.FromString(builtin_descriptors())
    change({file.name: file for file in changed.file})
    assert compare(facts_of(changed.SerializeToString()), facts_of(builtin_descriptors())) == facts


def compare(ours: Facts, theirs: Facts) -> Mapping[str, tuple[Any, Any]]:
    """Return each fact that is not the same on both sides, as ours and theirs."""
    return {
        fact: (ours.get(fact, ABSENT), theirs.get(fact, ABSENT))
        for fact in sorted(ours.keys() | theirs.keys())
        if ours.get(fact, ABSENT) != theirs.get(fact, ABSENT)
    }


def facts_of(descriptor_set: bytes) -> Facts:
    """Return what a descriptor set says in FILES, one fact an entry, read with a pool of its own."""
    pool, _ = load_pool({"compared": descriptor_set})
    files = {file.name: file for file in FileDescriptorSet.FromString(descriptor_set).file}
    reader = Reader(pool)
    return dict(fact for name in FILES for fact in reader.file(files[name]))


class Reader:
    """Walks a file's descriptors; a fact is keyed by the full name of what it is about."""

    def __init__(self, pool: DescriptorPool) -> None:
        self._pool = pool

    def file(self, file: FileDescriptorProto) -> Iterator[tuple[str, Any]]:
        yield f"{file.name} syntax", file.syntax
        yield f"{file.name} package", file.package
        yield f"{file.name} imports", sorted(file.dependency)
        yield from self._options(file.name, file)
        for message in file.message_type:
            yield from self._message(file.package, message)
        for enum in file.enum_type:
            yield from self._enum(file.package, enum)
        for extension in file.extension:
            yield from self._field(file.package, extension, ())
        for service in file.service:
            yield from self._service(file.package, service)

    def _message(self, scope: str, message: DescriptorProto) -> Iterator[tuple[str, Any]]:
        name = f"{scope}.{message.name}"
        yield name, "message"
        for index, one in enumerate(sorted((one.start, one.end) for one in message.reserved_range)):
            yield f"{name} reserved[{index}]", one
        yield f"{name} reserved names", sorted(message.reserved_name)
        yield from self._options(name, message)
        oneofs = tuple(oneof.name for oneof in message.oneof_decl)
        for oneof in message.oneof_decl:
            yield from self._options(f"{name}.{oneof.name}", oneof)
        for field in (*message.field, *message.extension):
            yield from self._field(name, field, oneofs)
        for nested in message.nested_type:
            yield from self._message(name, nested)
        for enum in message.enum_type:
            yield from self._enum(name, enum)

    def _field(
        self, scope: str, field: FieldDescriptorProto, oneofs: tuple[str, ...]
    ) -> Iterator[tuple[str, Any]]:
        name = f"{scope}.{field.name}"
        yield f"{name} number", field.number
        yield f"{name} type", _TYPES.Name(field.type)
        yield f"{name} label", _LABELS.Name(field.label)
        yield f"{name} type_name", field.type_name
        yield f"{name} extendee", field.extendee
        yield f"{name} proto3_optional", field.proto3_optional
        yield f"{name} oneof", oneofs[field.oneof_index] if field.HasField("oneof_index") else None
        # Compiled stubs leave json_name out where it follows from the name; the pool has it always.
        find = self._pool.FindExtensionByName if field.extendee else self._pool.FindFieldByName
        yield f"{name} json_name", find(name).json_name
        yield from self._options(name, field)

    def _enum(self, scope: str, enum: EnumDescriptorProto) -> Iterator[tuple[str, Any]]:
        name = f"{scope}.{enum.name}"
        yield name, "enum"
        yield from self._options(name, enum)
        for value in enum.value:
            yield f"{name}.{value.name} number", value.number
            yield from self._options(f"{name}.{value.name}", value)

    def _service(self, scope: str, service: ServiceDescriptorProto) -> Iterator[tuple[str, Any]]:
        yield f"{scope}.{service.name}", "service"
        yield from self._options(f"{scope}.{service.name}", service)
        for method in service.method:
            name = f"{scope}.{service.name}.{method.name}"
            yield f"{name} request", method.input_type
            yield f"{name} reply", method.output_type
            yield f"{name} client_streaming", method.client_streaming
            yield f"{name} server_streaming", method.server_streaming
            yield from self._options(name, method)

    def _options(self, name: str, owner: Any) -> Iterator[tuple[str, Any]]:
        raw: Message = owner.options
        own = message_factory.GetMessageClass(self._pool.FindMessageTypeByName(raw.DESCRIPTOR.full_name))
        options = own.FromString(raw.SerializeToString())
        unread: Any = UnknownFieldSet(options)
        for unknown in unread:
            yield f"{name} option {unknown.field_number}", "unreadable"
        for field, value in options.ListFields():
            shown = field.full_name if field.is_extension else field.name
            if shown not in PACKAGING:
                yield from _flatten(f"{name} option {shown}", self._to_tree(value))

    def _to_tree(self, value: Any) -> Any:
        if not hasattr(value, "ListFields"):
            return value
        return json_format.MessageToDict(value, preserving_proto_field_name=True, descriptor_pool=self._pool)


def _flatten(path: str, tree: Any) -> Iterable[tuple[str, Any]]:
    if isinstance(tree, dict):
        return [fact for key, value in tree.items() for fact in _flatten(f"{path}.{key}", value)]
    if isinstance(tree, list):
        return [fact for key, value in enumerate(tree) for fact in _flatten(f"{path}[{key}]", value)]
    return [(path, tree)]
