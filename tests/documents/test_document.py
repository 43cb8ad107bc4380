"""Positions of values in their file."""

from __future__ import annotations

import pytest

from gateway.documents import SourceFile, load_documents, split_lines
from gateway.faults import Position

_TEXT = """\
a:
  b: [x, {c: 1}]
  d: text
e: "quoted"
f: |
  first
  second
"""


@pytest.mark.parametrize(
    ("path", "line", "column"),
    [
        ((), 1, 1),
        (("a",), 1, 1),
        (("a", "b"), 2, 3),
        (("a", "b", 0), 2, 7),
        (("a", "b", 1), 2, 10),
        (("a", "b", 1, "c"), 2, 11),
        (("a", "d"), 3, 3),
        (("a", "nome"), 1, 1),
        (("a", "b", 7, "x"), 2, 3),
        (("nome", "x"), 1, 1),
    ],
)
def test_position(path: tuple[str | int, ...], line: int, column: int) -> None:
    (document,) = load_documents(_TEXT, "f.yaml")
    assert document.position(path) == Position("f.yaml", line, column)


@pytest.mark.parametrize(
    ("path", "line", "column", "found"),
    [
        (("a", "d"), 1, 3, (3, 8)),
        (("e",), 1, 1, (4, 5)),
        (("f",), 2, 4, (7, 6)),
        (("a",), 1, 3, (1, 1)),
    ],
)
def test_a_place_within_a_text(
    path: tuple[str | int, ...], line: int, column: int, found: tuple[int, int]
) -> None:
    (document,) = load_documents(_TEXT, "f.yaml")
    assert document.position_within(path, line, column) == Position("f.yaml", *found)


def test_keys_that_a_document_has() -> None:
    (document,) = load_documents(_TEXT, "f.yaml")
    assert ("a", "b", 1, "c") in document.positions
    assert ("a", "nome") not in document.positions


@pytest.mark.parametrize("text", ["a\nb", "a\r\nb", "a\rb", "a\x85b", "a\u2028b", "a\u2029b"])
def test_lines_end_where_yaml_ends_them(text: str) -> None:
    assert split_lines(text) == ("a", "b")


def test_a_position_has_the_text_of_its_line() -> None:
    file = SourceFile("f.yaml", ("a: 1", "b: 2"))
    assert [file.position(line, 1).source for line in (1, 2, 3)] == ["a: 1", "b: 2", ""]
