"""Identifies the caller of the cloud's Python SDK to a gateway that passes the caller's IAM token through.

The IAM token stays in `authorization`. The token for the gateway is sent in `x-gateway-authorization`, and
only to the gateway: the SDK also calls the cloud's IAM.

An interceptor of the SDK is not enough, because the SDK replaces it where it waits for operations.
"""

import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

import grpc
import yandexcloud
from yandex.cloud.baremetal.v1alpha.image_service_pb2 import ListImagesRequest
from yandex.cloud.baremetal.v1alpha.image_service_pb2_grpc import ImageServiceStub


class GatewayIdentity(grpc.AuthMetadataPlugin):
    """Adds the token for the gateway to each call of the gateway."""

    def __init__(self, gateway: str, token: str) -> None:
        self._host = urlsplit(f"//{gateway}").hostname
        self._metadata = (("x-gateway-authorization", f"Bearer {token}"),)

    def __call__(self, context: grpc.AuthMetadataContext, callback: grpc.AuthMetadataPluginCallback) -> None:
        is_gateway = urlsplit(context.service_url).hostname == self._host
        callback(self._metadata if is_gateway else (), None)


def make_sdk() -> yandexcloud.SDK:
    sdk = yandexcloud.SDK(
        endpoint=os.environ["GATEWAY"],
        iam_token=os.environ["TOKEN"],
        root_certificates=Path(os.environ["CA"]).read_bytes(),
    )
    identity = GatewayIdentity(os.environ["GATEWAY"], os.environ["GATEWAY_TOKEN"])
    channels = sdk._channels
    channels._channel_creds = grpc.composite_channel_credentials(
        channels._channel_creds, grpc.metadata_call_credentials(identity)
    )
    return sdk


def main(folder: str) -> None:
    images = ImageServiceStub(make_sdk()._channels.channel("baremetal"))
    for image in images.List(ListImagesRequest(folder_id=folder)).images:
        print(image.id, image.name)


if __name__ == "__main__":
    main(*sys.argv[1:])
