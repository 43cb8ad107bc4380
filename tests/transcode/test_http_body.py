"""Requests and responses that are bytes of any media type."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest

from gateway.schema import HttpRule, Method, Schema, load_schema
from gateway.transcode import read_raw
from gateway.transcode.http_body import raw_value, returns_raw_body, takes_raw_body
from tests.schema.compiling import compile_text

if TYPE_CHECKING:
    from pathlib import Path

_TEXT = """
    package files;
    import "google/api/annotations.proto";
    import "google/api/httpbody.proto";
    message File {
      string name = 1;
      google.api.HttpBody content = 2;
      repeated google.api.HttpBody parts = 3;
    }
    service Files {
      rpc Whole(google.api.HttpBody) returns (google.api.HttpBody) {
        option (google.api.http) = { post: "/whole" body: "*" };
      }
      rpc Part(File) returns (File) { option (google.api.http) = { post: "/part" body: "content" }; }
    }
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Schema:
    folder: Path = tmp_path_factory.mktemp("files")
    return load_schema(["files.Files"], {"files": compile_text(folder, _TEXT)})


def _rule(body: str, response_body: str = "") -> HttpRule:
    return HttpRule(http_method="POST", template="/", body=body, response_body=response_body)


@pytest.mark.parametrize(
    ("name", "body", "is_raw"),
    [
        ("Whole", "*", True),
        ("Whole", "data", False),
        ("Part", "*", False),
        ("Part", "content", True),
        ("Part", "parts", False),
        ("Part", "name", False),
        ("Part", "", False),
    ],
)
def test_requests(files: Schema, name: str, body: str, is_raw: bool) -> None:  # noqa: FBT001
    assert takes_raw_body(_method(files, name), _rule(body)) is is_raw


@pytest.mark.parametrize(
    ("name", "body", "is_raw"),
    [("Whole", "", True), ("Part", "", False), ("Part", "content", True), ("Part", "parts", False)],
)
def test_responses(files: Schema, name: str, body: str, is_raw: bool) -> None:  # noqa: FBT001
    assert returns_raw_body(_method(files, name), _rule("*", body)) is is_raw


def _method(files: Schema, name: str) -> Method:
    return files.methods[f"files.Files/{name}"]


def test_the_json_value_of_a_body() -> None:
    value = raw_value(b"\0\xff", "image/png")
    assert value == {"contentType": "image/png", "data": base64.b64encode(b"\0\xff").decode()}


@pytest.mark.parametrize(
    ("content_type", "sent"),
    [
        ("image/png", "image/png"),
        ("text/plain; charset=utf-8", "text/plain; charset=utf-8"),
        ("", "application/octet-stream"),
        ("image", "application/octet-stream"),
        ("text/plain\r\nset-cookie: a", "application/octet-stream"),
    ],
)
def test_only_media_types_become_headers(files: Schema, content_type: str, sent: str) -> None:
    body: Any = files.message("google.api.HttpBody")(content_type=content_type, data=b"x")
    assert read_raw(body, "") == (b"x", sent)
    assert read_raw(files.message("files.File")(content=body), "content") == (b"x", sent)
