"""Server reflection, read with the client of grpcio-reflection (v1alpha) and with raw calls (v1)."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from gateway.config import Config
from tests.conftest import Running, Start
from tests.listeners.rpc.conftest import call_list
from tests.protos.compiled import POUR
from tests.waiting import GENEROUS_S
from tests.wire.conftest import Wire, Wired, sets, wire, wire_schema

__all__ = ["sets", "wire", "wire_schema"]  # fixtures

IMAGES = "yandex.cloud.baremetal.v1alpha.ImageService"
SERVICES = sorted(
    [
        *Config().served,
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    ]
)
VERSIONS = ["v1", "v1alpha"]
Request = reflection_pb2.ServerReflectionRequest


@pytest.fixture
async def reflecting(start: Start) -> Running:
    return await start(grpc__reflection="true")


class Stream:
    """One call of server reflection."""

    def __init__(self, channel: grpc.aio.Channel, version: str) -> None:
        method: Any = channel.stream_stream(
            f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
            request_serializer=Request.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )
        self.call = method()

    async def ask(self, **fields: Any) -> Any:
        async with asyncio.timeout(GENEROUS_S):
            await self.call.write(Request(**fields))
            return await self.call.read()

    async def files(self, **fields: Any) -> dict[str, FileDescriptorProto]:
        response = await self.ask(**fields)
        assert response.WhichOneof("message_response") == "file_descriptor_response", response
        parsed = map(FileDescriptorProto.FromString, response.file_descriptor_response.file_descriptor_proto)
        return {one.name: one for one in parsed}


@asynccontextmanager
async def reflect(running: Running | Wired, version: str = "v1") -> AsyncIterator[Stream]:
    async with grpc.aio.insecure_channel(str(running.addresses.grpc)) as channel:
        yield Stream(channel, version)


@pytest.mark.parametrize("version", VERSIONS)
async def test_services_are_listed(reflecting: Running, version: str) -> None:
    async with reflect(reflecting, version) as stream:
        response = await stream.ask(list_services="", host="here")
    assert [one.name for one in response.list_services_response.service] == SERVICES
    assert (response.valid_host, response.original_request.host) == ("here", "here")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "asked",
    [
        {"file_by_filename": "yandex/cloud/baremetal/v1alpha/image_service.proto"},
        {"file_containing_symbol": IMAGES},
        {"file_containing_symbol": f"{IMAGES}.Create"},
    ],
    ids=["file", "service", "method"],
)
async def test_a_file_comes_with_its_imports(
    reflecting: Running, version: str, asked: dict[str, str]
) -> None:
    async with reflect(reflecting, version) as stream:
        found = await stream.files(**asked)
        assert next(iter(found)) == "yandex/cloud/baremetal/v1alpha/image_service.proto"
        pool = DescriptorPool()

        def add(file: FileDescriptorProto) -> None:
            for name in file.dependency:
                add(found[name])
            pool.Add(file)

        add(next(iter(found.values())))
        service: Any = pool.FindServiceByName(IMAGES)
        assert service.methods_by_name["Create"].input_type.fields_by_name["uri"].number == 11
        again = await stream.files(**asked)
        assert list(again) == list(found)[:1]  # the stream has returned the imports already


@pytest.mark.parametrize("version", VERSIONS)
async def test_extensions(reflecting: Running, version: str) -> None:
    asked = {"containing_type": "google.protobuf.FieldOptions", "extension_number": 101501}
    async with reflect(reflecting, version) as stream:
        found = await stream.files(file_containing_extension=asked)
        assert next(iter(found)) == "yandex/cloud/validation.proto"
        response = await stream.ask(all_extension_numbers_of_type="google.protobuf.FieldOptions")
        numbers = response.all_extension_numbers_response
        assert numbers.base_type_name == "google.protobuf.FieldOptions"
        assert {101501, 101502} < set(numbers.extension_number)


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"file_by_filename": "no.proto"}, grpc.StatusCode.NOT_FOUND),
        ({"file_containing_symbol": "a.B"}, grpc.StatusCode.NOT_FOUND),
        ({"file_containing_symbol": "baremetal_gateway.v1.Table"}, grpc.StatusCode.NOT_FOUND),
        (
            {"file_containing_symbol": "yandex.cloud.iam.v1.IamTokenService"},
            grpc.StatusCode.NOT_FOUND,
        ),
        (
            {"file_containing_extension": {"containing_type": "a.B", "extension_number": 1}},
            grpc.StatusCode.NOT_FOUND,
        ),
        ({"all_extension_numbers_of_type": "a.B"}, grpc.StatusCode.NOT_FOUND),
        ({}, grpc.StatusCode.INVALID_ARGUMENT),
    ],
    ids=["file", "symbol", "inner type", "other service", "extension", "type", "nothing"],
)
async def test_what_is_not_served_is_an_error_in_the_stream(
    reflecting: Running, asked: dict[str, Any], code: grpc.StatusCode
) -> None:
    async with reflect(reflecting) as stream:
        response = await stream.ask(**asked)
        assert response.error_response.error_code == code.value[0]
        assert (await stream.ask(list_services="")).list_services_response.service


async def test_the_client_of_the_reference_implementation(reflecting: Running) -> None:
    """It blocks, so it runs in a thread."""

    def read() -> tuple[list[str], str]:
        with grpc.insecure_channel(str(reflecting.addresses.grpc)) as channel:
            database = ProtoReflectionDescriptorDatabase(channel)
            pool: Any = DescriptorPool(database)
            create = pool.FindServiceByName(IMAGES).methods_by_name["Create"]
            details = pool.FindMessageTypeByName("google.rpc.BadRequest")
            services: list[str] = sorted(database.get_services())
            return services, f"{create.output_type.full_name} {details.full_name}"

    services, types = await asyncio.to_thread(read)
    assert services == sorted(SERVICES)
    assert types == "yandex.cloud.operation.Operation google.rpc.BadRequest"


async def test_it_is_off_by_default(running: Running) -> None:
    async with reflect(running) as stream:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stream.ask(list_services="")
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_it_follows_reloads_and_shows_no_excluded_method(wire: Wire, sets: dict[str, bytes]) -> None:
    wired = await wire(grpc__reflection="true")
    service, _, method = POUR.partition("/")
    async with reflect(wired) as stream:
        before = await stream.files(file_containing_symbol=service)
        names = [one.name for one in before["wire.proto"].service[0].method]
        assert "Watch" in names
        assert method not in names
        old = weakref.ref(wired.gateway._active.snapshot)  # noqa: SLF001 - see below
        changed = sets["wire"].replace(b"Download", b"Shipload")
        wired.set_path.write_bytes(changed)
        await wired.gateway.reload()
        gc.collect()
        assert old() is None  # the index does not keep a replaced snapshot in memory
        after = await stream.files(file_containing_symbol=f"{service}.Shipload")
        assert "Shipload" in [one.name for one in after["wire.proto"].service[0].method]


async def test_requests_of_one_call_are_limited(reflecting: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.listeners.rpc.reflection_service.MAX_REQUESTS", 3)
    async with reflect(reflecting) as stream:
        for _ in range(3):
            await stream.ask(list_services="")
        assert await stream.call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_an_idle_call_ends(reflecting: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.listeners.rpc.reflection_service.IDLE_S", 0.2)
    async with reflect(reflecting) as stream:
        await stream.ask(list_services="")
        async with asyncio.timeout(GENEROUS_S):
            assert await stream.call.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_calls_are_limited(reflecting: Running) -> None:
    async with grpc.aio.insecure_channel(str(reflecting.addresses.grpc)) as channel:
        active = [Stream(channel, version) for version in VERSIONS * 4]
        for stream in active:
            await stream.ask(list_services="")
        further = Stream(channel, "v1")
        async with asyncio.timeout(GENEROUS_S):
            assert await further.call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        await call_list(reflecting)


async def test_an_open_call_does_not_delay_the_stop(reflecting: Running) -> None:
    async with reflect(reflecting) as stream:
        await stream.ask(list_services="")
        async with asyncio.timeout(10):
            await reflecting.gateway.stop()
        assert await stream.call.code() is grpc.StatusCode.UNAVAILABLE
