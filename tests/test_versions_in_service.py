"""Both versions of the API through a gateway: the same decisions and details, over both listeners."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc.aio
import pytest
import yaml
from google.protobuf.json_format import MessageToDict, ParseDict
from google.rpc import error_details_pb2, status_pb2

from gateway.schema import Schema
from tests.conftest import GOOD_IMAGE, IMAGES, ROOT, Running, Start
from tests.policy.making import CREATE, binding_text, policy_text
from tests.served_ledger import events, options, wait_for_rows

CREATE_V2 = "yandex.cloud.baremetal.v2.BootImageService/CreateBootImage"
CLOUD, FOLDER = "b1gcloud", "b1gexample"
BOOT_IMAGES = f"/baremetal/v2/clouds/{CLOUD}/folders/{FOLDER}/bootImages"
_NAMES = {"rest": ("bootImage.", "annotations"), "grpc": ("boot_image.", "annotations")}


def creates() -> list[Any]:
    """Return the creates of v1alpha in the tests of the default bundle that the API accepts."""
    found = []
    for file in sorted((ROOT / "policies" / "tests").glob("*.yaml")):
        for case in yaml.safe_load(file.read_text(encoding="utf-8"))["cases"]:
            request = case.get("request", {})
            # What one of the APIs itself refuses is no matter of policies. In v2 a name is required.
            is_valid = (
                request.get("uri")
                and request.get("name")
                and all(map(str.islower, request.get("labels", {})))
            )
            if case["method"] == CREATE and is_valid and len(request["uri"]) < 1000 and "now" not in case:
                found.append(pytest.param(request, id=case["name"]))
    return found


def to_v2(request: dict[str, Any]) -> dict[str, Any]:
    """Return the image of v2 with the content of a create of v1alpha."""
    image = {name: value for name, value in request.items() if name not in {"labels", "folderId"}}
    return image | ({"annotations": request["labels"]} if "labels" in request else {})


Result = tuple[str, list[tuple[str, str, str]]]
"""The code of a call, and the reason, the field and the description of each violation."""


async def over_rest(running: Running, path: str, body: dict[str, Any]) -> Result:
    async with running.client.post(running.url(path), json=body) as response:
        shown = await response.json()
    return _read(shown.get("code", 0), shown.get("details", []))


async def over_grpc(running: Running, schema: Schema, name: str, body: dict[str, Any]) -> Result:
    request = ParseDict(body, schema.methods[name].request(), descriptor_pool=schema.pool)
    async with grpc.aio.insecure_channel(str(running.addresses.grpc)) as channel:
        unary: Any = channel.unary_unary(f"/{name}")
        try:
            await unary(request.SerializeToString())
        except grpc.aio.AioRpcError as error:
            status = status_pb2.Status.FromString(dict(error.trailing_metadata())["grpc-status-details-bin"])
            bad = error_details_pb2.BadRequest()
            found = [MessageToDict(bad) for one in status.details if one.Unpack(bad)]
            return _read(status.code, found)
    return _read(0, [])


def _read(code: int, details: list[dict[str, Any]]) -> Result:
    violations = [one for detail in details for one in detail.get("fieldViolations", [])]
    return str(code), [(one["reason"], one["field"], one["description"]) for one in violations]


def as_v1alpha(result: Result, listener: str) -> Result:
    """Return the result of v2 with the names of v1alpha."""
    image, labels = _NAMES[listener]

    def rename(text: str) -> str:
        return text.replace(f"{image}{labels}", "labels").replace(image, "")

    code, violations = result
    return code, [(reason, rename(field), rename(text)) for reason, field, text in violations]


@pytest.mark.parametrize("request_", creates())
async def test_both_versions_get_the_same_decision(
    running: Running, schema: Schema, request_: dict[str, Any]
) -> None:
    image = to_v2(request_)
    old = await over_rest(running, IMAGES, request_)
    running.emulator.reset()
    new = await over_rest(running, BOOT_IMAGES, image)
    assert as_v1alpha(new, "rest") == old
    running.emulator.reset()
    old = await over_grpc(running, schema, CREATE, request_)
    running.emulator.reset()
    whole = {"cloudId": CLOUD, "folderId": FOLDER, "bootImage": image}
    new = await over_grpc(running, schema, CREATE_V2, whole)
    assert as_v1alpha(new, "grpc") == old


async def test_a_create_of_v2_is_forwarded_followed_and_recorded(start: Start, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.db"
    running = await start(**options(ledger))
    async with running.client.post(running.url(BOOT_IMAGES), json=to_v2(GOOD_IMAGE)) as response:
        operation = await response.json()
        assert response.status == 200
    assert operation["metadata"]["@type"].endswith("v2.CreateBootImageMetadata")
    image_id = operation["metadata"]["bootImageId"]
    async with running.client.get(running.url(f"/operations/{operation['id']}:wait")) as response:
        done = await response.json()
    assert done["response"]["@type"].endswith("v2.BootImage")
    assert done["response"]["annotations"] == GOOD_IMAGE["labels"]
    for path, names in ((f"{IMAGES}/{image_id}", "labels"), (f"{BOOT_IMAGES}/{image_id}", "annotations")):
        async with running.client.get(running.url(path)) as response:
            assert (await response.json())[names] == GOOD_IMAGE["labels"]
    await wait_for_rows(ledger, 1, f"method = '{CREATE_V2}'")
    targets = [one["target"] for one in events(ledger) if "target" in one]
    target = next(one for one in targets if one.get("cloud_id"))
    assert target == {
        "cloud_id": CLOUD,
        "folder_id": FOLDER,
        "name": "ubuntu-24-04",
        "labels": GOOD_IMAGE["labels"],
    }


async def test_the_other_methods_of_v2(running: Running) -> None:
    async def call(http_method: str, path: str, body: Any = None) -> tuple[int, Any]:
        async with running.client.request(http_method, running.url(path), json=body) as response:
            return response.status, await response.json()

    _, operation = await call("POST", BOOT_IMAGES, to_v2(GOOD_IMAGE))
    path = f"{BOOT_IMAGES}/{operation['metadata']['bootImageId']}"
    assert (await call("PATCH", f"{path}?updateMask=name", {"name": "ubuntu-26-04"}))[0] == 200
    assert (await call("GET", path))[1]["name"] == "ubuntu-26-04"
    status, error = await call("PATCH", f"{path}?updateMask=annotations", {"annotations": {"env": "dev"}})
    assert (status, len(error["details"][1]["fieldViolations"])) == (403, 2)
    assert len((await call("GET", BOOT_IMAGES))[1]["bootImages"]) == 1
    assert len((await call("GET", f"{path}/operations"))[1]["operations"]) == 2
    assert (await call("DELETE", path))[0] == 200
    assert (await call("GET", path))[0] == 404


async def test_an_image_cannot_name_another_folder_than_its_call(running: Running) -> None:
    found = await over_rest(running, BOOT_IMAGES, to_v2(GOOD_IMAGE) | {"folderId": "b1gother"})
    assert (found[0], [one[:2] for one in found[1]]) == ("7", [("one-folder/folder", "bootImage.folderId")])
    assert not running.emulator.calls


async def test_rules_that_leave_out_a_version_are_logged_at_the_start(
    start: Start, tmp_path: Path, logs: pytest.LogCaptureFixture
) -> None:
    bundle = tmp_path / "bundle.yaml"
    bundle.write_text(policy_text("request.name != ''") + binding_text())
    await start(policies__path=str(bundle))
    (record,) = [one for one in logs.records if "leave out another one" in one.message]
    faults: Any = record.__dict__["faults"]
    assert [one.partition(": no")[0] for one in faults] == [f"bundle: {CREATE_V2}"]


async def test_a_version_without_rules_is_no_way_around_those_of_another_one(
    start: Start, tmp_path: Path, schema: Schema
) -> None:
    (tmp_path / "policy.yaml").write_text(policy_text("request.name != 'forbidden'") + binding_text())
    running = await start(policies__path=tmp_path)
    name = {"folderId": FOLDER, "name": "allowed", "uri": GOOD_IMAGE["uri"]}
    assert (await over_rest(running, IMAGES, name))[0] == "0"
    image = {"name": "forbidden", "uri": GOOD_IMAGE["uri"]}
    async with running.client.post(running.url(BOOT_IMAGES), json=image) as response:
        shown = await response.json()
        assert (response.status, shown["details"][0]["reason"]) == (403, "NOT_COVERED")
        assert CREATE in shown["message"]
    body = {"cloudId": CLOUD, "folderId": FOLDER, "bootImage": image}
    assert (await over_grpc(running, schema, CREATE_V2, body))[0] == "7"
    assert len(running.emulator.calls) == 1
    async with running.client.get(running.url(BOOT_IMAGES)) as response:
        assert response.status == 200  # reads are forwarded
