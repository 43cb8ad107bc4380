"""The ways in. A listener turns wire bytes into a Call and a Reply into wire bytes, no more."""

from gateway.listeners.admin import AdminListener, Health
from gateway.listeners.descriptors import make_budget
from gateway.listeners.front import ActiveCalls, Front
from gateway.listeners.http_server import HttpServer
from gateway.listeners.rest import RestListener
from gateway.listeners.rpc import RpcListener

__all__ = [
    "ActiveCalls",
    "AdminListener",
    "Front",
    "Health",
    "HttpServer",
    "RestListener",
    "RpcListener",
    "make_budget",
]
