"""A BareMetal ImageService and an OperationService made of the cloud's own compiled stubs.

The first line of standard input says what to answer: `Service/Method` → a list
of answers, the last of which repeats. An answer is `{"reply": …}` or
`{"error": …}` (a google.rpc.Status), each in protobuf's JSON, and may have
initial `metadata`.

The first line of standard output has the port. After it comes a line for each
call as it arrived, written before the call is answered. It all ends with
standard input.
"""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

import grpc
from google.protobuf import (
    empty_pb2,  # noqa: F401 - Empty may be packed into an Any
    json_format,
    message_factory,
)
from google.protobuf.unknown_fields import UnknownFieldSet
from google.rpc import error_details_pb2, status_pb2  # noqa: F401 - so may the details
from yandex.cloud.baremetal.v1alpha import image_service_pb2, image_service_pb2_grpc
from yandex.cloud.operation import operation_service_pb2, operation_service_pb2_grpc

_STATUS_CODES = {code.value[0]: code for code in grpc.StatusCode}


class Stage:
    """Answers as the script has it, and tells of every call."""

    def __init__(self, script: dict) -> None:
        self._script = script
        self._lock = Lock()

    def methods(self, service) -> dict:  # noqa: ANN001 - the type differs between protobuf's implementations
        """Return what answers each method of a service."""
        return {
            method.name: self._method(f"{service.name}/{method.name}", method) for method in service.methods
        }

    def _method(self, name: str, method):  # noqa: ANN001, ANN202 - the same
        def answer(_servicer, request, context: grpc.ServicerContext):  # noqa: ANN001, ANN202 - the same
            with self._lock:
                say(_describe(name, request, context))
                answers = self._script[name]
                chosen = answers.pop(0) if len(answers) > 1 else answers[0]
            context.send_initial_metadata(tuple(chosen.get("metadata", {}).items()))
            if "error" in chosen:
                _refuse(context, json_format.ParseDict(chosen["error"], status_pb2.Status()))
            return json_format.ParseDict(
                chosen["reply"], message_factory.GetMessageClass(method.output_type)()
            )

        return answer


def say(value: dict) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def _describe(name: str, request, context: grpc.ServicerContext) -> dict:  # noqa: ANN001 - the same
    return {
        "method": name,
        "request": json_format.MessageToDict(request, preserving_proto_field_name=True),
        "unknown_fields": [field.field_number for field in UnknownFieldSet(request)],
        "metadata": [list(pair) for pair in context.invocation_metadata()],
        "time_remaining_s": context.time_remaining(),
    }


def _refuse(context: grpc.ServicerContext, status: status_pb2.Status) -> None:
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(_STATUS_CODES[status.code], status.message)


def main() -> None:
    stage = Stage(json.loads(sys.stdin.readline()))
    images = image_service_pb2.DESCRIPTOR.services_by_name["ImageService"]
    operations = operation_service_pb2.DESCRIPTOR.services_by_name["OperationService"]
    image_service = type("Images", (image_service_pb2_grpc.ImageServiceServicer,), stage.methods(images))
    operation_service = type(
        "Operations", (operation_service_pb2_grpc.OperationServiceServicer,), stage.methods(operations)
    )
    server = grpc.server(ThreadPoolExecutor(max_workers=4), options=(("grpc.so_reuseport", 0),))
    image_service_pb2_grpc.add_ImageServiceServicer_to_server(image_service(), server)
    operation_service_pb2_grpc.add_OperationServiceServicer_to_server(operation_service(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    say({"port": port})
    sys.stdin.read()
    server.stop(grace=None).wait()


if __name__ == "__main__":
    main()
