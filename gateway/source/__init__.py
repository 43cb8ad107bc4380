"""Where an image comes from: links to Object Storage."""

from gateway.source.hosts import DEFAULT_HOSTS, Hosts
from gateway.source.link import MAX_LENGTH, Link, parse_link
from gateway.source.refusal import LinkError

__all__ = ["DEFAULT_HOSTS", "MAX_LENGTH", "Hosts", "Link", "LinkError", "parse_link"]
