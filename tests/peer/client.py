"""A client made of the cloud's own compiled stubs, which calls what it is told to.

The argument is a server's address. Each line of standard input is a call:
`{"method": "Service/Method", "request": …, "metadata": {…}}`. Each is answered by a line
of standard output: `{"reply": …, "metadata": …}` or `{"code": …, "message": …,
"status": …, "metadata": …}`. Messages are in protobuf's JSON; the metadata is what
the server sent before its answer. It ends with standard input.
"""

from __future__ import annotations

import json
import sys

import grpc
from google.protobuf import (
    empty_pb2,  # noqa: F401 - Empty may be packed into an Any
    json_format,
    message_factory,
)
from google.protobuf.unknown_fields import UnknownFieldSet
from google.rpc import error_details_pb2, status_pb2  # noqa: F401 - so may the details
from yandex.cloud.baremetal.v1alpha import image_service_pb2, image_service_pb2_grpc
from yandex.cloud.baremetal.v2 import boot_image_service_pb2, boot_image_service_pb2_grpc
from yandex.cloud.endpoint import api_endpoint_service_pb2, api_endpoint_service_pb2_grpc
from yandex.cloud.operation import operation_service_pb2, operation_service_pb2_grpc

TIMEOUT_S = 20


class Caller:
    """Calls methods by name."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._stubs = {
            "ImageService": (image_service_pb2, image_service_pb2_grpc.ImageServiceStub(channel)),
            "BootImageService": (
                boot_image_service_pb2,
                boot_image_service_pb2_grpc.BootImageServiceStub(channel),
            ),
            "ApiEndpointService": (
                api_endpoint_service_pb2,
                api_endpoint_service_pb2_grpc.ApiEndpointServiceStub(channel),
            ),
            "OperationService": (
                operation_service_pb2,
                operation_service_pb2_grpc.OperationServiceStub(channel),
            ),
        }

    def call(self, order: dict) -> dict:
        service, _, name = order["method"].partition("/")
        module, stub = self._stubs[service]
        method = module.DESCRIPTOR.services_by_name[service].methods_by_name[name]
        request = json_format.ParseDict(
            order["request"], message_factory.GetMessageClass(method.input_type)()
        )
        metadata = tuple(order.get("metadata", {}).items())
        try:
            reply, call = getattr(stub, name).with_call(request, metadata=metadata, timeout=TIMEOUT_S)
        except grpc.RpcError as error:
            return _describe_error(error) | _describe_metadata(error)
        if list(UnknownFieldSet(reply)):
            raise ValueError(f"{order['method']}: the reply has fields that {type(reply)} does not know")
        return {"reply": _to_tree(reply)} | _describe_metadata(call)


def _describe_error(error: grpc.RpcError) -> dict:
    status = status_pb2.Status()
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            status.ParseFromString(value)
    return {"code": error.code().name, "message": error.details(), "status": _to_tree(status)}


def _describe_metadata(call: grpc.Call) -> dict:
    return {
        "metadata": {key: value for key, value in call.initial_metadata() or () if isinstance(value, str)}
    }


def _to_tree(message) -> dict:  # noqa: ANN001 - the type differs between protobuf's implementations
    return json_format.MessageToDict(message)


def main(address: str) -> None:
    with grpc.insecure_channel(address) as channel:
        caller = Caller(channel)
        for line in sys.stdin:
            sys.stdout.write(json.dumps(caller.call(json.loads(line))) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
