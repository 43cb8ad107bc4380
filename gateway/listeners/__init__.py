"""The ways in. A listener turns wire bytes into a Call and a Reply into wire bytes, no more."""

from gateway.listeners.admin import AdminListener, Health
from gateway.listeners.front import Front
from gateway.listeners.http_server import HttpServer
from gateway.listeners.rest import RestListener
from gateway.listeners.rpc import RpcListener

__all__ = ["AdminListener", "Front", "Health", "HttpServer", "RestListener", "RpcListener"]
