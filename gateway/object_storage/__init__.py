"""Links to objects in Object Storage. Images are created from these objects."""

from gateway.object_storage.hosts import DEFAULT_HOSTS, Hosts
from gateway.object_storage.link import MAX_LENGTH, Link, parse_link
from gateway.object_storage.link_error import LinkError

__all__ = ["DEFAULT_HOSTS", "MAX_LENGTH", "Hosts", "Link", "LinkError", "parse_link"]
