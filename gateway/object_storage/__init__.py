"""Links to objects in Object Storage. The cloud creates images from such objects."""

from gateway.object_storage.hosts import DEFAULT_HOSTS, Hosts
from gateway.object_storage.link import MAX_LENGTH, Link, extension_of, parse_link, split_link
from gateway.object_storage.link_error import LinkError

__all__ = [
    "DEFAULT_HOSTS",
    "MAX_LENGTH",
    "Hosts",
    "Link",
    "LinkError",
    "extension_of",
    "parse_link",
    "split_link",
]
