"""Sets of descriptors that can and cannot be loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from gateway.faults import Position
from gateway.schema import (
    SchemaError,
    builtin_descriptors,
    field_of,
    load_pool,
    load_schema,
)
from tests.schema.compiling import compile_text

if TYPE_CHECKING:
    from pathlib import Path

_SERVICE = """
    package more;
    import "google/api/annotations.proto";
    message M { map<string, int32> counts = 1; repeated M ms = 2; string name = 3; }
    service S { rpc Do(M) returns (M) { option (google.api.http) = { get: "/more" }; } }
"""


def _set(*files: FileDescriptorProto) -> bytes:
    return FileDescriptorSet(file=files).SerializeToString()


def test_the_built_in_set_is_complete() -> None:
    pool, services = load_pool({"built-in": builtin_descriptors()})
    assert "yandex.cloud.baremetal.v1alpha.ImageService" in services
    for name in ("google.rpc.BadRequest", "google.protobuf.Duration", "google.protobuf.StringValue"):
        assert pool.FindMessageTypeByName(name).full_name == name


def test_the_pool_is_private() -> None:
    load_pool({"built-in": builtin_descriptors()})
    with pytest.raises(KeyError):
        descriptor_pool.Default().FindFileByName("yandex/cloud/baremetal/v1alpha/image_service.proto")


def test_a_set_may_carry_its_imports_or_rely_on_the_built_in_ones(tmp_path: Path) -> None:
    for imports in (True, False):
        data = compile_text(tmp_path, _SERVICE, imports=imports)
        assert "more.S/Do" in load_schema(["more.S"], {"more": data}).methods


def test_files_may_stand_in_any_order() -> None:
    a = FileDescriptorProto(name="a.proto", dependency=["b.proto"])
    b = FileDescriptorProto(name="b.proto", dependency=["c.proto"])
    c = FileDescriptorProto(name="c.proto")
    pool, _ = load_pool({"one": _set(a, b), "two": _set(c)})
    assert pool.FindFileByName("a.proto").name == "a.proto"


def test_the_first_copy_of_a_file_counts() -> None:
    first, second = (
        FileDescriptorProto(name="a.proto", package="x"),
        FileDescriptorProto(name="a.proto", package="y"),
    )
    pool, _ = load_pool({"one": _set(first), "two": _set(second)})
    assert pool.FindFileByName("a.proto").package == "x"


def _twins() -> bytes:
    one, other = (FileDescriptorProto(name=f"{name}.proto") for name in ("one", "other"))
    one.message_type.add(name="M")
    other.message_type.add(name="M")
    return _set(one, other)


def _unknown_type() -> bytes:
    file = FileDescriptorProto(name="a.proto")
    file.message_type.add(name="M").field.add(name="f", number=1, type=11, type_name=".Nome", label=1)
    return _set(file)


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"\xff\xff", "mine: not a serialized FileDescriptorSet"),
        (b'syntax = "proto3";', "mine: not a serialized FileDescriptorSet"),
        (
            _set(FileDescriptorProto(name="a.proto", dependency=["b.proto"])),
            "mine: a.proto: imports b.proto, which is in no descriptor set",
        ),
        (
            _set(
                FileDescriptorProto(name="a.proto", dependency=["b.proto"]),
                FileDescriptorProto(name="b.proto", dependency=["a.proto"]),
            ),
            "mine: b.proto: ",
        ),
        (_twins(), "mine: other.proto: "),
        (_unknown_type(), "mine: a.proto: "),
    ],
    ids=["bytes", "source", "missing import", "circle", "two of one name", "unknown type"],
)
def test_a_bad_set_is_named(data: bytes, fault: str) -> None:
    with pytest.raises(SchemaError) as caught:
        load_pool({"built-in": builtin_descriptors(), "mine": data})
    (found,) = caught.value.faults
    assert str(found).startswith(fault)
    assert found.position == Position("mine")


def test_a_field_by_its_name(tmp_path: Path) -> None:
    message = load_schema(["more.S"], {"more": compile_text(tmp_path, _SERVICE)}).message("more.M")
    assert field_of(message, "counts").full_name == "more.M.counts"
    with pytest.raises(KeyError):
        field_of(message, "nome")
