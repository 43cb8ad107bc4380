"""The table of methods."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.schema import HttpRule, OperationTypes, SchemaError, load_schema
from tests.schema.compiling import compile_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gateway.schema import Schema

_IMAGES = "yandex.cloud.baremetal.v1alpha.ImageService"

RULES = {
    f"{_IMAGES}/Get": ("GET", "/baremetal/v1alpha/images/{image_id}", ""),
    f"{_IMAGES}/List": ("GET", "/baremetal/v1alpha/images", ""),
    f"{_IMAGES}/Create": ("POST", "/baremetal/v1alpha/images", "*"),
    f"{_IMAGES}/Update": ("PATCH", "/baremetal/v1alpha/images/{image_id}", "*"),
    f"{_IMAGES}/Delete": ("DELETE", "/baremetal/v1alpha/images/{image_id}", ""),
    f"{_IMAGES}/ListOperations": ("GET", "/baremetal/v1alpha/images/{image_id}/operations", ""),
}
_OPERATIONS = {
    f"{_IMAGES}/Create": ("CreateImageMetadata", "yandex.cloud.baremetal.v1alpha.Image"),
    f"{_IMAGES}/Update": ("UpdateImageMetadata", "yandex.cloud.baremetal.v1alpha.Image"),
    f"{_IMAGES}/Delete": ("DeleteImageMetadata", "google.protobuf.Empty"),
}


def test_the_cloud_s_own_methods() -> None:
    methods = load_schema([_IMAGES]).methods
    assert {
        name: (one.rules[0].http_method, one.rules[0].template, one.rules[0].body)
        for name, one in methods.items()
    } == RULES
    assert {name: method.operation for name, method in methods.items()} == {
        name: OperationTypes(
            metadata=f"yandex.cloud.baremetal.v1alpha.{_OPERATIONS[name][0]}", response=_OPERATIONS[name][1]
        )
        if name in _OPERATIONS
        else None
        for name in methods
    }
    create = methods[f"{_IMAGES}/Create"]
    assert create.path == f"/{_IMAGES}/Create"
    assert create.service == _IMAGES
    assert (create.client_streaming, create.server_streaming) == (False, False)


def test_what_is_not_served_is_known_all_the_same() -> None:
    schema = load_schema(["yandex.cloud.operation.OperationService"])
    assert set(schema.methods) == {
        f"yandex.cloud.operation.OperationService/{name}" for name in ("Get", "Cancel")
    }
    assert f"{_IMAGES}/Create" in schema.known


def _load(
    folder: Path, body: str, excluded: Sequence[str] = (), services: tuple[str, ...] = ("a.b.c.S",)
) -> Schema:
    text = f"""
        package a.b.c;
        import "google/api/annotations.proto";
        import "google/protobuf/empty.proto";
        import "yandex/cloud/api/operation.proto";
        import "yandex/cloud/endpoint/api_endpoint.proto";
        message M {{ string name = 1; M m = 2; }}
        message Meta {{}}
        {body}
    """
    return load_schema(services, {"given": compile_text(folder, text)}, excluded)


def test_every_form_of_rule(tmp_path: Path) -> None:
    schema = _load(
        tmp_path,
        """
        service S {
          rpc Do(M) returns (stream M) {
            option (google.api.http) = {
              put: "/a" body: "m" response_body: "name"
              additional_bindings { custom { kind: "head" path: "/b" } }
              additional_bindings { custom { kind: "*" path: "/c" } }
              additional_bindings { delete: "/d" }
            };
          }
          rpc None(M) returns (M);
        }
        """,
    )
    assert schema.methods["a.b.c.S/Do"].rules == (
        HttpRule(http_method="PUT", template="/a", body="m", response_body="name"),
        HttpRule(http_method="HEAD", template="/b", body="", response_body=""),
        HttpRule(http_method="*", template="/c", body="", response_body=""),
        HttpRule(http_method="DELETE", template="/d", body="", response_body=""),
    )
    assert schema.methods["a.b.c.S/Do"].server_streaming
    assert schema.methods["a.b.c.S/None"].rules == ()


_STREAMS = """
    service S {
      rpc Do(M) returns (M) { option (google.api.http) = { get: "/a" }; }
      rpc Up(stream M) returns (M);
      rpc Both(stream M) returns (stream M);
      rpc Bad(M) returns (M) { option (google.api.http) = { body: "m" }; }
    }
"""


def _faults_of_streams(folder: Path, excluded: list[str]) -> list[str]:
    with pytest.raises(SchemaError) as caught:
        _load(folder, _STREAMS, excluded)
    return [str(fault) for fault in caught.value.faults]


def test_each_method_that_takes_a_stream_is_a_fault(tmp_path: Path) -> None:
    found = _faults_of_streams(tmp_path, ["a.b.c.S/Bad"])
    assert [one.partition(" takes a stream of requests")[0] for one in found] == [
        f"given.proto: api.services.a.b.c.S: a.b.c.S/{name}" for name in ("Up", "Both")
    ]


def test_excluded_methods_are_known_but_not_served(tmp_path: Path) -> None:
    schema = _load(tmp_path, _STREAMS, [f"a.b.c.S/{name}" for name in ("Up", "Both", "Bad")])
    assert list(schema.methods) == ["a.b.c.S/Do"]
    assert schema.known["a.b.c.S/Both"].client_streaming


def test_an_excluded_method_has_to_be_a_method_of_a_served_service(tmp_path: Path) -> None:
    excluded = [f"a.b.c.S/{name}" for name in ("Up", "Both", "Bad", "Dp")]
    (found,) = _faults_of_streams(tmp_path, [*excluded])
    assert found == (
        "descriptors: api.excluded_methods[3]: 'a.b.c.S/Dp' is no method of a served service; "
        "did you mean a.b.c.S/Up?"
    )


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("Meta", "a.b.c.Meta"),
        ("a.b.c.Meta", "a.b.c.Meta"),
        ("c.Meta", "a.b.c.Meta"),
        ("b.c.Meta", "a.b.c.Meta"),
        ("google.protobuf.Empty", "google.protobuf.Empty"),
    ],
)
def test_types_of_an_operation_are_found_from_the_package_outwards(
    tmp_path: Path, name: str, found: str
) -> None:
    rule = f'option (yandex.cloud.api.operation) = {{ metadata: "{name}" response: "M" }};'
    schema = _load(
        tmp_path,
        f'service S {{ rpc Do(M) returns (M) {{ option (google.api.http) = {{ get: "/" }}; {rule} }} }}',
    )
    assert schema.methods["a.b.c.S/Do"].operation == OperationTypes(metadata=found, response="a.b.c.M")


_GET = 'option (google.api.http) = { get: "/" };'
_NOME = 'option (yandex.cloud.api.operation) = { metadata: "Nome" };'


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        (
            f"rpc Do(M) returns (M) {{ {_GET} {_NOME} }}",
            ["given.proto: a.b.c.S/Do: the operation option names 'Nome', which is not a known message"],
        ),
        (
            "rpc Do(M) returns (M);",
            ["descriptors: no method has a google.api.http rule, so there is no route to serve"],
        ),
        (
            'rpc Do(M) returns (M) { option (google.api.http) = { body: "*" }; }',
            ["given.proto: a.b.c.S/Do: the HTTP rule has no pattern"],
        ),
        (
            'rpc Do(M) returns (M) { option (google.api.http) = { custom { path: "/" } }; }',
            ["given.proto: a.b.c.S/Do: the custom HTTP rule has no kind, which is its HTTP method"],
        ),
        (
            """rpc Do(M) returns (M) { option (google.api.http) = {
                 get: "/" additional_bindings { get: "/a" additional_bindings { get: "/b" } } }; }
               rpc Undo(M) returns (M) { option (google.api.http) = {}; }""",
            [
                "given.proto: a.b.c.S/Do: additional_bindings do not nest",
                "given.proto: a.b.c.S/Undo: the HTTP rule has no pattern",
            ],
        ),
    ],
)
def test_faults(tmp_path: Path, body: str, faults: list[str]) -> None:
    with pytest.raises(SchemaError) as caught:
        _load(tmp_path, f"service S {{ {body} }}")
    assert str(caught.value) == "\n".join(faults)


def test_a_service_that_is_not_served_stops_no_start(tmp_path: Path) -> None:
    body = f"""
        service S {{ rpc Do(M) returns (M) {{ {_GET} }} }}
        service T {{ rpc Do(M) returns (M) {{ {_NOME} }} }}
    """
    assert set(_load(tmp_path, body).methods) == {"a.b.c.S/Do"}


def test_unknown_services_are_all_named_in_order() -> None:
    with pytest.raises(SchemaError) as caught:
        load_schema(["no.Such", "an.Other", _IMAGES])
    assert list(map(str, caught.value.faults)) == [
        "descriptors: service an.Other is in no descriptor set",
        "descriptors: service no.Such is in no descriptor set",
    ]


def test_a_message_class_by_name() -> None:
    schema = load_schema([_IMAGES])
    assert schema.message("yandex.cloud.baremetal.v1alpha.Image").DESCRIPTOR.name == "Image"
    with pytest.raises(KeyError):
        schema.message("no.Such")
