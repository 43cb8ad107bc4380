"""A message type with a field of each kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.schema import descriptor_of, load_schema
from tests.schema.compiling import compile_text

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

_TEXT = """
    package kinds;
    import "google/api/annotations.proto";
    import "google/protobuf/any.proto";
    import "google/protobuf/struct.proto";
    import "google/protobuf/timestamp.proto";
    import "google/protobuf/wrappers.proto";
    message Inner { string name = 1; Inner inner = 2; google.protobuf.Any any = 3; }
    message Plain { string name = 1; Plain plain = 2; map<string, Leaf> leaves = 3; }
    message Leaf { repeated string texts = 1; }
    message Kinds {
      string text = 1;
      int32 small = 2;
      uint64 large = 3;
      Inner inner = 4;
      repeated Inner inners = 5;
      map<string, int64> numbers = 6;
      map<string, Inner> by_name = 7;
      map<string, google.protobuf.BoolValue> flags = 8;
      google.protobuf.Int64Value wrapped = 9;
      google.protobuf.Timestamp time = 10;
      google.protobuf.Struct free = 11;
      google.protobuf.Any any = 12;
      oneof choice { string a = 13; string b = 14; Inner c = 15; }
      optional string maybe = 16;
    }
    service S { rpc Do(Kinds) returns (Plain) { option (google.api.http) = { get: "/kinds" }; } }
"""


@pytest.fixture(scope="session")
def types(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Descriptor]:
    """Short name → message type."""
    data = compile_text(tmp_path_factory.mktemp("kinds"), _TEXT)
    schema = load_schema(["kinds.S"], {"kinds": data})
    return {
        name: descriptor_of(schema.message(f"kinds.{name}")) for name in ("Inner", "Plain", "Leaf", "Kinds")
    }


@pytest.fixture(scope="session")
def kinds(types: dict[str, Descriptor]) -> Descriptor:
    return types["Kinds"]
