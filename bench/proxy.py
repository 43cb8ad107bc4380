"""A minimal REST proxy of a gRPC service: the baseline of bench.create.

It parses JSON, forwards the message and prints JSON. It checks nothing.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import grpc.aio
import uvloop
from aiohttp import web
from google.protobuf import json_format

from gateway.config import Config
from gateway.schema import load_schema

if TYPE_CHECKING:
    from aiohttp.web_request import BaseRequest


async def serve(listen: str, upstream: str) -> None:
    """Serve Create calls until the process ends."""
    schema = load_schema(Config().services)
    method = schema.methods["yandex.cloud.baremetal.v1alpha.ImageService/Create"]
    create: Any = grpc.aio.insecure_channel(upstream).unary_unary(
        method.path,
        request_serializer=method.request.SerializeToString,
        response_deserializer=method.reply.FromString,
    )

    async def handle(request: BaseRequest) -> web.Response:
        message = json_format.Parse(await request.read(), method.request(), descriptor_pool=schema.pool)
        reply = await create(message, timeout=30)
        text = json_format.MessageToJson(reply, descriptor_pool=schema.pool, indent=None)
        return web.Response(text=text, content_type="application/json")

    runner = web.ServerRunner(web.Server(handle, access_log=None))
    await runner.setup()
    host, port = listen.split(":")
    await web.TCPSite(runner, host, int(port)).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(*sys.argv[1:]))
