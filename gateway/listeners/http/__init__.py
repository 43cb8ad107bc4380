"""The HTTP server, the REST listener and the admin listener."""

from gateway.listeners.http.admin import AdminListener
from gateway.listeners.http.rest import RestListener
from gateway.listeners.http.server import HttpServer

__all__ = ["AdminListener", "HttpServer", "RestListener"]
