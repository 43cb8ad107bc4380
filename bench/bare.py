"""The bare forwarder: `python -m bench.bare REST GRPC UPSTREAM`.

It does the least that a REST server before a gRPC service does. A dict of JSON goes to the message's
constructor, the message to the upstream, and the response back as JSON. Nothing is checked or recorded.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Any

import grpc.aio
import uvloop
from aiohttp import web
from google.protobuf import json_format

from bench.workloads import CREATE, IMAGES, LIST
from gateway.config import Config
from gateway.schema import load_schema

if TYPE_CHECKING:
    from gateway.schema import Method, Schema

TIMEOUT_S = 30


class Forwarder:
    """Forwards creates and lists."""

    def __init__(self, schema: Schema, channel: grpc.aio.Channel) -> None:
        self._pool = schema.pool
        self._create, self._list = (schema.methods[name] for name in (CREATE, LIST))
        self._call_create, self._call_list = (_callable(channel, one) for one in (self._create, self._list))

    async def create(self, request: web.Request) -> web.Response:
        """Respond to a create over REST."""
        message = self._create.request(**json.loads(await request.read()))
        return self._respond(await self._call_create(message, timeout=TIMEOUT_S))

    async def list(self, request: web.Request) -> web.Response:
        """Respond to a list over REST."""
        query = request.query
        message = self._list.request(folder_id=query["folderId"], page_size=int(query["pageSize"]))
        return self._respond(await self._call_list(message, timeout=TIMEOUT_S))

    async def create_by_grpc(self, message: Any, _: object) -> Any:
        """Respond to a create over gRPC."""
        return await self._call_create(message, timeout=TIMEOUT_S)

    def handlers(self) -> grpc.GenericRpcHandler:
        """Return the handlers of gRPC."""
        service, name = CREATE.split("/")
        handler = grpc.unary_unary_rpc_method_handler(
            self.create_by_grpc,
            request_deserializer=self._create.request.FromString,
            response_serializer=self._create.reply.SerializeToString,
        )
        return grpc.method_handlers_generic_handler(service, {name: handler})

    def _respond(self, reply: Any) -> web.Response:
        tree = json_format.MessageToDict(reply, descriptor_pool=self._pool)
        return web.Response(body=json.dumps(tree).encode(), content_type="application/json")


def _callable(channel: grpc.aio.Channel, method: Method) -> Any:
    return channel.unary_unary(
        method.path,
        request_serializer=method.request.SerializeToString,
        response_deserializer=method.reply.FromString,
    )


async def serve(rest: str, rpc: str, upstream: str) -> None:
    """Serve until the process ends."""
    forwarder = Forwarder(load_schema(Config().services), grpc.aio.insecure_channel(upstream))
    application = web.Application()
    application.router.add_post(IMAGES, forwarder.create)
    application.router.add_get(IMAGES, forwarder.list)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    host, port = rest.split(":")
    await web.TCPSite(runner, host, int(port)).start()
    server = grpc.aio.server(handlers=[forwarder.handlers()])
    server.add_insecure_port(rpc)
    await server.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(*sys.argv[1:]))
