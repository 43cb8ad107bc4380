"""The way out: channels to the upstreams, metadata, deadlines, errors."""

from gateway.upstream.channels import Channels
from gateway.upstream.detached import DetachedStream
from gateway.upstream.forwarder import Forwarder

__all__ = ["Channels", "DetachedStream", "Forwarder"]
