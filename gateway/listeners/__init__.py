"""Listeners. They decode requests into calls, and encode replies and errors as responses."""

from gateway.listeners.context import ActiveCalls, Head, ListenerContext
from gateway.listeners.file_descriptors import make_budget
from gateway.listeners.http.admin import AdminListener
from gateway.listeners.http.api_page import ApiPage
from gateway.listeners.http.rest import RestListener
from gateway.listeners.http.server import HttpServer
from gateway.listeners.http.status_page.facts import StatusFacts
from gateway.listeners.http.status_page.usage import Usage
from gateway.listeners.metadata import MetadataReader
from gateway.listeners.rpc.listener import RpcListener

__all__ = [
    "ActiveCalls",
    "AdminListener",
    "ApiPage",
    "Head",
    "HttpServer",
    "ListenerContext",
    "MetadataReader",
    "RestListener",
    "RpcListener",
    "StatusFacts",
    "Usage",
    "make_budget",
]
