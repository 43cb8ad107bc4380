"""A gateway with a ledger: creates over both protocols, and what the ledger then holds."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import grpc.aio

from gateway.emulator.idempotency import IdempotencyKeys
from tests.conftest import GOOD_IMAGE, IMAGES, Running
from tests.waiting import GENEROUS_S

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.schema import Schema

IMAGE_SERVICE = "yandex.cloud.baremetal.v1alpha.ImageService"
CREATE = f"{IMAGE_SERVICE}/Create"
LIST = f"{IMAGE_SERVICE}/List"
CANCEL = "yandex.cloud.operation.OperationService/Cancel"


def options(path: Path, **further: Any) -> dict[str, Any]:
    """Return the options of a gateway with a ledger in an SQLite file."""
    return {"ledger__enabled": True, "ledger__url": f"sqlite:///{path}"} | further


def rows(path: Path, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as file:
        return file.execute(sql, parameters).fetchall()


def events(path: Path, *kinds: str) -> list[dict[str, Any]]:
    """Return the events in their order, of some kinds or all, and check that there is no gap."""
    found = rows(path, "SELECT seq, body FROM ledger_events ORDER BY seq")
    assert [seq for seq, _ in found] == list(range(len(found)))
    bodies = [json.loads(body) for _, body in found]
    return [body for body in bodies if not kinds or body["kind"] in kinds]


async def wait_for_rows(path: Path, count: int, where: str = "1 = 1") -> list[tuple[Any, ...]]:
    """Wait until there are so many calls, and return the method, outcome and code of each."""
    sql = f"SELECT method, outcome, code FROM ledger_calls WHERE {where} ORDER BY seq"  # noqa: S608 - constants
    async with asyncio.timeout(GENEROUS_S):
        while len(found := rows(path, sql)) < count:
            await asyncio.sleep(0.01)
    return found


async def post(
    running: Running, image: dict[str, Any] | None = None, **headers: str
) -> tuple[int, dict[str, Any]]:
    """Create an image over REST. Underscores in the names of headers become hyphens."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    body = GOOD_IMAGE if image is None else GOOD_IMAGE | image
    async with running.client.post(running.url(IMAGES), json=body, headers=given) as response:
        return response.status, await response.json()


async def call(
    running: Running, schema: Schema, method: str, timeout_s: float = GENEROUS_S, **headers: str
) -> tuple[grpc.StatusCode, Any]:
    """Call a method over gRPC; a create gets the good image. Return the code, and the reply or the error."""
    fields: dict[str, Any] = {}
    if method == CREATE:
        fields = {name: value for name, value in GOOD_IMAGE.items() if name != "folderId"}
    request = schema.methods[method].request(folder_id="b1gexample", **fields)
    metadata = [(name.replace("_", "-"), value) for name, value in headers.items()]
    async with grpc.aio.insecure_channel(str(running.addresses.grpc)) as channel:
        stub: Any = channel.unary_unary(f"/{method}")
        try:
            reply = await stub(request.SerializeToString(), metadata=metadata, timeout=timeout_s)
        except grpc.aio.AioRpcError as error:
            return error.code(), error
    return grpc.StatusCode.OK, schema.methods[method].reply.FromString(reply)


def reason(body: dict[str, Any]) -> str:
    """Return the reason in the ErrorInfo of an error over REST."""
    return next((one["reason"] for one in body.get("details", []) if "reason" in one), "")


def is_ledger_unavailable(status: int, body: dict[str, Any]) -> bool:
    return (status, body["code"], reason(body)) == (503, 14, "LEDGER_UNAVAILABLE")


async def condition(running: Running) -> tuple[int, str, str]:
    """Return the status of the readiness page, and the status and reason of the condition `ledger`."""
    async with running.client.get(
        running.admin("/readyz?verbose"), headers={"Accept": "application/json"}
    ) as response:
        page = await response.json()
        found = next(one for one in page["conditions"] if one["name"] == "ledger")
        return response.status, found["status"], found["reason"]


async def until_ok(running: Running) -> None:
    """Wait until the ledger can be written again."""
    async with asyncio.timeout(GENEROUS_S):
        while (await condition(running))[1] != "ok":
            await asyncio.sleep(0.01)


def creates(running: Running) -> int:
    """Return the number of creates that the emulator has received."""
    return sum(one.method == CREATE for one in running.emulator.calls)


def forget_keys(running: Running) -> None:
    """Let the upstream forget all idempotency keys."""
    running.emulator._services._keys = IdempotencyKeys()  # noqa: SLF001 - it has no other way to forget


def metric(running: Running, name: str) -> float:
    lines = running.metrics.expose().decode().splitlines()
    return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(name)), 0.0)
