"""The line below a fault, with its caret under the right character."""

from __future__ import annotations

import pytest

from gateway.cli.fault_excerpt import Excerpt, make_excerpt
from gateway.faults import Position

LONG = "x" * 300


@pytest.mark.parametrize(
    ("source", "column", "text", "offset"),
    [
        ("  assert: x", 11, "  assert: x", 10),
        ("x ==", 5, "x ==", 4),
        ("\tx: y", 2, " x: y", 1),
        ("имя: x", 6, "имя: x", 5),
        ("名前: x", 5, "名前: x", 6),
        ("e\u0301: x", 4, "e\u0301: x", 2),
        ("a\x1b[31mb\u202ec: x", 9, "a\ufffd[31mb\ufffdc: x", 8),
        (LONG, 1, LONG[:120] + "…", 0),
        (LONG, 200, "…" + LONG[:120] + "…", 61),
        (LONG, 300, "…" + LONG[:61], 61),
    ],
)
def test_shows_a_line_with_the_place_of_the_caret(source: str, column: int, text: str, offset: int) -> None:
    assert make_excerpt(Position("f", 1, column, source)) == Excerpt(text, offset)


@pytest.mark.parametrize(("source", "column"), [("", 1), ("  ", 1), ("a: b", 0)])
def test_shows_nothing_without_a_line(source: str, column: int) -> None:
    assert make_excerpt(Position("f", 1, column, source)) is None


LINK = "uri: https://storage.yandexcloud.net/b/k?X-Amz-Signature=5f5c more"


def test_hides_secrets() -> None:
    assert make_excerpt(Position("f", 1, 1, LINK)) == Excerpt(
        "uri: https://storage.yandexcloud.net/b/k?… more", 0
    )
    after = LINK.index(" more")
    found = make_excerpt(Position("f", 1, after + 2, LINK))
    assert found == Excerpt("uri: https://storage.yandexcloud.net/b/k?… more", LINK.index("?") + 3)
    assert make_excerpt(Position("f", 1, LINK.index("5f5c") + 2, LINK)) in {
        None,
        Excerpt("uri: https://storage.yandexcloud.net/b/k?… more", LINK.index("?") + 2),
    }
