"""The form of a page that a request accepts."""

from __future__ import annotations

import pytest
from aiohttp.test_utils import make_mocked_request

from gateway.listeners.http.status_page.accepted import accepts

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.parametrize(
    ("header", "content_type", "expected"),
    [
        ("application/json", "application/json", True),
        ("Application/JSON; charset=utf-8", "application/json", True),
        ("text/plain, application/json;q=0.5", "application/json", True),
        ("application/json;q=0", "application/json", False),
        ("application/json-patch", "application/json", False),
        ("*/*", "application/json", False),
        ("", "application/json", False),
        (BROWSER, "text/html", True),
        (BROWSER, "application/json", False),
    ],
)
def test_a_content_type_is_accepted_if_it_is_named(header: str, content_type: str, *, expected: bool) -> None:
    request = make_mocked_request("GET", "/", headers={"Accept": header})
    assert accepts(request, content_type) is expected


def test_without_the_header_nothing_is_named() -> None:
    assert not accepts(make_mocked_request("GET", "/"), "text/html")
