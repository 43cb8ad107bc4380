from __future__ import annotations

from base64 import urlsafe_b64encode

import pytest

from gateway.emulator.paging import Key, Order, Page, PageRequest, paginate, parse_order
from gateway.emulator.status_error import StatusError
from gateway.errors import Code

ORDERS = [
    ("", "id", False),
    ("id asc", "id", False),
    ("id desc", "id", True),
    ("name  asc", "name", False),
    ("createdAt desc", "createdAt", True),
]
BAD_ORDERS = ["name", "asc", "created_at asc", "name up", "name asc id asc", "NAME asc", " "]
BAD_TOKENS = ["x", "!", "ж", "e30=", urlsafe_b64encode(b'["0123456789abcdef","a","b"]').decode(), "W1tbW1s="]


def request(size: int = 0, token: str = "", listing: tuple[str, ...] = ("all",)) -> PageRequest:
    return PageRequest(size=size, token=token, listing=listing)


def key(entry: str) -> Key:
    """Order by the first letter and tell equal ones apart by the rest."""
    return entry[0], entry[1:]


def page_of(entries: list[str], wanted: PageRequest, *, descending: bool = False) -> Page[str]:
    return paginate(entries, key, wanted, descending=descending)


def walk(entries: list[str], size: int, *, descending: bool) -> list[tuple[str, ...]]:
    pages: list[tuple[str, ...]] = []
    token = ""
    while not pages or token:
        page = page_of(entries, request(size, token), descending=descending)
        pages.append(page.entries)
        token = page.next_token
    return pages


@pytest.mark.parametrize(("text", "column", "descending"), ORDERS)
def test_parse_order(text: str, column: str, *, descending: bool) -> None:
    assert parse_order(text) == Order(column=column, descending=descending)


@pytest.mark.parametrize("text", BAD_ORDERS)
def test_parse_order_refuses(text: str) -> None:
    with pytest.raises(StatusError) as caught:
        parse_order(text)
    assert caught.value.code is Code.INVALID_ARGUMENT
    assert repr(text) in caught.value.message


@pytest.mark.parametrize(
    ("descending", "pages"),
    [
        (False, [("a1", "a2"), ("a3", "b1"), ("c1",)]),
        (True, [("c1", "b1"), ("a3", "a2"), ("a1",)]),
    ],
)
def test_walks_all_pages(pages: list[tuple[str, ...]], *, descending: bool) -> None:
    assert walk(["b1", "a2", "c1", "a1", "a3"], 2, descending=descending) == pages


def test_last_full_page_has_no_token() -> None:
    assert walk(["a1", "a2", "a3", "a4"], 2, descending=False) == [("a1", "a2"), ("a3", "a4")]


def test_nothing_to_list() -> None:
    assert page_of([], request()) == Page(entries=(), next_token="")


def test_default_size() -> None:
    assert len(page_of([f"a{n:03}" for n in range(50)], request()).entries) == 20


@pytest.mark.parametrize("size", [-1, 1001])
def test_refuses_sizes_out_of_range(size: int) -> None:
    with pytest.raises(StatusError, match=f"page_size: {size} ") as caught:
        page_of([], request(size))
    assert caught.value.code is Code.INVALID_ARGUMENT


def test_goes_on_where_the_page_before_ended_when_entries_come_and_go() -> None:
    first = page_of(["a1", "a3", "a5"], request(2))
    second = page_of(["a0", "a4", "a5"], request(2, first.next_token))
    assert (first.entries, second.entries) == (("a1", "a3"), ("a4", "a5"))


@pytest.mark.parametrize("token", BAD_TOKENS)
def test_refuses_bad_tokens(token: str) -> None:
    with pytest.raises(StatusError, match="page_token") as caught:
        page_of(["a1"], request(1, token))
    assert caught.value.code is Code.INVALID_ARGUMENT


def test_refuses_the_token_of_another_listing() -> None:
    token = page_of(["a1", "a2"], request(1)).next_token
    with pytest.raises(StatusError, match="page_token"):
        page_of(["a1", "a2"], request(1, token, ("other",)))
