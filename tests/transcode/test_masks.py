"""The field mask of a PATCH request that sets none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

_BOOK = "/v1/shelves/1/books/2"


@pytest.mark.parametrize(
    ("http_method", "raw", "body", "paths"),
    [
        ("PATCH", _BOOK, b'{"pageCount":5}', ["page_count"]),
        ("PATCH", _BOOK, b'{"page_count":0,"byRoad":null}', ["page_count", "by_road"]),
        (
            "PATCH",
            _BOOK,
            b'{"inner":{"name":"x","inner":{"pageCount":1}}}',
            ["inner.name", "inner.inner.page_count"],
        ),
        ("PATCH", _BOOK, b'{"inner":{}}', ["inner"]),
        ("PATCH", _BOOK, b"{}", []),
        ("PATCH", _BOOK, b"", []),
        ("PATCH", f"{_BOOK}?mask=name", b'{"pageCount":5}', ["name"]),
        ("PATCH", f"{_BOOK}?mask=", b'{"pageCount":5}', []),
        ("PUT", _BOOK, b'{"inner":{"pageCount":5}}', []),
    ],
)
def test_mask(bind: Callable[..., Any], http_method: str, raw: str, body: bytes, paths: list[str]) -> None:
    assert list(bind(http_method, raw, body).mask.paths) == paths
