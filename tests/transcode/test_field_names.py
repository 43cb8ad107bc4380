"""Field paths as REST writes them: with the names of JSON, whatever they lead through."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.schema import descriptor_of, load_schema
from gateway.transcode import to_json_path
from tests.schema.compiling import compile_text

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.schema import Schema


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("", ""),
        ("f_string", "fString"),
        ("inner.page_count", "inner.pageCount"),
        ("inner.inner.by_road", "inner.inner.byRoad"),
        ("r_string[0]", "rString[0]"),
        ("r_inner[12].page_count", "rInner[12].pageCount"),
        ('m_string["f_string"]', 'mString["f_string"]'),
        ('m_inner["a.b_c"].page_count', 'mInner["a.b_c"].pageCount'),
        ('m_inner["\\"].page_count"].page_count', 'mInner["\\"].page_count"].pageCount'),
        ("m_int64[-1]", "mInt64[-1]"),
        ("m_bool[true]", "mBool[true]"),
        ('m_duration["-1"]', 'mDuration["-1"]'),
        # what has a form of its own in JSON has no fields there
        ("ts.seconds", "ts"),
        ("mask.paths[3]", "mask"),
        ("w_int64.value", "wInt64"),
        ("r_bool_value[1].value", "rBoolValue[1]"),
        ('struct["page_count"][0]', 'struct["page_count"][0]'),
        ('struct.fields["page_count"]', 'struct["page_count"]'),
        ("list.values[2]", "list[2]"),
        # names within an Any are those of JSON already
        ("any.f_string", "any.f_string"),
        ("any.@type", "any.@type"),
        ('m_any["k"].pageCount', 'mAny["k"].pageCount'),
        # what leads to no field stays as it is
        ("inner.no_such.page_count", "inner.no_such.page_count"),
        ('inner."page count"', 'inner."page count"'),
        ("f_string.page_count", "fString.page_count"),
        ("header f_string", "header f_string"),
        ("choice", "choice"),
        ("fString", "fString"),
        ("f_string ", "f_string "),
        ("m_string[", "mString["),
    ],
)
def test_path(schema: Schema, path: str, shown: str) -> None:
    assert to_json_path(path, descriptor_of(schema.message("test.v1.Everything"))) == shown


def test_json_name_options_and_names_that_look_like_another_s(tmp_path: Path) -> None:
    text = """
        package named.v1;
        import "google/api/annotations.proto";
        message In { string deep_name = 1 [json_name = "DEEP"]; }
        message M {
          string one_name = 1 [json_name = "two_name"];
          string two_name = 2 [json_name = "2"];
          In in_it = 3 [json_name = "@in"];
        }
        service S { rpc Do(M) returns (M) { option (google.api.http) = { get: "/a" }; } }
    """
    schema = load_schema(["named.v1.S"], {"named": compile_text(tmp_path, text)})
    descriptor = descriptor_of(schema.message("named.v1.M"))
    assert to_json_path("one_name", descriptor) == "two_name"
    assert to_json_path("two_name", descriptor) == "2"
    assert to_json_path("in_it.deep_name", descriptor) == "@in.DEEP"
