"""Rules of a schema → a router, with every fault at once."""

from __future__ import annotations

import gc
import json
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gateway.errors import GatewayError
from gateway.schema import SchemaError, load_schema
from gateway.transcode import (
    JsonWriter,
    Match,
    WrongHttpMethod,
    build_router,
    parse_target,
    to_json_path,
)
from gateway.validation import Validator
from tests.schema.compiling import compile_text
from tests.wire.test_wire import EVERYTHING

if TYPE_CHECKING:
    from gateway.transcode import Route, Router


@pytest.mark.parametrize(
    ("request_line", "route"),
    [
        ("GET /v1/search", "test.v1.Library/Search (GET /v1/search)"),
        ("HEAD /v1/search", "test.v1.Library/Head (HEAD /v1/search)"),
        ("POST /v1/things/x:start", "test.v1.Library/Start (POST /v1/things/{f_string}:start)"),
        ("PATCH /v1/shelves/1/books/2", "test.v1.Library/Update (PATCH /v1/{inner.name=shelves/*/books/*})"),
        ("PUT /v1/shelves/1/books/2", "test.v1.Library/Update (PUT /v1/{inner.name=shelves/*/books/*})"),
        ("BREW /v1/any/x", "test.v1.Library/Whatever (* /v1/any/{f_string})"),
    ],
)
def test_routes_say_what_they_are(router: Router[Route], request_line: str, route: str) -> None:
    http_method, path = request_line.split(" ")
    found = router.find(http_method, tuple(path[1:].split("/")))
    assert isinstance(found, Match)
    assert str(found.route) == route


def test_cancel_is_a_get_in_the_cloud_s_own_schema() -> None:
    router = build_router(load_schema(["yandex.cloud.operation.OperationService"]))
    found = router.find("GET", ("operations", "x:cancel"))
    assert isinstance(found, Match)
    assert found.route.method.name == "yandex.cloud.operation.OperationService/Cancel"
    assert [text for _, text in found.captures] == ["x"]
    assert isinstance(router.find("DELETE", ("operations", "x")), WrongHttpMethod)


def _refused(folder: Path, body: str) -> tuple[str, ...]:
    text = f"""
        package bad;
        import "google/api/annotations.proto";
        import "google/protobuf/timestamp.proto";
        message M {{
          string name = 1; repeated string names = 2; M m = 3; repeated M ms = 4;
          map<string, string> labels = 5; google.protobuf.Timestamp ts = 6;
        }}
        service S {{ {body} }}
    """
    schema = load_schema(["bad.S"], {"bad": compile_text(folder, text)})
    with pytest.raises(SchemaError) as caught:
        build_router(schema)
    return tuple(map(str, caught.value.faults))


@pytest.mark.parametrize(
    ("rule", "fault"),
    [
        ('get: "/v1/{nome}"', "the path sets 'nome', which bad.M does not have"),
        ('get: "/v1/{m.nome}"', "the path sets 'm.nome', which bad.M does not have"),
        ('get: "/v1/{name.x}"', "the path sets 'name.x', which bad.M does not have"),
        ('get: "/v1/{names}"', "the path sets 'names', which is not a single value"),
        ('get: "/v1/{labels}"', "the path sets 'labels', which is not a single value"),
        ('get: "/v1/{ms.name}"', "the path sets 'ms.name', which bad.M does not have"),
        ('get: "/v1/{m}"', "the path sets 'm', which is not a single value"),
        ('get: "/v1/{ts.seconds}"', "the path sets 'ts.seconds', which bad.M does not have"),
        ('post: "/v1" body: "nome"', "the body sets 'nome', which bad.M does not have"),
        ('post: "/v1" body: "m.name"', "the body sets 'm.name', which bad.M does not have"),
        ('get: "/v1" response_body: "nome"', "the response is 'nome', which bad.M does not have"),
        ('get: "v1"', "bad path template 'v1': expected '/', at character 1"),
        ('get: ""', "bad path template '': expected '/', at character 1"),
    ],
)
def test_a_rule_that_does_not_fit_is_refused(tmp_path: Path, rule: str, fault: str) -> None:
    body = f"rpc Do(M) returns (M) {{ option (google.api.http) = {{ {rule} }}; }}"
    assert _refused(tmp_path, body) == (f"given.proto: bad.S/Do: {fault}",)


def test_all_faults_are_told_at_once_and_a_conflict_names_both(tmp_path: Path) -> None:
    body = """
      rpc One(M) returns (M) { option (google.api.http) = { get: "/v1/{name}" }; }
      rpc Two(M) returns (M) { option (google.api.http) = { get: "/v1/{m.name}" }; }
      rpc Three(M) returns (M) { option (google.api.http) = { get: "/v1/{" }; }
    """
    assert _refused(tmp_path, body) == (
        (
            "given.proto: bad.S/Two: "
            "bad.S/One (GET /v1/{name}) and bad.S/Two (GET /v1/{m.name}) match the same requests"
        ),
        "given.proto: bad.S/Three: bad path template '/v1/{': expected a field path, at character 6",
    )


def use_everything(descriptor_set: bytes) -> list[weakref.ref[Any]]:
    """Use everything that belongs to a schema; return references to what must not outlive it."""
    schema = load_schema(["test.v1.Library"], {"test": descriptor_set})
    router, writer, validator = build_router(schema, 100), JsonWriter(schema.pool), Validator(schema, 100)
    target = parse_target("/v1/things")
    found = router.find("POST", target.segments)
    assert isinstance(found, Match)
    message: Any = found.route.binder.bind(found.captures, target.query, json.dumps(EVERYTHING).encode())
    assert validator.validate(message) == []
    assert json.loads(writer.write(message)) == EVERYTHING
    with pytest.raises(GatewayError) as caught:
        found.route.binder.bind(
            found.captures, target.query, b'{"any":{"@type":"a/test.v1.Inner","x":1},"rInner":[1]}'
        )
    caught.value.rename_fields(lambda path: to_json_path(path, message.DESCRIPTOR))
    return [weakref.ref(one) for one in (type(message), type(message.inner), router, writer, validator)]


def test_nothing_keeps_a_schema_that_is_no_longer_used(descriptor_set: bytes) -> None:
    kept = [one for _ in range(3) for one in use_everything(descriptor_set)]
    gc.collect()
    assert [one() for one in kept] == [None] * len(kept)
