"""A call that a person wants to try, as the API page sends it."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

# Headers that describe the connection, or that name another sender. The HTTP client of the gateway sets them.
_RESERVED = re.compile(
    r"host|connection|keep-alive|content-length|transfer-encoding|upgrade|te|trailer|expect|accept-encoding"
    r"|forwarded|via|x-forwarded-.*|x-real-ip|cookie|origin|referer|user-agent|sec-.*|proxy-.*"
)
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
_HEADER_VALUE = re.compile(r"[\x20-\x7e]*")
_PATH = re.compile(r"/[\x21\x22\x24-\x7e]*")
_MAX_HEADERS = 64


def _check_path(text: str) -> str:
    if not _PATH.fullmatch(text):
        raise ValueError("starts with / and consists of visible ASCII characters, without #")
    return text


def _check_header(pair: tuple[str, str]) -> tuple[str, str]:
    name, value = pair
    if not _HEADER_NAME.fullmatch(name) or _RESERVED.fullmatch(name.lower()):
        raise ValueError("a header has no valid name, or one that the gateway sets itself")
    if not _HEADER_VALUE.fullmatch(value):
        raise ValueError("the value of a header consists of visible ASCII characters")
    return name, value


class TriedCall(BaseModel):
    """A call to try.

    Attributes:
        path: the path and the query, percent-encoded.
        headers: the names and values of the headers. They may contain credentials of the person.
        body: the body; None for a request without a body.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: Annotated[str, AfterValidator(_check_path)]
    headers: Annotated[
        list[Annotated[tuple[str, str], AfterValidator(_check_header)]], Field(max_length=_MAX_HEADERS)
    ] = Field([], repr=False)
    body: str | None = Field(None, repr=False)


def parse_tried_call(data: bytes) -> TriedCall:
    """Parse the JSON text of a call to try.

    Raises:
        ValueError: the text is not such a call. The message names what is wrong, and quotes no value.
    """
    try:
        return TriedCall.model_validate_json(data)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        texts = (f"{'.'.join(map(str, one['loc'])) or 'body'}: {one['msg']}" for one in found[:8])
        raise ValueError("; ".join(texts)) from None
