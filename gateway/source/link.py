"""Links to Object Storage, read so strictly that no two readers can differ.

A link that a lenient reader could take for another host, bucket or key is
refused, not mended: the upstream receives the very text that was judged, and
reads it with a parser of its own. Forms:
https://yandex.cloud/en/docs/storage/concepts/object#object-url.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote_to_bytes

if TYPE_CHECKING:
    from collections.abc import Collection

DEFAULT_HOSTS = ("storage.yandexcloud.net",)

_MAX_KEY_BYTES = 1024
# https://www.rfc-editor.org/rfc/rfc3986#appendix-A, without '[', ']' and '#'.
_CHARACTERS = re.compile(r"[A-Za-z0-9\-._~:/?@!$&'()*+,;=%]+")
_FORM = re.compile(r"(?P<scheme>https?)://(?P<authority>[^/?]*)(?P<path>[^?]*)(?:\?(?P<query>.*))?")
_HOST = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})?")
_BUCKET = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*")
_BUCKET_LENGTH = range(3, 64)
_IP_ADDRESS = re.compile(r"[0-9]+(?:\.[0-9]+){3}")
_SIGNATURE = re.compile(r"(?:^|&)X-Amz-Signature=[0-9a-f]+(?:&|$)")
# Encoded, these would be a delimiter to a reader that decodes first, or decodes twice.
_FORBIDDEN_ESCAPES = re.compile(r"%(?:25)*(?:2[eEfF]|5[cC]|[01][0-9A-Fa-f]|7[fF])")


class LinkError(ValueError):
    """A text is no link to Object Storage; the message says why and how to mend it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A link to an object.

    Attributes:
        host: as written.
        key: percent-decoded once.
        style: where the bucket stands: in the path, or in the host name.
        presigned: the query carries a signature.
    """

    scheme: Literal["https", "http"]
    host: str
    bucket: str
    key: str
    style: Literal["path", "virtual-hosted"]
    presigned: bool

    @property
    def extension(self) -> str:
        """What follows the last dot of the key's last segment, in lower case."""
        _, dot, extension = self.key.rpartition("/")[2].rpartition(".")
        return extension.lower() if dot else ""


def parse_link(text: str, hosts: Collection[str] = DEFAULT_HOSTS) -> Link:
    """Read a link of either style.

    Args:
        text: the link.
        hosts: names of the storage service; a bucket's own name may stand before each.

    Raises:
        LinkError: it is not one, or could be read in more than one way.
    """
    match = _split(text)
    authority, path, query = match["authority"], match["path"], match["query"]
    host = _check_host(authority)
    _check_path(path)
    bucket, rest = _find_bucket(host, path, hosts)
    _check_bucket(bucket)
    if host not in hosts:
        _check_host_bucket(bucket, match["scheme"])
    return Link(
        scheme="https" if match["scheme"] == "https" else "http",
        host=host,
        bucket=bucket,
        key=_decode_key(rest),
        style="path" if host in hosts else "virtual-hosted",
        presigned=_check_query(query),
    )


def _split(text: str) -> re.Match[str]:
    if "#" in text:
        raise LinkError("the link has a fragment; leave out '#' and what follows")
    if not _CHARACTERS.fullmatch(text):
        raise LinkError("the link is empty or has a character that links do not have; percent-encode the key")
    match = _FORM.fullmatch(text)
    if match is None:
        raise LinkError("the link does not start with https://, in lower case")
    return match


def _check_host(authority: str) -> str:
    if "@" in authority:
        raise LinkError("the link has user info; leave out what stands before '@'")
    if ":" in authority:
        raise LinkError("the link has a port; leave it out")
    if not _HOST.fullmatch(authority):
        raise LinkError("the host is not a plain name in lower case")
    return authority


def _check_path(path: str) -> None:
    if "/." in path and any(segment in {".", ".."} for segment in path.split("/")):
        raise LinkError("the path has a segment '.' or '..'")
    if "%" not in path:
        return
    if any(match[1] is None for match in _ESCAPE.finditer(path)):
        raise LinkError("the path has a '%' that two hexadecimal digits do not follow; write %25")
    if _FORBIDDEN_ESCAPES.search(path):
        raise LinkError(
            "the path has an encoded dot, slash, backslash or control character; write them plainly"
        )


def _find_bucket(host: str, path: str, hosts: Collection[str]) -> tuple[str, str]:
    """Return the bucket and the rest of the path, which is the encoded key."""
    if host in hosts:
        bucket, _, rest = path[1:].partition("/")
        return bucket, rest
    for known in hosts:
        if host.endswith(f".{known}"):
            return host.removesuffix(f".{known}"), path[1:]
    raise LinkError(f"the host is not Object Storage; links start with https://{next(iter(hosts))}/")


def _check_bucket(bucket: str) -> None:
    if not bucket:
        raise LinkError("the link names no bucket")
    if len(bucket) not in _BUCKET_LENGTH or not _BUCKET.fullmatch(bucket) or _IP_ADDRESS.fullmatch(bucket):
        raise LinkError("the bucket's name is not one that a bucket can have")


def _check_host_bucket(bucket: str, scheme: str) -> None:
    """Check what a bucket cannot be in a host name, although it can be in a path."""
    if "." in bucket and scheme == "https":
        raise LinkError("a bucket with dots has no certificate of its own; put it in the path")
    if "xn--" in bucket:
        raise LinkError("a host name with xn-- can be read as another name; put the bucket in the path")


def _decode_key(encoded: str) -> str:
    data = unquote_to_bytes(encoded)
    if not data:
        raise LinkError("the link names no object")
    if len(data) > _MAX_KEY_BYTES:
        raise LinkError(f"the object's key is longer than {_MAX_KEY_BYTES} bytes")
    try:
        key = data.decode()
    except UnicodeDecodeError as error:
        raise LinkError("the object's key is not UTF-8") from error
    if not key.isprintable():
        raise LinkError("the object's key has a control character or an invisible one")
    return key


def _check_query(query: str | None) -> bool:
    """Tell whether the query is a signature, which is the only query that a link may have."""
    if query is None:
        return False
    if not _SIGNATURE.search(query):
        raise LinkError("the link has a query that is no signature; leave out '?' and what follows")
    return True
