"""The REST listener with real clients, before the emulator."""

from __future__ import annotations

import asyncio
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from gateway.emulator import InjectedFault
from tests.conftest import GOOD_IMAGE, IMAGES, Running, Start
from tests.listeners.naming import write_bundle

CREATE = "yandex.cloud.baremetal.v1alpha.ImageService/Create"
AN_ID = "a" * 20


async def call(running: Running, http_method: str, path: str, **options: Any) -> tuple[int, Any, Any]:
    async with running.client.request(http_method, running.url(path), **options) as answer:
        return answer.status, await answer.json(), answer.headers


def details(body: Any) -> dict[str, Any]:
    return {one["@type"].rpartition(".")[2]: one for one in body["details"]}


def violations(body: Any) -> dict[str, str]:
    return {one["field"]: one["description"] for one in details(body)["BadRequest"]["fieldViolations"]}


async def test_a_create_is_answered_with_an_operation_and_ends_with_the_image(running: Running) -> None:
    status, operation, headers = await call(running, "POST", IMAGES, json=GOOD_IMAGE)
    assert status == 200
    assert headers["x-request-id"]
    assert len(headers["x-server-trace-id"]) == 32
    assert headers["x-operation-poll-interval"] == "1"
    assert operation["metadata"]["@type"].endswith("CreateImageMetadata")
    status, done, _ = await call(running, "GET", f"/operations/{operation['id']}")
    assert status == 200
    assert done["done"] is True
    image = done["response"]
    assert image["@type"] == "type.googleapis.com/yandex.cloud.baremetal.v1alpha.Image"
    assert image["id"] == operation["metadata"]["imageId"]
    assert image["status"] == "READY"
    assert len(image["checksum"]) == 32
    assert image["createdAt"].endswith("Z")
    assert {name: image[name] for name in ("folderId", "name", "labels")} == {
        name: GOOD_IMAGE[name] for name in ("folderId", "name", "labels")
    }


async def test_every_method_is_served(running: Running) -> None:
    _, operation, _ = await call(running, "POST", IMAGES, json=GOOD_IMAGE)
    path = f"{IMAGES}/{operation['metadata']['imageId']}"
    _, image, _ = await call(running, "GET", path)
    assert image["name"] == "ubuntu-24-04"
    _, listed, _ = await call(running, "GET", f"{IMAGES}?folderId=b1gexample&pageSize=5")
    assert [one["name"] for one in listed["images"]] == ["ubuntu-24-04"]
    _, update, _ = await call(
        running, "PATCH", path, json={"updateMask": "description", "description": "new"}
    )
    assert update["metadata"]["@type"].endswith("UpdateImageMetadata")
    _, operations, _ = await call(running, "GET", f"{path}/operations")
    assert [one["description"] for one in operations["operations"]] == ["Update image", "Create image"]
    _, cancelled, _ = await call(running, "POST", f"/operations/{update['id']}:cancel")
    assert cancelled["id"] == update["id"]
    _, deletion, _ = await call(running, "DELETE", path)
    assert deletion["metadata"]["@type"].endswith("DeleteImageMetadata")
    status, _, _ = await call(running, "GET", path)
    assert status == 404


@pytest.mark.parametrize(
    ("change", "rules"),
    [
        ({"uri": "https://storage.yandexcloud.net/other/a.iso"}, {"approved-source/bucket"}),
        ({"uri": "https://storage.yandexcloud.net/golden-images/a.img"}, {"approved-source/iso"}),
        (
            {"uri": "http://storage.yandexcloud.net/other/a.img", "labels": {"env": "test"}},
            {
                "approved-source/scheme",
                "approved-source/bucket",
                "approved-source/iso",
                "required-labels/env",
                "required-labels/owner",
                "required-labels/cost-center",
            },
        ),
    ],
    ids=["bucket", "iso", "all"],
)
async def test_a_denial_names_every_broken_rule(
    running: Running, change: dict[str, Any], rules: set[str]
) -> None:
    status, body, headers = await call(running, "POST", IMAGES, json=GOOD_IMAGE | change)
    assert (status, body["code"]) == (403, 7)
    found = details(body)
    assert {one["reason"] for one in found["BadRequest"]["fieldViolations"]} == rules
    assert found["ErrorInfo"]["reason"] == "POLICY_VIOLATION"
    assert found["ErrorInfo"]["domain"] == "baremetal-gateway"
    assert found["ErrorInfo"]["metadata"].keys() == {"decision_id", "bundle_hash"}
    assert found["RequestInfo"]["requestId"] == headers["x-request-id"]
    assert not running.emulator.calls


async def test_an_update_cannot_take_required_labels_away(running: Running) -> None:
    path = f"{IMAGES}/{AN_ID}"
    for body in ({"updateMask": "labels", "labels": {}}, {"name": "ubuntu-24"}):
        status, answer, _ = await call(running, "PATCH", path, json=body)
        assert status == 403, answer
    status, _, _ = await call(running, "PATCH", path, json={"updateMask": "name", "name": "ubuntu-25"})
    assert status == 404  # allowed, and there is no such image


async def test_a_warning_is_a_header(running: Running) -> None:
    status, _, headers = await call(running, "POST", IMAGES, json=GOOD_IMAGE | {"name": "noversion"})
    assert status == 200
    assert headers["Warning"].startswith('299 - "naming/product-and-version: ')


async def test_a_malformed_request_names_every_field(running: Running) -> None:
    status, body, _ = await call(
        running, "POST", IMAGES, json={"uri": 1, "labels": {"a": 2}, "surprise": True, "name": ["x"]}
    )
    assert (status, body["code"]) == (400, 3)
    assert violations(body).keys() == {"uri", 'labels["a"]', "surprise", "name"}


async def test_an_invalid_request_names_every_field(running: Running) -> None:
    wrong = {"folderId": "B1G", "name": "x", "labels": {"Bad Key": "ok", "ok": "Bad Value"}}
    status, body, _ = await call(running, "POST", IMAGES, json=wrong)
    assert (status, body["code"]) == (400, 3)
    assert violations(body).keys() == {"folderId", "name", "uri", 'labels["Bad Key"]', 'labels["ok"]'}
    assert "folderId: the value" in body["message"]
    assert not running.emulator.calls


async def test_fields_have_the_names_of_json_in_every_response(start: Start, tmp_path: Path) -> None:
    running = await start(policies__path=write_bundle(tmp_path))
    image = GOOD_IMAGE | {"labels": {"folder_id": "x"}}
    status, body, headers = await call(running, "POST", IMAGES, json=image)
    assert status == 403
    value = 'folderId is "b1gexample"'
    assert violations(body) == {
        "folderId": f"folder_id is wrong; {value}",
        'labels["folder_id"]': 'not x; labels["folder_id"] is "x"',
    }
    assert body["message"].startswith(f"denied by policy: folderId: folder_id is wrong; {value}; labels")
    assert headers["Warning"] == f'299 - "warned/warned: warned; {value.replace(chr(34), chr(92) + chr(34))}"'
    status, body, _ = await call(
        running, "PATCH", f"{IMAGES}/{AN_ID}", json={"updateMask": "name", "name": "ab"}
    )
    assert (status, list(violations(body))) == (403, ["updateMask"])
    status, body, headers = await call(running, "POST", IMAGES, json=GOOD_IMAGE | {"folderId": "b1gwarned"})
    assert status == 200
    assert "folderId is" in headers["Warning"]


async def test_thousands_of_labels_are_refused_for_their_number(running: Running) -> None:
    labels = {f"B{number}": "" for number in range(4500)}
    status, body, _ = await call(running, "POST", IMAGES, json={"uri": "x", "labels": labels})
    assert status == 400
    assert violations(body) == {"labels": "has 4500 elements; the number of elements must be <=64"}


async def test_violations_beyond_256_are_not_looked_for(running: Running) -> None:
    status, body, _ = await call(
        running, "POST", IMAGES, json={f"field_{number}": 1 for number in range(3000)}
    )
    assert status == 400
    found = details(body)["BadRequest"]["fieldViolations"]
    assert len(found) == 257
    assert found[-1] == {
        "description": "there are more violations; the first 256 are listed",
        "reason": "MORE",
    }
    assert body["message"].endswith("; and more than 253 others")


async def test_elements_are_bounded_by_the_configuration(start: Start) -> None:
    running = await start(limits__elements=3)
    path = f"{IMAGES}/{AN_ID}"
    status, body, _ = await call(running, "PATCH", path, json={"updateMask": "name,labels,description,name"})
    assert (status, list(violations(body))) == (400, ["updateMask"])
    assert "may have 3 together" in body["message"]


@pytest.mark.parametrize("number", ["1e400", "-1e400", "9223372036854775808", "1" + "0" * 5000])
async def test_a_number_out_of_range_is_told_with_its_field_and_its_range(
    running: Running, number: str
) -> None:
    status, body, _ = await call(running, "GET", f"{IMAGES}?folderId=b1g&pageSize={number}")
    assert status == 400
    assert violations(body)["pageSize"].endswith(
        f"is out of range; it must be from {-(2**63)} to {2**63 - 1}"
    )


BAD_INPUT = [
    ("not json", {"data": b"{not json"}, 400),
    ("trailing text", {"data": b"{} x"}, 400),
    ("array", {"data": b"[]"}, 400),
    ("text", {"data": b'"x"'}, 400),
    ("null", {"data": b"null"}, 400),
    ("invalid utf-8", {"data": b'{"name": "\xff"}'}, 400),
    ("nul byte", {"data": b"\x00"}, 400),
    ("byte order mark", {"data": b"\xef\xbb\xbf{}"}, 400),
    ("deep nesting", {"data": b"[" * 20_000}, 400),
    ("duplicate key", {"data": b'{"uri": "a", "uri": "b"}'}, 400),
    ("NaN", {"data": b'{"uri": NaN}'}, 400),
    ("huge number", {"data": b'{"uri": ' + b"9" * 5000 + b"}"}, 400),
    ("lone surrogate", {"data": b'{"name": "\\ud800"}'}, 400),
    ("empty body", {"data": b""}, 400),
    ("plain text", {"data": b"{}", "headers": {"content-type": "text/plain"}}, 415),
    ("xml", {"data": b"<a/>", "headers": {"content-type": "application/xml"}}, 415),
    ("multipart", {"data": b"{}", "headers": {"content-type": "multipart/form-data; boundary=x"}}, 415),
    ("other charset", {"data": b"{}", "headers": {"content-type": "application/json; charset=latin-1"}}, 415),
    ("nonsense type", {"data": b"{}", "headers": {"content-type": ";;"}}, 415),
    ("form", {"data": b"a=1", "headers": {"content-type": "application/x-www-form-urlencoded"}}, 400),
    (
        "form of a browser",
        {
            "data": json.dumps(GOOD_IMAGE).encode(),
            "headers": {
                "content-type": "application/x-www-form-urlencoded",
                "origin": "https://evil.example",
            },
        },
        415,
    ),
    ("too large", {"data": b" " * 70_000}, 413),
    ("bad gzip", {"data": b"no gzip", "headers": {"content-encoding": "gzip"}}, 400),
    ("gzip bomb", {"data": gzip.compress(b" " * 5_000_000), "headers": {"content-encoding": "gzip"}}, 413),
    ("bad timeout", {"data": b"{}", "headers": {"grpc-timeout": "soon"}}, 400),
    ("bad expectation", {"data": b"{}", "headers": {"expect": "a miracle"}}, 417),
]


@pytest.mark.parametrize(
    ("options", "status"), [case[1:] for case in BAD_INPUT], ids=[case[0] for case in BAD_INPUT]
)
async def test_bad_input_is_a_clear_4xx_and_nothing_is_forwarded(
    running: Running, options: dict[str, Any], status: int
) -> None:
    options = {"skip_auto_headers": ("content-type",), **options}
    given, body, _ = await call(running, "POST", IMAGES, **options)
    assert given == status
    assert body["code"] == 3
    assert body["message"]
    assert details(body)["ErrorInfo"]["domain"] == "baremetal-gateway"
    assert not running.emulator.calls


@pytest.mark.parametrize(
    ("http_method", "path", "status", "code"),
    [
        ("GET", "/", 404, 5),
        ("GET", "/baremetal/v1alpha/nothing", 404, 5),
        ("GET", f"{IMAGES}/", 404, 5),
        ("GET", f"/{IMAGES}/x", 404, 5),
        ("POST", f"{IMAGES}/../images", 404, 5),
        ("PUT", IMAGES, 405, 12),
        ("HEAD", IMAGES, 405, 12),
        ("PROPFIND", IMAGES, 405, 12),
        ("GET", f"{IMAGES}/%zz", 400, 3),
        ("GET", f"{IMAGES}/%ff", 400, 3),
        ("GET", f"{IMAGES}?folderId=a&folder_id=b", 400, 3),
        ("GET", f"{IMAGES}?nothing=1", 400, 3),
        ("GET", f"{IMAGES}?pageSize=ten", 400, 3),
        ("GET", f"{IMAGES}?pageSize=2000", 400, 3),
        ("GET", f"{IMAGES}/{AN_ID}?imageId=b", 400, 3),
        ("POST", f"{IMAGES}?uri=x", 400, 3),
    ],
    ids=str,
)
async def test_paths_and_parameters(
    running: Running, http_method: str, path: str, status: int, code: int
) -> None:
    from yarl import URL  # noqa: PLC0415 - the client would normalise a plain text

    url = URL(running.url(path), encoded=True)
    async with running.client.request(http_method, url) as answer:
        assert answer.status == status
        if http_method != "HEAD":
            assert (await answer.json())["code"] == code
        if status == 405:
            assert answer.headers["Allow"] == "GET, POST"
    assert not running.emulator.calls


async def test_a_body_where_none_is_taken(running: Running) -> None:
    status, body, _ = await call(running, "GET", IMAGES, json={})
    assert status == 400
    assert "no body" in body["message"]


async def test_curl_without_a_content_type(running: Running) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded"}
    status, _, _ = await call(running, "POST", IMAGES, data=json.dumps(GOOD_IMAGE).encode(), headers=headers)
    assert status == 200


async def test_gzip_is_taken(running: Running) -> None:
    data = gzip.compress(json.dumps(GOOD_IMAGE).encode())
    headers = {"content-encoding": "gzip", "content-type": "application/json"}
    status, _, _ = await call(running, "POST", IMAGES, data=data, headers=headers)
    assert status == 200


@pytest.mark.parametrize("name", ["authorization", "idempotency-key"])
async def test_a_second_copy_of_an_identity_header_is_refused(running: Running, name: str) -> None:
    status, body, _ = await call(running, "POST", IMAGES, json=GOOD_IMAGE, headers=[(name, "a"), (name, "b")])
    assert status == 400
    assert violations(body).keys() == {f"header {name}"}


@pytest.mark.parametrize("given", ["a b", "x" * 200, "<script>", "é"])
async def test_a_bad_request_id_is_replaced(running: Running, given: str) -> None:
    _, _, headers = await call(running, "GET", IMAGES, headers={"x-request-id": given})
    assert len(headers["x-request-id"]) == 36


async def test_too_many_calls_are_refused(start: Start) -> None:
    running = await start(limits__concurrency=2)
    running.emulator.inject(InjectedFault(method=CREATE, delay_s=0.3, times=None))
    answers = await asyncio.gather(*(call(running, "POST", IMAGES, json=GOOD_IMAGE) for _ in range(6)))
    statuses = sorted(status for status, _, _ in answers)
    assert statuses.count(429) == 4
    status, _, _ = await call(running, "GET", IMAGES)
    assert status == 200


async def test_many_callers_at_once(running: Running) -> None:
    async def one(number: int) -> int:
        image = GOOD_IMAGE | {"name": f"image-{number}-1"}
        if number % 3 == 0:
            image = image | {"labels": {}}
        status, _, _ = await call(running, "POST", IMAGES, json=image)
        return status

    statuses = await asyncio.gather(*(one(number) for number in range(90)))
    assert statuses == [403 if number % 3 == 0 else 200 for number in range(90)]


async def test_a_fault_of_the_gateway_is_a_fixed_text(
    running: Running, logs: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("inner workings")

    monkeypatch.setattr("gateway.policy.decider._evaluate_program", fail)
    status, body, headers = await call(running, "POST", IMAGES, json=GOOD_IMAGE)
    assert (status, body["code"]) == (500, 13)
    assert "inner workings" not in json.dumps(body)
    assert headers["x-server-trace-id"] in body["message"]
    assert "inner workings" in logs.text
    assert not running.emulator.calls
