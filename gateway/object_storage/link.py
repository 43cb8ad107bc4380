"""A strict parser of links to Object Storage.

The gateway forwards the text of a link unchanged, and the upstream parses the text with another parser. A
link is therefore refused if a lenient parser could read another host, bucket or key in the link. The
gateway does not correct such a link. The forms of links are described in
https://yandex.cloud/en/docs/storage/concepts/object#object-url.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, TypeAlias

from gateway.object_storage.hosts import DEFAULT_HOSTS, Hosts, has_reserved_label
from gateway.object_storage.link_error import LinkError
from gateway.object_storage.object_key import check_path, parse_key
from gateway.object_storage.signature import parse_signature

if TYPE_CHECKING:
    from datetime import datetime

# The API limits `uri` to this number of code points. Object Storage limits a key to 1024 bytes. A link
# within the first limit cannot exceed the second limit.
MAX_LENGTH = 1024

# Five characters of https://www.rfc-editor.org/rfc/rfc3986#appendix-A are left out. A valid link never has
# '[', ']' or '#'. Some parsers end a path or a parameter at ';'. Some parsers read '+' as a space.
_CHARACTER = r"A-Za-z0-9\-._~:/@!$&'()*,=%"
_CHARACTERS = re.compile(rf"[{_CHARACTER}?]+")
_FORM = re.compile(
    rf"(https?)://([a-z0-9-]+(?:\.[a-z0-9-]+)+)((?:/[{_CHARACTER}]*)?)(?:\?([{_CHARACTER}?]*))?"
)
_AUTHORITY = re.compile(r"https?://([^/?]*)")
# https://yandex.cloud/en/docs/storage/concepts/bucket#naming
_BUCKET = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*")
_BUCKET_LENGTH = range(3, 64)
_IP_ADDRESS = re.compile(r"[0-9]+(?:\.[0-9]+){3}")

Scheme: TypeAlias = Literal["https", "http"]
Style: TypeAlias = Literal["path", "virtual-hosted", "website"]
LinkParts: TypeAlias = "tuple[Scheme, str, str, str, Style, datetime | None]"
"""The scheme, host, bucket, key, style and expiry of a link, as in `Link`."""


@dataclass(frozen=True, slots=True)
class Link:
    """A link to an object.

    Attributes:
        scheme: the scheme of the link.
        host: the host name, as written in the link.
        bucket: the name of the bucket.
        key: the key of the object, percent-decoded once.
        style: the style of the link. It is `path` if the bucket is in the path, and `virtual-hosted` if the
            bucket is in the host name. For a published website, the style is always `website`.
        expires: the time when the signature of the link expires; None if the link has no signature.
    """

    scheme: Scheme
    host: str
    bucket: str
    key: str
    style: Style
    expires: datetime | None = None

    @property
    def presigned(self) -> bool:
        """Whether the link has a signature in the query."""
        return self.expires is not None

    @property
    def extension(self) -> str:
        """The file extension of the key in lower case, without the dot; empty if there is no extension."""
        return extension_of(self.key)


def extension_of(key: str) -> str:
    """Return the file extension of a key in lower case, without the dot; empty if there is no extension."""
    _, dot, extension = key.rpartition("/")[2].rpartition(".")
    return extension.lower() if dot else ""


def parse_link(text: str, hosts: Hosts = DEFAULT_HOSTS) -> Link:
    """Parse a link of any style.

    Args:
        text: the text of the link.
        hosts: the host names of Object Storage.

    Raises:
        LinkError: the text is not a link to an object, or different parsers could read the text differently.
    """
    return Link(*split_link(text, hosts))


def split_link(text: str, hosts: Hosts) -> LinkParts:
    """Return the attributes of the link that `parse_link` would return, in their order.

    A policy reads a link for each call, and to make the object takes as long as to parse the text.
    """
    scheme, host, path, query = _split(text)
    host_bucket, is_website = _find_host(host, hosts)
    if host_bucket:
        _check_host_bucket(host_bucket, scheme)
    bucket, rest = (host_bucket, path[1:]) if host_bucket else _split_path(path)
    _check_bucket(bucket, hosts)
    key = parse_key(rest)
    if host_bucket:
        _check_bucket_is_given_once(bucket, key)
    if is_website:
        _check_website(key, query)
    style: Style = "website" if is_website else "virtual-hosted" if host_bucket else "path"
    expires = None if query is None else parse_signature(query)
    return "https" if scheme == "https" else "http", host, bucket, key, style, expires


def _split(text: str) -> tuple[str, str, str, str | None]:
    """Return the scheme, host, path and query of a link, as written in the link.

    The query is None if the link has no `?`.
    """
    if len(text) > MAX_LENGTH:
        raise LinkError(f"the link is longer than {MAX_LENGTH} characters; shorten the key")
    match = _FORM.fullmatch(text)
    if match is None:
        raise LinkError(_find_fault_in_text(text))
    scheme, host, path, query = match.groups()
    check_path(path)
    return scheme, host, path, query


def _find_fault_in_text(text: str) -> str:
    """Return the reason why a text does not have the form of a link."""
    if "#" in text:
        return "the link has a fragment; leave out '#' and what follows"
    if "+" in text or ";" in text:
        return "the link has a '+' or a ';', which readers take differently; write %2B or %3B"
    if not _CHARACTERS.fullmatch(text):
        return "the link is empty or has a character that links do not have; percent-encode the key"
    match = _AUTHORITY.match(text)
    if match is None:
        return "the link does not start with https://, in lower case"
    return _find_fault_in_authority(match[1])


def _find_fault_in_authority(authority: str) -> str:
    if "@" in authority:
        return "the link has user info; leave out what is before '@'"
    if ":" in authority:
        return "the link has a port; leave it out"
    return "the host is not a plain name in lower case"


def _find_host(host: str, hosts: Hosts) -> tuple[str, bool]:
    """Return the bucket in a host name, and whether the host serves websites.

    The bucket is empty if the host name contains no bucket.
    """
    found = hosts.find(host)
    if found is None:
        raise LinkError(f"the host is not Object Storage; links start with https://{hosts.storage[0]}/")
    return found


def _split_path(path: str) -> tuple[str, str]:
    """Return the bucket and the percent-encoded key in the path of a link.

    The path must start with the bucket.
    """
    bucket, _, rest = path[1:].partition("/")
    return bucket, rest


def _check_bucket(bucket: str, hosts: Hosts) -> None:
    if not bucket:
        raise LinkError("the link names no bucket")
    if len(bucket) not in _BUCKET_LENGTH or not _is_bucket_name(bucket):
        raise LinkError("the bucket's name is not valid")
    if "." not in bucket:
        return
    if _IP_ADDRESS.fullmatch(bucket):
        raise LinkError("the bucket's name is not valid: it looks like an IP address")
    if hosts.find(bucket) is not None:
        raise LinkError("the bucket is named like a host of the service; name the host once")


@lru_cache(1024)  # most links name one of a few buckets
def _is_bucket_name(text: str) -> bool:
    return _BUCKET.fullmatch(text) is not None


def _check_host_bucket(bucket: str, scheme: str) -> None:
    """Refuse a bucket name that is allowed in a path but not in a host name."""
    if "." in bucket and scheme == "https":
        raise LinkError("a bucket with dots has no certificate of its own; put it in the path")
    if has_reserved_label(bucket):
        raise LinkError(
            "a host name with xn-- or the like can be read as another name; put the bucket in the path"
        )


def _check_bucket_is_given_once(bucket: str, key: str) -> None:
    """Refuse a link that has the bucket both in the host name and at the start of the path.

    Object Storage reads the second occurrence as the first part of the key. A parser that supports only the
    path style reads the second occurrence as the bucket.

    Args:
        bucket: the bucket in the host name.
        key: the key in the path.
    """
    if key == bucket or key.startswith(f"{bucket}/"):
        raise LinkError("the bucket is in the host and in the path; put it in the path only")


def _check_website(key: str, query: str | None) -> None:
    # If a key ends in '/', a website responds with the index page of the folder. See
    # https://yandex.cloud/en/docs/storage/operations/hosting/setup.
    if key.endswith("/"):
        raise LinkError("a site serves another object for a key that ends in '/'; name that object")
    if query is not None:
        raise LinkError("a site takes no signature; leave out '?' and what follows, or link to the storage")
