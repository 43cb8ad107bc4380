"""Columns of values and columns of files: the caret of a fault is under the right character."""

from __future__ import annotations

import pytest

from gateway.documents import load_documents

# A file with one text, in which `here` stands once in the value and once in the file.
TEXTS = {
    "plain": "a: some text here, too",
    "plain with a comment": "a: some here # a comment",
    "plain over two lines": "a: some text\n  and here, too",
    "plain over two lines, on the first": "a: some here\n  and text",
    "plain over an empty line": "a: some text\n\n  and here",
    "single quotes": "a: 'some here'",
    "doubled quotes before it": "a: 'it''s ''not'' here'",
    "double quotes": 'a: "some here"',
    "escapes before it": 'a: "\\"x\\" \\u00e9 \\x41 here"',
    "quotes over two lines": "a: 'some text\n   and here'",
    "literal": "a: |\n  some here",
    "literal, second line": "a: |\n  some text\n    and here",
    "literal with a hint of its indentation": "b: 1\na: |-\n      some\n\n      here",
    "folded, first line": "a: >-\n  some here\n  and text",
    "folded, second line": "a: >-\n  some text\n  and here, too",
    "folded over an empty line": "a: >-\n  some text\n\n  and here",
    "in a list": "- b\n- a: 'x here'",
    "wide characters before it": "a: 'имя 名 here'",
}


@pytest.mark.parametrize("name", TEXTS)
def test_the_place_of_a_word_in_the_file(name: str) -> None:
    text = TEXTS[name]
    (document,) = load_documents(text, "f.yaml")
    path = (1, "a") if isinstance(document.value, list) else ("a",)
    value = document.value[1]["a"] if isinstance(document.value, list) else document.value["a"]
    before = value[: value.index("here")]
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    found = document.position_within(path, line, column)
    assert found.source[found.column - 1 :].startswith("here")
    assert found.source == text.split("\n")[found.line - 1]


@pytest.mark.parametrize(
    ("text", "within", "place"),
    [
        ("a: x ==\nb: 1", (1, 5), (1, 8)),
        ("a: x == # why\nb: 1", (1, 5), (1, 8)),
        ("a: 'x =='\nb: 1", (1, 5), (1, 9)),
        ("a: ''\nb: 1", (1, 1), (1, 4)),
        ("a:\nb: 1", (1, 1), (1, 3)),
        ("a: |\n  x ==\nb: 1", (1, 5), (2, 7)),
        ("a: >-\n  x\n  ==\nb: 1", (1, 5), (3, 5)),
    ],
)
def test_a_place_after_the_end_is_right_after_it(
    text: str, within: tuple[int, int], place: tuple[int, int]
) -> None:
    (document,) = load_documents(text, "f.yaml")
    found = document.position_within(("a",), *within)
    assert (found.line, found.column) == place


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\x85", "\u2028", "\u2029"])
def test_lines_end_where_yaml_says(end: str) -> None:
    (document,) = load_documents(f"a: 1{end}b: 2{end}", "f.yaml")
    found = document.position(("b",))
    assert (found.line, found.column, found.source) == (2, 1, "b: 2")
