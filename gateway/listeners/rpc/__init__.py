"""gRPC: a server of every method of the active snapshot."""

from gateway.listeners.rpc.listener import RpcListener

__all__ = ["RpcListener"]
