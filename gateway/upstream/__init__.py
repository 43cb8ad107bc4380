"""Calls to upstreams: channels, metadata, deadlines, errors and retries."""

from gateway.upstream.channels import Channels
from gateway.upstream.detached import DetachedCall
from gateway.upstream.forwarder import Forwarder
from gateway.upstream.retries import RetryingForwarder

__all__ = ["Channels", "DetachedCall", "Forwarder", "RetryingForwarder"]
