"""Where an image comes from: links to Object Storage."""

from gateway.source.link import DEFAULT_HOSTS, Link, LinkError, parse_link

__all__ = ["DEFAULT_HOSTS", "Link", "LinkError", "parse_link"]
