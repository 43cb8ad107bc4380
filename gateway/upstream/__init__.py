"""Calls to upstreams: channels, metadata, deadlines and errors."""

from gateway.upstream.channels import Channels
from gateway.upstream.detached import DetachedCall
from gateway.upstream.forwarder import Forwarder

__all__ = ["Channels", "DetachedCall", "Forwarder"]
