"""The files that server reflection shows."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from gateway.listeners.rpc.described_files import DescribedFiles
from gateway.schema import builtin_descriptors, load_pool
from tests.schema.compiling import compile_protos

TEXT = """
    syntax = "proto2";
    package some.v1;
    import "google/protobuf/empty.proto";
    import "yandex/cloud/operation/operation.proto";
    service S {
      rpc Do(M) returns (google.protobuf.Empty);
      rpc Hidden(M) returns (M);
    }
    service Other { rpc Hidden(M) returns (M); }
    enum Color { RED = 0; }
    message M {
      extensions 100 to 200;
      optional string name = 1;
      oneof one { string a = 2; }
      message Inner {
        enum Kind { SMALL = 0; }
        extend M { optional string nested = 101; }
      }
    }
    extend M { optional string outer = 100; }
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> DescribedFiles:
    folder = tmp_path_factory.mktemp("described")
    (folder / "given.proto").write_text(TEXT, encoding="utf-8")
    data = compile_protos(folder, folder / "given.binpb")
    pool, _ = load_pool({"built-in": builtin_descriptors(), "given": data})
    service: Any = pool.FindServiceByName("some.v1.S")
    found = DescribedFiles()
    found.add(service.file, "some.v1.S/Do".__eq__)
    return found


SYMBOLS = {
    "S": ("", ".Do"),
    "Color": ("",),
    "RED": ("",),
    "outer": ("",),
    "M": ("", ".name", ".one", ".a", ".Inner", ".Inner.Kind", ".Inner.SMALL", ".Inner.nested"),
}


def test_every_symbol_is_found(files: DescribedFiles) -> None:
    names = [f"some.v1.{name}{rest}" for name, further in SYMBOLS.items() for rest in further]
    assert {files.find_symbol(name) for name in names} == {"given.proto"}
    assert files.find_symbol("google.protobuf.Empty") == "google/protobuf/empty.proto"


@pytest.mark.parametrize("name", ["", "some.v1", "some.v1.S.Hidden", "some.v1.Other", ".some.v1.M", "M"])
def test_other_symbols_are_not(files: DescribedFiles, name: str) -> None:
    assert files.find_symbol(name) is None


def test_only_served_methods_are_in_a_file(files: DescribedFiles) -> None:
    content = files.find_file("given.proto")
    assert content is not None
    proto = FileDescriptorProto.FromString(content["given.proto"])
    assert [(one.name, [method.name for method in one.method]) for one in proto.service] == [("S", ["Do"])]
    assert not proto.HasField("source_code_info")
    assert files.services == {"some.v1.S"}


def test_a_file_has_its_imports_less_the_known_ones(files: DescribedFiles) -> None:
    found = files.find_file("given.proto")
    assert found is not None
    assert next(iter(found)) == "given.proto"
    assert {"google/protobuf/any.proto", "google/rpc/status.proto"} < set(found)
    assert set(files.find_file("given.proto", found) or ()) == {"given.proto"}
    assert files.find_file("no.proto") is None


def test_extensions_are_found_by_number(files: DescribedFiles) -> None:
    assert files.extension_numbers("some.v1.M") == [100, 101]
    assert files.extension_numbers("google.protobuf.Empty") == []
    assert files.extension_numbers("some.v1.S") is None
    assert files.find_extension("some.v1.M", 101) == "given.proto"
    assert files.find_extension("some.v1.M", 102) is None
    assert files.find_extension("some.v1.N", 100) is None
