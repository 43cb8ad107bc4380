"""The cloud's own stubs before the gateway: discovery, and an image of v2."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.config.discovery import CLOUD_ENDPOINTS
from tests.conftest import Start

if TYPE_CHECKING:
    from tests.conformance.conftest import Peer

TYPES = "type.googleapis.com/yandex.cloud.baremetal.v2"
PLACE = {"cloudId": "b1gcloud", "folderId": "b1gexample"}
IMAGE = {
    "name": "ubuntu-24-04",
    "uri": "https://storage.yandexcloud.net/golden-images/ubuntu-24.04.iso",
    "annotations": {"env": "prod", "owner": "infra", "cost-center": "cc-42"},
}


async def test_discovery_and_an_image_of_v2(start: Start, peer: Peer) -> None:
    running = await start(discovery__address="gw.example.com:443")
    async with peer.talk("client.py", str(running.addresses.grpc)) as client:

        async def ask(method: str, **request: Any) -> Any:
            await client.send({"method": method, "request": request})
            return await client.receive()

        listed = (await ask("ApiEndpointService/List"))["reply"]["endpoints"]
        addresses = {one["id"]: one["address"] for one in listed}
        own = dict.fromkeys(("baremetal", "endpoint", "operation"), "gw.example.com:443")
        assert addresses == CLOUD_ENDPOINTS | own
        unknown = await ask("ApiEndpointService/Get", apiEndpointId="nothing")
        assert unknown["code"] == "NOT_FOUND"

        denied = await ask("BootImageService/CreateBootImage", **PLACE, bootImage=IMAGE | {"annotations": {}})
        fields = [one["field"] for one in denied["status"]["details"][1]["fieldViolations"]]
        assert fields[0] == 'boot_image.annotations["env"]'
        started = (await ask("BootImageService/CreateBootImage", **PLACE, bootImage=IMAGE))["reply"]
        assert started["metadata"]["@type"] == f"{TYPES}.CreateBootImageMetadata"
        done = (await ask("OperationService/Get", operationId=started["id"]))["reply"]
        assert done["response"]["@type"] == f"{TYPES}.BootImage"
        image_id = started["metadata"]["bootImageId"]
        image = (await ask("BootImageService/GetBootImage", **PLACE, bootImageId=image_id))["reply"]
        assert image["annotations"] == IMAGE["annotations"]
        deleted = await ask("BootImageService/DeleteBootImage", **PLACE, bootImageId=image_id)
        assert deleted["reply"]["metadata"]["bootImageId"] == image_id
