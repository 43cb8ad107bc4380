"""The query of a pre-signed link.

The query must have exactly one complete signature. It must not have a parameter that changes which bytes
the link returns. The form of the query is described in
https://yandex.cloud/en/docs/storage/concepts/pre-signed-urls.

The signature is not verified, because the gateway does not have the signing key. The gateway refuses
duplicate parameter names, percent-encoded parameter names and parameter names with wrong upper or lower
case, because different parsers read such names differently.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from gateway.object_storage.link_error import LinkError

_MAX_EXPIRES_S = 2_592_000

_SLASH = "(?:/|%2[Ff])"
# Free text. The percent-encoded delimiters &, # and % are not allowed. A parser that decodes the query before
# it splits the query would split the text at such a delimiter. An apostrophe is not allowed, because browsers
# encode it.
_TEXT = re.compile(
    r"(?:[A-Za-z0-9\-._~:/@!$()*,]|%(?:2[0-247-9A-Fa-f]|[3-689A-Fa-f][0-9A-Fa-f]|7[0-9A-Ea-e]))+"
)
_REQUIRED = {
    "X-Amz-Algorithm": re.compile("AWS4-HMAC-SHA256"),
    "X-Amz-Credential": re.compile(
        rf"[A-Za-z0-9_-]+{_SLASH}([0-9]{{8}}){_SLASH}[a-z0-9-]+{_SLASH}s3{_SLASH}aws4_request"
    ),
    "X-Amz-Date": re.compile("([0-9]{8})T(?:[01][0-9]|2[0-3])[0-5][0-9][0-5][0-9]Z"),
    "X-Amz-Expires": re.compile("[1-9][0-9]{0,6}"),
    # The host is always signed (https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html).
    "X-Amz-SignedHeaders": re.compile("(?:[a-z0-9-]+%3[Bb])*host(?:%3[Bb][a-z0-9-]+)*"),
    "X-Amz-Signature": re.compile("[0-9a-f]{64}"),
}
# Parameters that SDKs add, and parameters that override response headers. They do not change the bytes of the
# response.
_OPTIONAL = {
    "X-Amz-Security-Token": _TEXT,
    "X-Amz-Content-Sha256": re.compile("UNSIGNED-PAYLOAD"),
    "x-amz-checksum-mode": re.compile("ENABLED"),
    "x-id": re.compile("GetObject"),
    "response-cache-control": _TEXT,
    "response-content-disposition": _TEXT,
    "response-content-language": _TEXT,
    "response-content-type": _TEXT,
    "response-expires": _TEXT,
}
_FORMS = _REQUIRED | _OPTIONAL
_IN_LOWER_CASE = {name.lower(): name for name in _FORMS}
# The parameters `partNumber` and `versionId` select a part or an older version of the object. The parameter
# `response-content-encoding` makes a client decompress the bytes before the client checks the bytes.
_SELECT_OTHER_BYTES = ("partNumber", "response-content-encoding", "versionId")


def parse_signature(query: str) -> datetime:
    """Return the time when the signature of a pre-signed link expires.

    Args:
        query: the text after the first '?' in the link, not decoded. It must contain only characters that are
            allowed in links.

    Raises:
        LinkError: the query does not have exactly one complete signature, or has a parameter that is not
            allowed.
    """
    values = _read_parameters(query)
    missing = _REQUIRED.keys() - values.keys()
    if missing:
        raise LinkError(f"the signature lacks {', '.join(sorted(missing))}; copy the pre-signed link whole")
    if values["X-Amz-Date"][1] != values["X-Amz-Credential"][1]:
        raise LinkError("X-Amz-Credential has another date than X-Amz-Date; copy the pre-signed link whole")
    return _add_lifetime(values["X-Amz-Date"][0], int(values["X-Amz-Expires"][0]))


def _read_parameters(query: str) -> dict[str, re.Match[str]]:
    if not query:
        raise LinkError("the link has an empty query; leave out '?'")
    values: dict[str, re.Match[str]] = {}
    for parameter in query.split("&"):
        name, _, value = parameter.partition("=")
        form = _FORMS.get(name)
        if form is None:
            raise LinkError(_find_fault_in_name(name))
        if name in values:
            raise LinkError(f"the query has {name} twice; keep the one that was signed")
        match = form.fullmatch(value)
        if match is None:
            raise LinkError(f"the value of {name} is malformed; copy the pre-signed link whole")
        values[name] = match
    return values


def _find_fault_in_name(name: str) -> str:
    if name in _SELECT_OTHER_BYTES:
        return f"the parameter {name} selects other bytes than the object's own; leave it out"
    if "%" in name:
        return "the query has a percent-encoded name; write names plainly"
    meant = _IN_LOWER_CASE.get(name.lower())
    if meant is not None:
        return f"the query has {meant} in another case; write it exactly so"
    return "the query has a parameter that is no part of a signature; leave it out"


def _add_lifetime(signed_at: str, expires_s: int) -> datetime:
    if expires_s > _MAX_EXPIRES_S:
        raise LinkError(f"X-Amz-Expires is more than {_MAX_EXPIRES_S} seconds; sign for a shorter time")
    try:
        return datetime.fromisoformat(signed_at) + timedelta(seconds=expires_s)
    except (ValueError, OverflowError) as error:
        raise LinkError("X-Amz-Date is not a valid date; copy the pre-signed link whole") from error
