"""The gRPC listener, which is a server for all methods of the active snapshot."""

from gateway.listeners.rpc.listener import RpcListener

__all__ = ["RpcListener"]
