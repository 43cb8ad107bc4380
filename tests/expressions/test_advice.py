"""Ordinary mistakes in expressions: each is answered with what to write."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cel_expr_python import cel

from gateway.expressions import Environment, ExpressionError, Problem
from gateway.expressions.advice import CEL_FUNCTIONS

if TYPE_CHECKING:
    pass


def problems(environment: Environment, text: str, returns: cel.Type = cel.Type.BOOL) -> list[Problem]:
    with pytest.raises(ExpressionError) as caught:
        environment.compile(text, returns)
    return caught.value.problems


def said_about(environment: Environment, text: str) -> str:
    """What is wrong with an expression; nothing when it compiles."""
    try:
        environment.compile(text)
    except ExpressionError as error:
        return str(error)
    return ""


# A mistake → line and column of the advice, and the advice.
WORDS = {
    "=": ('request.name = "a"', 1, 14, "to compare, write == instead of ="),
    "===": ('request.name === "a"', 1, 14, "to compare, write == instead of ==="),
    "curly quotes": ("request.name == “a”", 1, 17, "a text has straight quotes, \" or ', instead of “"),
    "<>": ('request.name <> "a"', 1, 14, "to compare, write != instead of <>"),
    "=~": ('request.name =~ "a"', 1, 14, "to match a pattern, write text.matches(pattern) instead of =~"),
    "and": ('request.name == "a" and request.uri == "b"', 1, 21, "write && instead of and"),
    "AND on the next line": (
        'request.name == "a"\n  AND request.uri == "b"',
        2,
        3,
        "write && instead of and",
    ),
    "or": ('request.name == "and" or true', 1, 23, "write || instead of or"),
    "not": ("not has(request.name)", 1, 1, "write ! instead of not, as !(condition)"),
    "not in": ('"a" not in request.labels', 1, 5, "write !(value in list) instead of value not in list"),
    "is": ('request.name is "a"', 1, 14, "to compare, write == instead of is"),
    "one &": ("request.name == '' & true", 1, 20, "write && instead of &"),
    "if": ("if request.name == '' then true", 1, 1, "write condition ? value : other instead of if"),
    "a word after a text and a comment": (
        "'it is = not' == '' // and so on\n and true",
        2,
        2,
        "write && instead of and",
    ),
}


@pytest.mark.parametrize("name", WORDS)
def test_words_of_other_languages(environment: Environment, name: str) -> None:
    text, line, column, message = WORDS[name]
    assert problems(environment, text) == [Problem(line, column, message)]


NAMES = {
    "not, as a function": ("true && not (request.name == '')", 9, "write ! instead of not, as !(condition)"),
    "another case": ("request.name.startswith('a')", 14, "did you mean startsWith?"),
    "another case of a function of ours": ("request.uri.incidr('10.0.0.0/8')", 13, "did you mean inCidr?"),
    "a macro": ("request.labels.exist(key, true)", 16, "did you mean exists?"),
    "a macro of another name": ("request.labels.any('k')", 16, "did you mean exists?"),
    "a function of another name": ("len(request.name) == 1", 1, "did you mean size?"),
    "a truth value": ("request.name == '' || True", 23, "did you mean true?"),
    "None": ("request.name == None", 17, "did you mean null?"),
    "a variable": ("requst.name == ''", 1, "did you mean request?"),
    "a field": ("request.lables.size() == 1", 9, "did you mean labels?"),
    "a field of the request": ("name == ''", 1, "did you mean request.name?"),
    "a parameter": ("'a' in params.name", 8, "did you mean params.names?"),
    "called on its own": (
        "startsWith(request.name, 'a')",
        1,
        "startsWith is called on a value, as value.startsWith(…)",
    ),
    "called on a value": (
        "request.labels.has('a')",
        16,
        'has is called on its own, as has(request.field); for a key of a map, "key" in request.labels',
    ),
    "not called": ("size == 1", 1, "size is a function: call it, as value.size(…)"),
    "other arguments": (
        "request.name.matches('a', 1)",
        14,
        "matches takes other arguments, as value.matches(…)",
    ),
    "what CEL has no function for": (
        "request.labels.get('a') == 'b'",
        16,
        'read a key of a map as map["key"], where "key" in map is true',
    ),
}


@pytest.mark.parametrize("name", NAMES)
def test_names_that_are_almost_right(environment: Environment, name: str) -> None:
    text, column, advice = NAMES[name]
    found = [one for one in problems(environment, text) if one.message.endswith(f"; {advice}")]
    assert [(one.line, one.column) for one in found] == [(1, column)]


@pytest.mark.parametrize("name", sorted(CEL_FUNCTIONS))
def test_never_suggests_the_word_that_was_written(environment: Environment, name: str) -> None:
    texts = (f"{name}(request)", f"request.{name}(1, 2, 3, 4)", f"{name} == 1", f"request.name.{name}()")
    for text in texts:
        assert f"did you mean {name}?" not in said_about(environment, text), text


@pytest.mark.parametrize("name", sorted(CEL_FUNCTIONS))
def test_the_functions_that_are_suggested_exist(environment: Environment, name: str) -> None:
    """The engine knows each of them in some form: as a macro, a function or a member."""
    attempts = [f"{name}(1)", f"{name}('a')", f"{name}(request.name)", f"{name}(now)"]
    for target in ("'a'", "['a']", "now"):
        attempts += [
            f"{target}.{name}({inner})" for inner in ("", "'a'", "['a']", "0", "0, 1", "x, true", "'a', 'b'")
        ]
    for text in attempts:
        try:
            environment.compile(text)
        except ExpressionError:
            continue
        return
    pytest.fail(f"no form of {name} compiles")


TIMES = {
    "a time and a date": ('now > "2026-01-01"', 'timestamp("2026-01-01T00:00:00Z")'),
    "a date and a time": ("'2026-01-01' <= now", 'timestamp("2026-01-01T00:00:00Z")'),
    "a date without quotes": ("now < 2026-06-30", 'timestamp("2026-06-30T00:00:00Z")'),
    "a time of day": ('now > "2026-01-01T18:00:00Z"', 'timestamp("2026-01-01T18:00:00Z")'),
    "a text that is no date": ("now > request.name", 'timestamp("2026-12-31T00:00:00Z")'),
}
DURATIONS = {
    "a text": ('now - now > "1h30m"', 'duration("1h30m")'),
    "seconds": ("now - now > 3600", 'duration("3600s")'),
    "days": ('now - now > "7d"', 'duration("168h")'),
    "days in words": ('now - now > "2 days"', 'duration("48h")'),
    "something else": ("now - now > request.name", 'duration("24h")'),
}


@pytest.mark.parametrize("name", TIMES)
def test_a_time_compared_with_a_text(environment: Environment, name: str) -> None:
    text, literal = TIMES[name]
    (problem,) = problems(environment, text)
    assert problem.message.endswith(f"; compare a time with a time, as {literal}")
    environment.compile(f"now > {literal}", cel.Type.BOOL)


@pytest.mark.parametrize("name", DURATIONS)
def test_a_duration_compared_with_a_text(environment: Environment, name: str) -> None:
    text, literal = DURATIONS[name]
    (problem,) = problems(environment, text)
    assert problem.message.endswith(f"; compare a duration with a duration, as {literal}")
    environment.compile(f"now - now > {literal}", cel.Type.BOOL)


TYPES = {
    "a text and a number": ("request.name + 1 == ''", "convert the other value with string(…)"),
    "a text in a text": (
        "'x' in request.name",
        "to find a part of a text, use text.contains(part)",
    ),
    "contains of a list": (
        "params.names.contains('x')",
        "to find a value in a list, use value in list",
    ),
    "null": (
        "request.name == null",
        'a field that is not set is empty and not null: use has(request.field), or compare with ""',
    ),
    "a number and a text": (
        "request.name == 1",
        "compare values of one type: int(…) reads a number, string(…) writes one",
    ),
}


@pytest.mark.parametrize("name", TYPES)
def test_values_of_other_types(environment: Environment, name: str) -> None:
    text, advice = TYPES[name]
    (problem,) = problems(environment, text)
    assert problem.message.endswith(f"; {advice}")


@pytest.mark.parametrize(
    "text",
    ["forbidden", "the name is wrong", "denied!", "not allowed", "request a name, please.", "team or owner"],
)
def test_a_text_without_quotes_of_its_own(environment: Environment, text: str) -> None:
    (problem,) = problems(environment, text, cel.Type.STRING)
    assert problem == Problem(
        1, 1, f"a text is an expression too: put it in quotes of its own, as '\"{text}\"'"
    )
    environment.compile(f'"{text}"', cel.Type.STRING)


@pytest.mark.parametrize(
    ("text", "message"),
    [("request.nam", "did you mean name?"), ("'a' + 1", "string(…)"), ("request.name = 'a'", "write ==")],
)
def test_an_expression_of_a_text_is_no_bare_text(environment: Environment, text: str, message: str) -> None:
    (problem,) = problems(environment, text, cel.Type.STRING)
    assert message in problem.message
