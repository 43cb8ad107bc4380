"""The gRPC server, which also survives calls whose path is not UTF-8.

The accept loop of the gRPC library decodes the path of each call. If a path is not valid UTF-8, the decoding
raises an exception, the accept loop ends, and the library stops the whole server. So one frame of any peer
would end all calls of all callers. No option of the library prevents this, and the path is not accessible
before it is decoded.

Here, the server stays open when its accept loop ends in this way. Another accept loop receives the further
calls of the same server, until it fails in the same way and is replaced. To get another loop, a second server
object is made. It listens on no port, and takes its calls from the first one. This costs about 0.1 ms for
each such call, and nothing for other calls. The faulty call itself ends with CANCELLED.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from grpc._cython import cygrpc
from grpc.aio import _server

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import grpc
    import grpc.aio

_NO_INTERCEPTORS, _NO_OPTIONS = (), ()

# The base class is internal to the library. The tests of this module fail if another version of the library
# changes it.
_Base: Any = cygrpc.AioServer
_PublicServer: Any = _server.Server


class _StoppingError(Exception):
    """The server is stopping, so an accept loop ends."""


class _ResilientServer(_Base):  # type: ignore[misc]
    """A server that replaces its accept loop."""

    def __init__(
        self,
        handlers: Sequence[grpc.GenericRpcHandler],
        options: Sequence[tuple[str, int]],
        report: Callable[[], None],
    ) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(loop, None, handlers, _NO_INTERCEPTORS, options, None)
        self._handlers = handlers
        self._report = report
        self._is_stopping = False

    async def receive_call(self) -> object:
        """Return the next call, for another accept loop.

        Raises:
            _StoppingError: the server is stopping.
        """
        if self._is_stopping:
            raise _StoppingError
        return await self._request_call()

    async def shutdown(self, grace: float | None) -> None:
        self._is_stopping = True
        await super().shutdown(grace)

    async def _server_main_loop(self, server_started: asyncio.Future[bool]) -> None:
        try:
            await super()._server_main_loop(server_started)
        except UnicodeDecodeError:
            self._report()
        while not self._is_stopping:
            substitute = _AcceptLoop(self, self._handlers)
            await substitute.start()
            if await substitute.ended:
                self._report()
            await substitute.shutdown(0)


class _AcceptLoop(_Base):  # type: ignore[misc]
    """A server without a port, whose accept loop receives the calls of another server.

    Attributes:
        ended: the future that is done when the accept loop has ended. The result is whether a path could not
            be decoded.
    """

    def __init__(self, owner: _ResilientServer, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(loop, None, handlers, _NO_INTERCEPTORS, _NO_OPTIONS, None)
        self._owner = owner
        self.ended: asyncio.Future[bool] = loop.create_future()

    async def _request_call(self) -> object:
        return await self._owner.receive_call()

    async def _server_main_loop(self, server_started: asyncio.Future[bool]) -> None:
        try:
            await super()._server_main_loop(server_started)
        except UnicodeDecodeError:
            self.ended.set_result(True)
        except _StoppingError:
            self.ended.set_result(False)
        except BaseException as error:  # noqa: BLE001 - the owner raises it
            self.ended.set_exception(error)


class _Facade(_PublicServer):  # type: ignore[misc]
    """The public interface of a server, for a server object of another class.

    The constructor of the base class would make a server object that is never started.
    """

    def __init__(self, server: _ResilientServer) -> None:
        self._loop = asyncio.get_running_loop()
        self._server = server


def make_server(
    handler: grpc.GenericRpcHandler, options: Sequence[tuple[str, int]], report: Callable[[], None]
) -> grpc.aio.Server:
    """Return a gRPC server that is not started.

    Args:
        handler: the handler of all calls.
        options: the options of the server.
        report: the function that is called for each call whose path is not UTF-8. The call is cancelled.
    """
    return cast("grpc.aio.Server", _Facade(_ResilientServer([handler], options, report)))
