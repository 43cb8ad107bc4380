"""The emulator's gRPC server. It parses requests, calls the services and applies injected faults.

The server records every call before it handles the call. Every response contains a
request ID, and every error contains a google.rpc.Status.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Never, Self, cast
from uuid import uuid4

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from gateway.emulator.boot_images import BOOT_IMAGE_SERVICE
from gateway.emulator.fault_injection import FaultInjector
from gateway.emulator.messages import IMAGE_SERVICE, OPERATION, OPERATION_SERVICE
from gateway.emulator.services import Services
from gateway.emulator.status_error import StatusError, invalid_argument
from gateway.emulator.store import ImageStore
from gateway.emulator.token_issuer import CREATE_TOKEN, IAM_SERVICE, TokenIssuer
from gateway.errors import Code
from gateway.schema import load_schema

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from google.protobuf.message import Message

    from gateway.emulator.fault_injection import InjectedFault
    from gateway.emulator.model import Image
    from gateway.schema import Method

    Context = grpc.aio.ServicerContext[bytes, bytes]

SERVICES = (IMAGE_SERVICE, BOOT_IMAGE_SERVICE, OPERATION_SERVICE, IAM_SERVICE)
CALLS_KEPT = 1000
POLL_INTERVAL_S = 1

_CANCEL_S = 1.0
_STATUS_CODES = {status.value[0]: status for status in grpc.StatusCode}
# Without this option, another process could listen on the same port and receive some of the calls.
_OPTIONS = (("grpc.so_reuseport", 0),)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedCall:
    """A call that the emulator received. The repr omits the fields that may contain secrets.

    Attributes:
        method: the name of the method, as `package.Service/Method`.
        request: the serialized request message.
        metadata: the keys and values of the call's metadata, in the order of arrival. Binary values are
            bytes.
    """

    method: str
    request: bytes = field(repr=False)
    metadata: tuple[tuple[str, str | bytes], ...] = field(repr=False)


class Emulator:
    """A gRPC server with the services SERVICES, which share one store in memory.

    The emulator keeps its images and operations when it is stopped and started again. As an
    async context manager, the emulator listens on a free port of the loopback address.

    Args:
        delay_s: the duration of an operation, in seconds. With the value 0, an operation ends at the next
            call.
        clock: the function that returns the Unix time in seconds. The time never decreases. None means the
            system's time.
        requires_token: whether calls of the ImageService and the OperationService need a valid token.

    Attributes:
        calls: the latest calls, at most CALLS_KEPT. The oldest call is first.
        address: the address on which the emulator listens, as `host:port`; empty while the emulator is
            stopped.
        tokens: the issuer of tokens.
        requires_token: whether calls of the ImageService and the OperationService need a valid token.
    """

    def __init__(
        self,
        *,
        delay_s: float = 0.0,
        clock: Callable[[], float] | None = None,
        requires_token: bool = False,
    ) -> None:
        self.calls: deque[RecordedCall] = deque(maxlen=CALLS_KEPT)
        self.address = ""
        self._clock = clock or _steady_clock()
        self._delay_s = delay_s
        self._schema = load_schema(SERVICES)
        self.tokens = TokenIssuer(self._clock)
        self.requires_token = requires_token
        self._services = self._make_services()
        self._faults = FaultInjector()
        self._server: grpc.aio.Server | None = None
        self._open: set[asyncio.Task[object]] = set()

    async def start(self, address: str = "127.0.0.1:0") -> str:
        """Listen on an address without TLS, and return the address with the actual port.

        Args:
            address: the address to listen on, as `host:port`. Port 0 means any free port.

        Raises:
            RuntimeError: the emulator is already started, or it cannot listen on the address.
        """
        if self._server is not None:
            raise RuntimeError(f"the emulator already listens on {self.address}")
        server = grpc.aio.server(options=_OPTIONS)
        server.add_generic_rpc_handlers([self._handler(name) for name in SERVICES])
        port = server.add_insecure_port(address)
        await server.start()
        self._server = server
        self.address = f"{address.rpartition(':')[0]}:{port}"
        return self.address

    async def stop(self) -> None:
        """Close the listener and end all open calls. If the emulator is not started, do nothing."""
        server, self._server, self.address = self._server, None, ""
        if server is not None:
            await server.stop(None)
            if self._open:
                # gRPC has cancelled the open calls, but their tasks must end before the event loop is closed.
                await asyncio.wait(self._open, timeout=_CANCEL_S)

    def images(self) -> tuple[Image, ...]:
        """Return all images in the order of their creation."""
        return self._services.images()

    def inject(self, fault: InjectedFault) -> None:
        """Inject a fault that applies to later calls."""
        self._faults.add(fault)

    def clear_faults(self) -> None:
        """Remove every injected fault. The calls that a fault already affects are not changed."""
        self._faults.clear()

    def forget_keys(self) -> None:
        """Delete all idempotency keys. A real service does this when its retention time has passed."""
        self._services.forget_keys()

    def reset(self) -> None:
        """Delete all images, operations, idempotency keys, recorded calls and injected faults.

        If the emulator is listening, it continues to listen.
        """
        self._services = self._make_services()
        self.calls.clear()
        self.clear_faults()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    def _make_services(self) -> Services:
        return Services(self._schema, ImageStore(clock=self._clock, delay_s=self._delay_s))

    def _handler(self, service: str) -> grpc.GenericRpcHandler:
        handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
            method.name.rpartition("/")[2]: grpc.unary_unary_rpc_method_handler(partial(self._serve, method))
            for method in self._schema.methods.values()
            if method.service == service
        }
        return grpc.method_handlers_generic_handler(service, handlers)

    async def _serve(self, method: Method, request: bytes, context: Context) -> bytes:
        self._watch(asyncio.current_task())
        metadata = tuple((key, value) for key, value in context.invocation_metadata() or ())
        self.calls.append(RecordedCall(method=method.name, request=request, metadata=metadata))
        request_id = str(uuid4())
        headers = [("x-request-id", request_id), ("x-server-trace-id", uuid4().hex)]
        try:
            reply = await self._respond(method, request, dict(metadata))
        except StatusError as error:
            await context.send_initial_metadata(tuple(headers))
            await _abort(context, error, request_id)
        if method.reply.DESCRIPTOR.full_name == OPERATION:
            headers.append(("x-operation-poll-interval", str(POLL_INTERVAL_S)))
        await context.send_initial_metadata(tuple(headers))
        return reply

    def _watch(self, task: asyncio.Task[object] | None) -> None:
        """Keep the task of a call in the set of open calls until the task ends."""
        if task is not None:
            self._open.add(task)
            task.add_done_callback(self._open.discard)

    async def _respond(self, method: Method, request: bytes, metadata: dict[str, str | bytes]) -> bytes:
        """Handle a call and return the serialized response.

        An injected fault is applied before or after the call is carried out.
        """
        fault = self._faults.take(method.name)
        if fault is not None and not fault.after_effect and (replaced := await fault.apply()) is not None:
            return replaced
        reply = self._handle(method, _parse_request(method, request), metadata)
        if fault is not None and fault.after_effect and (replaced := await fault.apply()) is not None:
            return replaced
        return reply.SerializeToString()

    def _handle(self, method: Method, request: Message, metadata: dict[str, str | bytes]) -> Message:
        if method.service == IAM_SERVICE:
            return self._create_token(method, request)
        if self.requires_token:
            self.tokens.check_call(metadata)
        return self._services.handle(method.name, request, str(metadata.get("idempotency-key", "")))

    def _create_token(self, method: Method, request: Any) -> Message:
        if method.name != CREATE_TOKEN:
            raise StatusError(Code.UNIMPLEMENTED, f"{method.name} is not emulated")
        token, expires_at = self.tokens.exchange_jwt(request.jwt)
        reply: Any = method.reply(iam_token=token)
        reply.expires_at.FromMicroseconds(int(expires_at * 1e6))
        return cast("Message", reply)


def _steady_clock() -> Callable[[], float]:
    """Return a clock of Unix time that never decreases, even if the system's clock is changed."""
    offset_s = time.time() - time.monotonic()
    return lambda: time.monotonic() + offset_s


def _parse_request(method: Method, request: bytes) -> Message:
    try:
        return method.request.FromString(request)
    except DecodeError as error:
        raise invalid_argument(f"the request is no {method.request.DESCRIPTOR.full_name}") from error


async def _abort(context: Context, error: StatusError, request_id: str) -> Never:
    info = AnyMessage()
    info.Pack(error_details_pb2.RequestInfo(request_id=request_id))
    status = status_pb2.Status(code=int(error.code), message=error.message, details=[*error.details, info])
    await context.abort(
        _STATUS_CODES[int(error.code)],
        error.message,
        (("grpc-status-details-bin", status.SerializeToString()),),
    )
