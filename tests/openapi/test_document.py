"""The document of the real API, compared with the cloud's own page of Image.Create."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from openapi_spec_validator import validate

from gateway.config import Config
from gateway.openapi import build_document, to_json
from gateway.openapi.responses import ERRORS
from gateway.schema import load_schema
from gateway.transcode import HTTP_STATUS
from tests.conftest import GOOD_IMAGE, IMAGES
from tests.protos.compiled import SERVICES
from tests.schema.compiling import compile_protos

CREATE = "yandex.cloud.baremetal.v1alpha.CreateImageRequest"


def test_is_valid(document: Any) -> None:
    validate(document)


@pytest.mark.parametrize("service", SERVICES)
def test_of_a_test_service_is_valid(documents: dict[str, Any], service: str) -> None:
    validate(documents[service])
    names = [one["operationId"] for _, _, one in operations(documents[service])]
    assert len(names) == len(set(names))


def operations(document: Any) -> list[tuple[str, str, Any]]:
    return [
        (path, http_method, operation)
        for path, item in document["paths"].items()
        for http_method, operation in item.items()
    ]


def body_of(document: Any, http_method: str, path: str) -> Any:
    content = document["paths"][path][http_method]["requestBody"]["content"]
    assert list(content) == ["application/json"]
    return content["application/json"]["schema"]


def resolve(document: Any, schema: Any) -> Any:
    return (
        document["components"]["schemas"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    )


def accepts(document: Any, schema: Any, value: Any) -> bool:
    whole = {**schema, "components": document["components"]}
    return jsonschema_rs.Draft202012Validator(whole).is_valid(value)


BOOT_IMAGES = "/baremetal/v2/clouds/{cloudId}/folders/{folderId}/bootImages"


def test_operations(document: Any) -> None:
    found = {(http_method, path): one["operationId"] for path, http_method, one in operations(document)}
    assert found == {
        ("get", IMAGES): "ImageService_List",
        ("post", IMAGES): "ImageService_Create",
        ("get", f"{IMAGES}/{{imageId}}"): "ImageService_Get",
        ("patch", f"{IMAGES}/{{imageId}}"): "ImageService_Update",
        ("delete", f"{IMAGES}/{{imageId}}"): "ImageService_Delete",
        ("get", f"{IMAGES}/{{imageId}}/operations"): "ImageService_ListOperations",
        ("get", BOOT_IMAGES): "BootImageService_ListBootImages",
        ("post", BOOT_IMAGES): "BootImageService_CreateBootImage",
        ("get", f"{BOOT_IMAGES}/{{bootImageId}}"): "BootImageService_GetBootImage",
        ("patch", f"{BOOT_IMAGES}/{{bootImageId}}"): "BootImageService_UpdateBootImage",
        ("delete", f"{BOOT_IMAGES}/{{bootImageId}}"): "BootImageService_DeleteBootImage",
        ("get", f"{BOOT_IMAGES}/{{bootImageId}}/operations"): "BootImageService_ListBootImageOperations",
        ("get", "/operations/{operationId}"): "OperationService_Get",
        ("get", "/operations/{operationId}:cancel"): "OperationService_Cancel",
        ("post", "/operations/{operationId}:cancel"): "OperationService_Cancel_2",
    }
    create = document["paths"][IMAGES]["post"]
    assert create["tags"] == ["yandex.cloud.baremetal.v1alpha.ImageService"]
    assert create["x-grpc-method"] == "yandex.cloud.baremetal.v1alpha.ImageService/Create"
    assert {one["name"] for one in document["tags"]} == set(Config().services)


def test_body_of_create_is_that_of_the_clouds_page(document: Any) -> None:
    body = resolve(document, body_of(document, "post", IMAGES))
    assert body["type"] == "object"
    assert list(body["properties"]) == ["folderId", "name", "description", "uri", "labels"]
    assert body["required"] == ["uri"]
    assert body["additionalProperties"] is False
    properties = body["properties"]
    kinds = {name: one["type"] for name, one in properties.items()}
    assert kinds == dict.fromkeys(kinds, "string") | {"labels": "object"}
    # The page's patterns, anchored; but a text that is empty is not set.
    assert properties["folderId"]["pattern"] == "^(?:[a-z][a-z0-9.-]*)?$"
    assert properties["name"]["pattern"] == "^(?:[a-z]([-a-z0-9]*[a-z0-9])?)?$"
    assert properties["labels"]["propertyNames"]["pattern"] == "^(?:[a-z][-_0-9a-z]*)$"
    assert "pattern" not in properties["description"]
    assert "pattern" not in properties["uri"]
    assert properties["name"]["description"] == "Unique within the folder."


@pytest.mark.parametrize(
    ("changes", "is_valid"),
    [
        ({}, True),
        ({"name": ""}, True),
        ({"name": "a"}, False),
        ({"name": "ab"}, True),
        ({"name": "A1"}, False),
        ({"name": "a" * 63}, True),
        ({"name": "a" * 64}, False),
        ({"uri": ""}, False),
        ({"uri": "x" * 1025}, False),
        ({"labels": {"Bad": ""}}, False),
        ({"labels": {"": ""}}, False),
        ({"labels": {"a": ""}}, True),
        ({"labels": {f"a{number}": "" for number in range(65)}}, False),
        ({"further": 1}, False),
        ({"folderId": 1}, False),
    ],
)
def test_bodies_of_create(document: Any, changes: dict[str, Any], is_valid: bool) -> None:  # noqa: FBT001
    schema = body_of(document, "post", IMAGES)
    assert accepts(document, schema, GOOD_IMAGE | changes) is is_valid


def test_create_answers_an_operation_with_its_own_types(document: Any) -> None:
    answers = document["paths"][IMAGES]["post"]["responses"]
    schema = answers["200"]["content"]["application/json"]["schema"]
    package = "type.googleapis.com/yandex.cloud.baremetal.v1alpha"
    operation = {
        "id": "x",
        "createdAt": "2026-01-31T12:00:00.5Z",
        "metadata": {"@type": f"{package}.CreateImageMetadata", "imageId": "y"},
    }
    assert accepts(document, schema, operation)
    done = operation | {"done": True, "response": {"@type": f"{package}.Image", "status": "READY"}}
    assert accepts(document, schema, done)
    assert not accepts(document, schema, done | {"response": {"@type": f"{package}.Cat"}})
    assert not accepts(document, schema, done | {"error": {"code": 3}})
    assert not accepts(document, schema, operation | {"metadata": {"imageId": "y"}})


def test_update_takes_its_path_from_the_path_only(document: Any) -> None:
    body = body_of(document, "patch", f"{IMAGES}/{{imageId}}")
    assert list(body["properties"]) == ["updateMask", "name", "description", "labels"]
    operation = document["paths"][f"{IMAGES}/{{imageId}}"]["patch"]
    assert operation["requestBody"]["required"] is False
    (path, *_) = operation["parameters"]
    assert path == {
        "name": "imageId",
        "in": "path",
        "required": True,
        "schema": {
            "type": "string",
            "minLength": 20,
            "maxLength": 20,
            "pattern": "^(?:[a-z][a-z0-9]*)$",
        },
    }


def test_query_of_list(document: Any) -> None:
    parameters = {one["name"]: one for one in document["paths"][IMAGES]["get"]["parameters"] if "name" in one}
    assert list(parameters) == ["folderId", "pageSize", "pageToken", "orderBy", "filter"]
    assert parameters["pageSize"]["schema"]["type"] == "integer"
    assert parameters["pageSize"]["schema"]["maximum"] == 1000
    assert not any(one["required"] for one in parameters.values())


def test_headers_of_requests(document: Any) -> None:
    def names(http_method: str) -> list[str]:
        references = [
            one["$ref"] for one in document["paths"][IMAGES][http_method]["parameters"] if "$ref" in one
        ]
        return [document["components"]["parameters"][one.rpartition("/")[2]]["name"] for one in references]

    common = ["X-Client-Request-Id", "X-Client-Trace-Id", "X-Request-Id", "Grpc-Timeout"]
    assert names("get") == common
    assert names("post") == ["Idempotency-Key", *common]
    assert document["security"] == [{"bearer": []}]
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"


def test_every_status_stands_in_every_operation(document: Any) -> None:
    mapped = {str(status) for status in HTTP_STATUS.values()} - {"200", "499"}  # its caller is gone
    assert mapped <= set(ERRORS)
    for _, _, operation in operations(document):
        assert list(operation["responses"]) == ["200", *ERRORS]
    error = document["components"]["responses"]["Error400"]
    assert list(error["headers"]) == ["x-request-id", "x-server-trace-id", "Warning"]


@pytest.mark.parametrize(
    ("detail", "is_valid"),
    [
        ({"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "X", "metadata": {"a": "b"}}, True),
        ({"@type": "type.googleapis.com/google.rpc.ErrorInfo", "metadata": {"a": 1}}, False),
        ({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1.5s"}, True),
        ({"@type": "type.googleapis.com/made.up", "value": "AAA="}, True),
        ({"reason": "X"}, False),
    ],
)
def test_details_of_errors(document: Any, detail: Any, is_valid: bool) -> None:  # noqa: FBT001
    schema = document["components"]["responses"]["Error"]["content"]["application/json"]["schema"]
    assert accepts(document, schema, {"code": 3, "details": [detail]}) is is_valid


def test_text_is_the_same_each_time() -> None:
    texts = {
        to_json(build_document(load_schema(Config().services), {}, version="1", server="x")) for _ in range(3)
    }
    assert len(texts) == 1
    assert json.loads(texts.pop())["servers"][0]["variables"]["gateway"]["default"] == "x"


def test_fields_out_of_use() -> None:
    schema = load_schema(["yandex.cloud.endpoint.ApiEndpointService"])
    document = build_document(schema, {}, version="1", server="x")
    parameters = document["paths"]["/endpoints"]["get"]["parameters"]
    assert [one["name"] for one in parameters if one.get("deprecated")] == ["pageSize", "pageToken"]


def test_services_of_one_short_name_have_operations_of_their_own(tmp_path: Path) -> None:
    for package in ("one", "two"):
        (tmp_path / f"{package}.proto").write_text(
            f'syntax = "proto3";\npackage {package};\n'
            f'import "google/api/annotations.proto";\nmessage M {{}}\n'
            f'service S {{ rpc Do(M) returns (M) {{ option (google.api.http) = {{get: "/{package}"}}; }} }}\n'
        )
    data = compile_protos(tmp_path, tmp_path / "set.binpb")
    document = build_document(load_schema(["one.S", "two.S"], {"x": data}), {}, version="1", server="x")
    assert [one["operationId"] for _, _, one in operations(document)] == ["one.S_Do", "two.S_Do"]
