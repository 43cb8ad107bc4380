"""Operators and words of other languages."""

from __future__ import annotations

import pytest

from gateway.expressions.word_advice import find_word_advice


@pytest.mark.parametrize(
    ("text", "line", "column", "word"),
    [
        ("a = b", 1, 3, "=="),
        ("a === b", 1, 3, "=="),
        ("a and b", 1, 3, "&&"),
        ("a ||\n b or c", 2, 4, "||"),
        ("not a", 1, 1, "!"),
        ("a <> b", 1, 3, "!="),
        ("a =~ 'x'", 1, 3, "matches"),
    ],
)
def test_the_first_foreign_word_gets_advice(text: str, line: int, column: int, word: str) -> None:
    advice = find_word_advice(text)
    assert advice is not None
    assert (advice.line, advice.column) == (line, column)
    assert word in advice.message


@pytest.mark.parametrize("text", ["a == b && c", "'a = b'", '"x and y"', "a // = b", "r'=' == b"])
def test_texts_and_comments_are_passed_over(text: str) -> None:
    assert find_word_advice(text) is None
