"""Python code for parts of expressions."""

from __future__ import annotations

import pytest

from gateway.expressions import EvaluationError
from gateway.expressions.python_code import MAX_LENGTH, PythonCode, entry, to_function, undecided


def test_code_reads_variables_iterations_and_entries() -> None:
    evaluate = to_function(PythonCode("(entry(v['m'], t['k']), len(v['m']))"))
    assert evaluate is not None
    assert evaluate({"m": {"a": 1}}, {"k": "a"}) == (1, 1)
    with pytest.raises(KeyError):
        evaluate({}, {})
    with pytest.raises(EvaluationError, match="Key not found in map"):
        evaluate({"m": {}}, {"k": "a"})


@pytest.mark.parametrize("name", ["open", "__import__", "print", "eval"])
def test_code_has_no_builtin_functions(name: str) -> None:
    evaluate = to_function(PythonCode(name))
    assert evaluate is not None
    with pytest.raises(NameError):
        evaluate({}, {})


@pytest.mark.parametrize(
    "text", ["1 + " * MAX_LENGTH + "1", "(" * 300 + "1" + ")" * 300], ids=["long", "nested"]
)
def test_code_that_is_too_long_or_nested_is_not_used(text: str) -> None:
    assert to_function(PythonCode(text)) is None


def test_a_text_that_looks_like_code_stays_a_text() -> None:
    text = "v['request'].labels"
    evaluate = to_function(PythonCode(f"({text!r}, v['text'])"))
    assert evaluate is not None
    assert evaluate({"text": "x"}, {}) == (text, "x")


@pytest.mark.parametrize("key", ["b", 1, None, [], "\ud800"])
def test_an_entry_that_is_not_there_is_an_error(key: object) -> None:
    with pytest.raises(EvaluationError):
        entry({"a": 1}, key)


def test_an_undecided_part_is_an_error() -> None:
    with pytest.raises(EvaluationError):
        undecided()
