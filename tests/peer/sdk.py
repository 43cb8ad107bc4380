"""The cloud's Python SDK, unmodified: the life of an image through the gateway, and a create that is denied.

The argument is a JSON object with the options of the SDK: `endpoint`, `root_certificates` (a path) and one of
`iam_token` and `service_account_key`. Each step is a line of standard output, as a JSON object.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import grpc
import yandexcloud
from google.protobuf import json_format
from google.protobuf.empty_pb2 import Empty
from google.protobuf.field_mask_pb2 import FieldMask
from google.rpc import error_details_pb2, status_pb2
from yandex.cloud.baremetal.v1alpha import image_service_pb2 as messages
from yandex.cloud.baremetal.v1alpha.image_pb2 import Image
from yandex.cloud.baremetal.v1alpha.image_service_pb2_grpc import ImageServiceStub

LABELS = {"env": "dev", "owner": "infra", "cost-center": "cc-42"}
URI = "https://storage.yandexcloud.net/golden-images/ubuntu-24.04.iso"


def show(step: str, value: object) -> None:
    sys.stdout.write(json.dumps({"step": step, "value": value}) + "\n")


def main(options: dict) -> None:
    options["root_certificates"] = Path(options["root_certificates"]).read_bytes()
    sdk = yandexcloud.SDK(**options)
    channels = sdk._channels  # noqa: SLF001 - the SDK has no public way to make a channel for BareMetal
    show("endpoints", {name: channels.endpoints[name] for name in ("baremetal", "operation", "iam")})
    images = ImageServiceStub(channels.channel("baremetal"))
    draft = {"folder_id": "b1gexample", "name": "from-sdk", "uri": URI, "labels": LABELS}
    created = sdk.wait_operation_and_get_result(
        images.Create(messages.CreateImageRequest(**draft)),
        response_type=Image,
        meta_type=messages.CreateImageMetadata,
        timeout=30,
    )
    image = created.response
    show("created", [image.name, created.meta.image_id == image.id])
    got = images.Get(messages.GetImageRequest(image_id=image.id))
    show("got", [got.name, Image.Status.Name(got.status)])
    listed = images.List(messages.ListImagesRequest(folder_id="b1gexample"))
    show("listed", [one.name for one in listed.images])
    update = messages.UpdateImageRequest(
        image_id=image.id, update_mask=FieldMask(paths=["description"]), description="changed"
    )
    updated = sdk.wait_operation_and_get_result(images.Update(update), response_type=Image, timeout=30)
    show("updated", updated.response.description)
    delete = messages.DeleteImageRequest(image_id=image.id)
    sdk.wait_operation_and_get_result(images.Delete(delete), response_type=Empty, timeout=30)
    show(
        "deleted",
        [one.name for one in images.List(messages.ListImagesRequest(folder_id="b1gexample")).images],
    )
    try:
        images.Create(messages.CreateImageRequest(**draft | {"uri": "https://example.com/a.iso"}))
    except grpc.RpcError as error:
        show("denied", describe(error))


def describe(error: grpc.RpcError) -> dict:
    status = status_pb2.Status()
    status.ParseFromString(dict(error.trailing_metadata())["grpc-status-details-bin"])
    details = {}
    for kind in (error_details_pb2.ErrorInfo, error_details_pb2.BadRequest, error_details_pb2.RequestInfo):
        detail = kind()
        if any(one.Unpack(detail) for one in status.details):
            details[kind.DESCRIPTOR.name] = json_format.MessageToDict(detail)
    return {"code": error.code().name, "message": error.details(), "details": details}


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
