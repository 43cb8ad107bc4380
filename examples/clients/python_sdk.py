"""Creates an image through the gateway with the cloud's Python SDK (PyPI: yandexcloud), and waits for it.

GATEWAY is the address of the gRPC listener. CA is the file of the authority that signed its certificate.
TOKEN is sent in `authorization`: a token of the gateway if it has credentials of its own, else an IAM token.
"""

import os
import sys
from pathlib import Path

import grpc
import yandexcloud
from google.rpc import error_details_pb2, status_pb2
from yandex.cloud.baremetal.v1alpha.image_pb2 import Image
from yandex.cloud.baremetal.v1alpha.image_service_pb2 import CreateImageMetadata, CreateImageRequest
from yandex.cloud.baremetal.v1alpha.image_service_pb2_grpc import ImageServiceStub


def main(name: str, uri: str) -> None:
    sdk = yandexcloud.SDK(
        endpoint=os.environ["GATEWAY"],
        iam_token=os.environ["TOKEN"],
        root_certificates=Path(os.environ["CA"]).read_bytes(),
    )
    # sdk.client() does not know BareMetal, so the stub is made on the SDK's own channel.
    images = ImageServiceStub(sdk._channels.channel("baremetal"))
    labels = {"env": "dev", "owner": "infra", "cost-center": "cc-42"}
    request = CreateImageRequest(folder_id="b1gexample", name=name, uri=uri, labels=labels)
    try:
        operation = images.Create(request)
    except grpc.RpcError as error:
        sys.exit(describe(error))
    result = sdk.wait_operation_and_get_result(
        operation, response_type=Image, meta_type=CreateImageMetadata, timeout=300
    )
    print(result.response.id, Image.Status.Name(result.response.status))


def describe(error: grpc.RpcError) -> str:
    """Return the message of an error, and a line for each violation of a policy or of the API."""
    status = status_pb2.Status()
    status.ParseFromString(dict(error.trailing_metadata()).get("grpc-status-details-bin", b""))
    lines = [f"{error.code().name}: {error.details()}"]
    for detail in status.details:
        bad_request = error_details_pb2.BadRequest()
        if detail.Unpack(bad_request):
            lines += [f"  {one.field}: {one.description}" for one in bad_request.field_violations]
    return "\n".join(lines)


if __name__ == "__main__":
    main(*sys.argv[1:])
