"""Lists the services of the gateway and calls one of them, without any .proto file.

It needs the PyPI packages grpcio-reflection and protobuf, and a gateway with `grpc.reflection: true`.
"""

import os
import sys
from pathlib import Path

import grpc
from google.protobuf import json_format
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

SERVICE = "yandex.cloud.baremetal.v1alpha.ImageService"


def main(folder: str) -> None:
    credentials = grpc.ssl_channel_credentials(Path(os.environ["CA"]).read_bytes())
    with grpc.secure_channel(os.environ["GATEWAY"], credentials) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        print(*database.get_services(), sep="\n")
        method = DescriptorPool(database).FindServiceByName(SERVICE).methods_by_name["List"]
        call = channel.unary_unary(
            f"/{SERVICE}/List",
            request_serializer=GetMessageClass(method.input_type).SerializeToString,
            response_deserializer=GetMessageClass(method.output_type).FromString,
        )
        request = GetMessageClass(method.input_type)(folder_id=folder)
        reply = call(request, metadata=[("authorization", f"Bearer {os.environ['TOKEN']}")])
        print(json_format.MessageToJson(reply))


if __name__ == "__main__":
    main(*sys.argv[1:])
