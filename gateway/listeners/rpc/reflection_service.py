"""The services grpc.reflection.v1.ServerReflection and grpc.reflection.v1alpha.ServerReflection.

They show the descriptors of the methods that the active snapshot serves. The messages of both versions have
the same encoding, so both have the same implementation.
"""

from __future__ import annotations

import asyncio
import weakref
from typing import TYPE_CHECKING, Any

from gateway.errors import Code, GatewayError
from gateway.listeners.rpc.described_files import DescribedFiles
from gateway.listeners.rpc.requests import read_small_request
from gateway.schema import infrastructure_descriptors, load_pool, message_class

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from google.protobuf.descriptor_pool import DescriptorPool
    from google.protobuf.message import Message

    from gateway.listeners.rpc.infrastructure import Behavior
    from gateway.listeners.rpc.rpc_exchange import RpcContext
    from gateway.serving.snapshot import ActiveSnapshot, Snapshot

SERVICES = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")

MAX_REQUESTS = 1000
"""The maximum number of requests in one call."""
IDLE_S = 30.0
"""The number of seconds after which a call without a further request ends."""

# Clients show the details of errors, and need their types. No method refers to them.
_DETAILS = ("google/rpc/error_details.proto", "google/rpc/status.proto")


class ReflectionService:
    """The behavior of the methods of both versions."""

    def __init__(self, active: ActiveSnapshot) -> None:
        self._active = active
        self._pool, self._services = load_pool({"infrastructure": infrastructure_descriptors()})
        self._request = message_class(self._pool, "grpc.reflection.v1.ServerReflectionRequest")
        self._response: Any = message_class(self._pool, "grpc.reflection.v1.ServerReflectionResponse")
        # A strong reference would keep the descriptors of a replaced snapshot in memory.
        self._indexed: weakref.ref[Snapshot] | None = None
        self._files = DescribedFiles()
        self._waits: set[asyncio.Timeout] = set()
        self._is_stopping = False

    @property
    def methods(self) -> Mapping[str, Behavior]:
        """The behavior of each method, by the name of the method."""
        return {"ServerReflectionInfo": self._respond}

    def stop(self) -> None:
        """End all calls."""
        self._is_stopping = True
        now = asyncio.get_running_loop().time()
        for wait in self._waits:
            wait.reschedule(now)

    async def _respond(self, context: RpcContext) -> AsyncIterator[Message]:
        sent: set[str] = set()
        for _ in range(MAX_REQUESTS):
            request = await self._read(context)
            if request is None:
                return
            yield self._make_response(request, sent)
        message = f"one call has at most {MAX_REQUESTS} requests; make another call"
        raise GatewayError(Code.RESOURCE_EXHAUSTED, "TOO_MANY_REQUESTS", message)

    async def _read(self, context: RpcContext) -> Any:
        """Return the next request; None after the last one."""
        if not self._is_stopping:
            try:
                async with asyncio.timeout(IDLE_S) as wait:
                    self._waits.add(wait)
                    try:
                        return await read_small_request(context.read, self._request, None)
                    finally:
                        self._waits.discard(wait)
            except TimeoutError:
                pass
        if self._is_stopping:
            raise GatewayError(Code.UNAVAILABLE, "STOPPING", "the gateway stops")
        raise GatewayError(Code.DEADLINE_EXCEEDED, "IDLE", f"no request arrived for {IDLE_S:g} s")

    def _make_response(self, request: Any, sent: set[str]) -> Any:
        """Return the response to one request.

        Args:
            request: the request.
            sent: the names of the files that the call has returned. The names of further files are added.
        """
        response = self._response(valid_host=request.host, original_request=request)
        files = self._index()
        match request.WhichOneof("message_request"):
            case "list_services":
                for name in sorted(files.services):
                    response.list_services_response.service.add(name=name)
            case "file_by_filename":
                _add_files(response, files, request.file_by_filename, sent)
            case "file_containing_symbol":
                _add_files(response, files, files.find_symbol(request.file_containing_symbol), sent)
            case "file_containing_extension":
                asked = request.file_containing_extension
                found = files.find_extension(asked.containing_type, asked.extension_number)
                _add_files(response, files, found, sent)
            case "all_extension_numbers_of_type":
                _add_numbers(response, request.all_extension_numbers_of_type, files)
            case _:
                _add_error(response, Code.INVALID_ARGUMENT, "the request asks for nothing")
        return response

    def _index(self) -> DescribedFiles:
        """Return the files of the active snapshot. They are indexed at the first request."""
        snapshot = self._active.snapshot
        if self._indexed is None or self._indexed() is not snapshot:
            self._files = _index_files(snapshot, self._pool, self._services)
            self._indexed = weakref.ref(snapshot)
        return self._files


def _index_files(snapshot: Snapshot, pool: DescriptorPool, services: list[str]) -> DescribedFiles:
    """Return the files of a snapshot, and of the services of gRPC itself.

    Args:
        snapshot: the snapshot.
        pool: the pool that defines the services of gRPC itself.
        services: the names of these services.
    """
    files = DescribedFiles()
    methods = {method.name: method for method in snapshot.methods.values()}
    for method in methods.values():
        served: Any = method.request.DESCRIPTOR.file.pool
        types = (method.operation.metadata, method.operation.response) if method.operation else ()
        for file in (
            served.FindServiceByName(method.service).file,
            *(served.FindMessageTypeByName(name).file for name in types),
            *(served.FindFileByName(name) for name in _DETAILS),
        ):
            files.add(file, methods.__contains__)
    for service in services:
        files.add(pool.FindServiceByName(service).file, lambda _name: True)
    return files


def _add_files(response: Any, files: DescribedFiles, name: str | None, sent: set[str]) -> None:
    found = None if name is None else files.find_file(name, sent)
    if found is None:
        _add_error(response, Code.NOT_FOUND, "not found")
        return
    sent |= set(found)
    response.file_descriptor_response.file_descriptor_proto.extend(found.values())


def _add_numbers(response: Any, message: str, files: DescribedFiles) -> None:
    numbers = files.extension_numbers(message)
    if numbers is None:
        _add_error(response, Code.NOT_FOUND, "no message has this name")
        return
    response.all_extension_numbers_response.base_type_name = message
    response.all_extension_numbers_response.extension_number.extend(numbers)


def _add_error(response: Any, code: Code, message: str) -> None:
    response.error_response.error_code = code
    response.error_response.error_message = message
