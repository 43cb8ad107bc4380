"""The order and the pages of a listing.

A page token contains the sort key of the last returned entry, not the number of returned
entries. Therefore no entry is skipped or repeated if entries are added or removed between
two requests. A page token also identifies its listing. A request is refused if its token
was created for another listing, such as a listing with a different filter or order.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Generic, TypeVar

from gateway.emulator.status_error import invalid_argument

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

DEFAULT_SIZE = 20
MAXIMUM_SIZE = 1000
COLUMNS = ("id", "name", "createdAt")
DEFAULT_ORDER = "id asc"

_DIRECTIONS = {"asc": False, "desc": True}
_ORDER_WORDS = 2

Key = tuple[str, str]
"""The sort key of an entry: the value of the column, followed by a unique value."""

_Entry = TypeVar("_Entry")


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """The column that a listing is sorted by, and the sort direction."""

    column: str
    descending: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """The requested page of a listing.

    Attributes:
        size: the maximum number of entries; 0 means the default.
        token: the `next_page_token` of the previous page; empty for the first page.
        listing: the parameters that identify the listing, such as the filter and the order.
    """

    size: int
    token: str
    listing: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[_Entry]):
    """The entries of one page, and the token of the next page. On the last page, the token is empty."""

    entries: tuple[_Entry, ...]
    next_token: str


def parse_order(text: str, columns: Sequence[str] = COLUMNS, default: str = DEFAULT_ORDER) -> Order:
    """Parse `order_by`, which consists of a column and a direction.

    Args:
        text: the text of the field; empty for the default.
        columns: the columns that a listing can be sorted by.
        default: the order if the text is empty.

    Raises:
        StatusError: the text does not have this form. The status code is INVALID_ARGUMENT.
    """
    words = (text or default).split()
    if len(words) != _ORDER_WORDS or words[0] not in columns or words[1] not in _DIRECTIONS:
        raise invalid_argument(
            f"order_by: {text!r} is not one of {', '.join(columns)} followed by asc or desc"
        )
    return Order(column=words[0], descending=_DIRECTIONS[words[1]])


def paginate(
    entries: Iterable[_Entry], key: Callable[[_Entry], Key], request: PageRequest, *, descending: bool
) -> Page[_Entry]:
    """Sort the entries and return the requested page.

    Raises:
        StatusError: the size or the token is invalid. The status code is INVALID_ARGUMENT.
    """
    size = _size(request.size)
    ordered = sorted(entries, key=key, reverse=descending)
    if request.token:
        last = _parse_token(request)
        ordered = [one for one in ordered if (key(one) < last if descending else key(one) > last)]
    page = tuple(ordered[:size])
    more = len(ordered) > size
    return Page(entries=page, next_token=_make_token(request, key(page[-1])) if more else "")


def _size(size: int) -> int:
    if not 0 <= size <= MAXIMUM_SIZE:
        raise invalid_argument(f"page_size: {size} is not between 0 and {MAXIMUM_SIZE}")
    return size or DEFAULT_SIZE


def _make_token(request: PageRequest, last: Key) -> str:
    return urlsafe_b64encode(json.dumps([_fingerprint(request), *last]).encode()).decode()


def _parse_token(request: PageRequest) -> Key:
    try:
        match json.loads(urlsafe_b64decode(request.token.encode())):
            case [fingerprint, str(value), str(tie)] if fingerprint == _fingerprint(request):
                return value, tie
    except (Base64Error, ValueError, RecursionError):
        pass
    raise invalid_argument(f"page_token: {request.token!r} is no token of this listing")


def _fingerprint(request: PageRequest) -> str:
    return sha256(json.dumps(request.listing).encode()).hexdigest()[:16]
