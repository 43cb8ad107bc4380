"""Words of other languages in an expression, without a compiler."""

from __future__ import annotations

import pytest

from gateway.expressions.word_advice import WordAdvice, find_word_advice

FOUND = [
    ("a = b", WordAdvice(1, 3, "to compare, write == instead of =")),
    ("a == b\n  AND c", WordAdvice(2, 3, "write && instead of and")),
    ("not a", WordAdvice(1, 1, "write ! instead of not, as !(condition)")),
    ("a not in b", WordAdvice(1, 3, "write !(value in list) instead of value not in list")),
    ("a === b", WordAdvice(1, 3, "to compare, write == instead of ===")),
    ("a == «b»", WordAdvice(1, 6, "a text has straight quotes, \" or ', instead of «")),
    ("not(a)", WordAdvice(1, 1, "write ! instead of not, as !(condition)")),
]


@pytest.mark.parametrize(("text", "advice"), FOUND)
def test_the_first_word_of_another_language_is_found(text: str, advice: WordAdvice) -> None:
    assert find_word_advice(text) == advice


@pytest.mark.parametrize(
    "text",
    [
        "a == b && c",
        "a == 'and'",
        '"""x = y"""',
        "a // and = b",
        "request.not",
        "request.is == 'x'",
        "if(a)",
        r"'\'or'",
    ],
)
def test_texts_comments_and_names_are_skipped(text: str) -> None:
    assert find_word_advice(text) is None
