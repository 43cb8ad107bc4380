"""Advice for expressions that do not compile.

The engine only reports what it did not expect. The advice says what the author
probably wanted to write. Typical mistakes are a word of another language, a name in the
wrong case, and a comparison of a time with a text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING

from gateway.expressions.word_advice import find_word_advice
from gateway.schema.well_known import DURATION, TIMESTAMP

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gateway.expressions.errors import Problem

# The names are from https://github.com/google/cel-spec/blob/master/doc/langdef.md and from the engine's
# extensions.
_ON_THEIR_OWN = frozenset({
    "bool", "bytes", "double", "duration", "dyn", "has", "int", "string", "timestamp", "type", "uint",
})  # fmt: skip
_ON_A_VALUE = frozenset({
    "all", "charAt", "contains", "distinct", "endsWith", "exists", "exists_one", "filter", "first", "flatten",
    "format", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear", "getFullYear", "getHours",
    "getMilliseconds", "getMinutes", "getMonth", "getSeconds", "indexOf", "join", "last", "lastIndexOf",
    "lowerAscii", "map", "replace", "reverse", "slice", "sort", "split", "startsWith", "substring", "trim",
    "upperAscii",
})  # fmt: skip
CEL_FUNCTIONS = _ON_THEIR_OWN | _ON_A_VALUE | {"matches", "size"}
"""The functions and macros of CEL that expressions can call."""
# A word of another language, in lower case → the CEL word that has the same meaning.
_OTHER_WORDS = {
    other: name
    for name, others in {
        "exists": ("any", "some"),
        "size": ("count", "len", "length"),
        "timestamp": ("datetime", "date"),
        "has": ("defined", "isset"),
        "false": ("false",),
        "double": ("float",),
        "contains": ("includes",),
        "lowerAscii": ("lower", "tolower", "tolowercase"),
        "matches": ("match", "regex"),
        "null": ("nil", "none", "null"),
        "string": ("str",),
        "trim": ("strip",),
        "upperAscii": ("toupper", "touppercase", "upper"),
        "true": ("true",),
    }.items()
    for other in others
}
# A function that CEL does not have → what to write instead.
_MISSING = {
    "get": 'read a key of a map as map["key"], where "key" in map is true',
    "keys": "a map is a list of its keys already, as map.exists(key, …)",
    "values": "the values of a map are map.map(key, map[key])",
    "hasKey": 'use "key" in map',
    "containsKey": 'use "key" in map',
    "isEmpty": "use size(value) == 0",
    "not": "write ! instead of not, as !(condition)",
}

_UNDECLARED = re.compile(r"undeclared reference to '([^']+)'")
_UNDEFINED = re.compile(r"undefined field '([^']+)' not found in struct '([^']+)'")
_OVERLOAD = re.compile(r"found no matching overload for '([^']+)' applied to '\((.*)\)'")
_NOTHING_PARSED = "<<nil>> parsetree"
_COMPARISONS = {"_<_", "_<=_", "_>_", "_>=_", "_==_", "_!=_"}
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(?:Z|[+-][0-9]{2}:[0-9]{2})")
_LENGTH = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:h|m|s|ms|us|ns))+")
_DAYS = re.compile(r"([0-9]{1,6}) ?d(?:ays?)?")
_TEXT = re.compile(r"\"([^\"\\]*)\"|'([^'\\]*)'")
_NUMBER = re.compile(r"[0-9]+")
_WORDS = re.compile(r"[^\W\d_][\w ,;:.!?'/-]*")


@dataclass(frozen=True, slots=True)
class Known:
    """The names that an expression can use.

    Attributes:
        variables: the names of the variables.
        request_fields: the names of the request's fields. An expression reads a field as `request.<name>`.
        functions: the names of the gateway's own functions.
        fields_of: a function that takes the full name of a message type and returns the names of its fields.
    """

    variables: Iterable[str]
    request_fields: Iterable[str]
    functions: Iterable[str]
    fields_of: Callable[[str], Iterable[str]]


def advise(text: str, problems: list[Problem], known: Known, *, is_text: bool = False) -> list[Problem]:
    """Return the problems of an expression, with advice added to the error messages.

    Args:
        text: the text of the expression.
        problems: the problems that the engine found.
        known: the names that the expression can use.
        is_text: whether the expression has to return a text.
    """
    is_syntax = any(one.message.startswith("Syntax error") for one in problems)
    if is_text and _is_bare_text(text, problems, is_syntax=is_syntax):
        message = f"a text is an expression too: put it in quotes of its own, as '\"{text.strip()}\"'"
        return [replace(problems[0], line=1, column=1, message=message)]
    advice = find_word_advice(text) if is_syntax else None
    if advice is not None:
        return [replace(problems[0], line=advice.line, column=advice.column, message=advice.message)]
    specific = [one for one in problems if one.message != _NOTHING_PARSED]
    return [_advise(text, one, known) for one in specific or problems]


def _is_bare_text(text: str, problems: list[Problem], *, is_syntax: bool) -> bool:
    """Return whether an expression is probably a text that its author did not put in quotes."""
    words = text.strip()
    if not _WORDS.fullmatch(words):
        return False
    is_word = words.isidentifier() and _UNDECLARED.match(problems[0].message) is not None
    return is_word or (is_syntax and not words.isidentifier())


def _advise(text: str, problem: Problem, known: Known) -> Problem:
    message = problem.message
    if match := _UNDECLARED.match(message):
        name = match[1]
        hint = _suggest_name(name, text, problem, known)
        return replace(problem, column=_start_of(text, problem, name), message=message + hint)
    if match := _UNDEFINED.match(message):
        hint = _did_you_mean(_nearest(match[1], known.fields_of(match[2])))
        return replace(problem, column=_start_of_field(text, problem, match[1]), message=message + hint)
    if match := _OVERLOAD.match(message):
        left, _, right = match[2].partition(", ")
        return replace(problem, message=message + _advise_on_types(match[1], left, right, text, problem))
    return problem


def _suggest_name(name: str, text: str, problem: Problem, known: Known) -> str:
    functions = CEL_FUNCTIONS | set(known.functions)
    if name in functions:
        return _advise_on_form(name, text, problem)
    is_call = _is_call(text, problem)
    if is_call and name in _MISSING:
        return f"; {_MISSING[name]}"
    if not is_call and name in known.request_fields:
        return _did_you_mean(f"request.{name}")
    other = _OTHER_WORDS.get(name.casefold())
    if other:
        return _did_you_mean(other)
    names = functions if is_call else {*functions, *known.variables, "true", "false", "null"}
    return _did_you_mean(_nearest(name, names))


def _advise_on_form(name: str, text: str, problem: Problem) -> str:
    """Return advice on a function that an expression uses incorrectly. The advice says how to call it."""
    if not _is_call(text, problem):
        return f"; {name} is a function: call it, as {_form(name)}"
    start = _start_of(text, problem, name) - 1
    is_member = _line(text, problem.line)[:start].rstrip().endswith(".")
    if is_member and name in _ON_THEIR_OWN:
        return f"; {name} is called on its own, as {_form(name)}"
    if not is_member and name not in _ON_THEIR_OWN:
        return f"; {name} is called on a value, as {_form(name)}"
    return f"; {name} takes other arguments, as {_form(name)}"


def _form(name: str) -> str:
    if name == "has":
        return 'has(request.field); for a key of a map, "key" in request.labels'
    return f"{name}(value)" if name in _ON_THEIR_OWN else f"value.{name}(…)"


def _is_call(text: str, problem: Problem) -> bool:
    """Return whether a problem is about a function call.

    The engine reports such a problem at the opening parenthesis of the call.
    """
    return _line(text, problem.line)[problem.column - 1 : problem.column] == "("


def _line(text: str, line: int) -> str:
    lines = text.split("\n")
    return lines[line - 1] if line <= len(lines) else ""


def _start_of(text: str, problem: Problem, name: str) -> int:
    """Return the column where a name starts.

    The engine reports a problem with a name at the end of the name, or inside the name.
    """
    line, offset = _line(text, problem.line), problem.column - 1
    if line[offset : offset + 1] == "(":
        offset = len(line[:offset].rstrip())
    start = line.rfind(name, 0, offset + len(name))
    return start + 1 if start >= 0 and offset <= start + len(name) else problem.column


def _start_of_field(text: str, problem: Problem, name: str) -> int:
    """Return the column where the name of a field starts.

    The engine reports a problem with a field at the dot before the field's name.
    """
    start = _line(text, problem.line).find(name, problem.column - 1)
    return start + 1 if start >= 0 else problem.column


def _nearest(name: str, known: Iterable[str]) -> str:
    """Return the known name that is most similar to `name`. Upper and lower case are treated as equal.

    The result is empty if no known name is similar.
    """
    folded: dict[str, str] = {}
    for one in sorted(known):
        folded.setdefault(one.casefold(), one)
    if name.casefold() in folded:
        return folded[name.casefold()]
    near = get_close_matches(name.casefold(), list(folded), n=1)
    return folded[near[0]] if near else ""


def _did_you_mean(name: str) -> str:
    return f"; did you mean {name}?" if name else ""


def _advise_on_types(function: str, left: str, right: str, text: str, problem: Problem) -> str:
    """Return advice on an operation that does not accept the types of its two operands."""
    types = {left, right}
    if function in _COMPARISONS:
        return _advise_on_comparison(types, text, problem)
    advice = {
        "_+_": ("string" in types, "convert the other value with string(…)"),
        "@in": (right == "string", "to find a part of a text, use text.contains(part)"),
        "contains": (left.startswith("list("), "to find a value in a list, use value in list"),
    }
    is_meant, how = advice.get(function, (False, ""))
    return f"; {how}" if is_meant else ""


def _advise_on_comparison(types: set[str], text: str, problem: Problem) -> str:
    if TIMESTAMP in types:
        return f"; compare a time with a time, as {_time_of(text, problem)}"
    if DURATION in types:
        return f"; compare a duration with a duration, as {_duration_of(text, problem)}"
    if "null_type" in types:
        return '; a field that is not set is empty and not null: use has(request.field), or compare with ""'
    if types == {"string", "int"}:
        return "; compare values of one type: int(…) reads a number, string(…) writes one"
    return ""


def _time_of(text: str, problem: Problem) -> str:
    literal = _literal_near(text, problem)
    if _DATE.fullmatch(literal):
        return f'timestamp("{literal}T00:00:00Z")'
    if _TIME.fullmatch(literal):
        return f'timestamp("{literal}")'
    return 'timestamp("2026-12-31T00:00:00Z")'


def _duration_of(text: str, problem: Problem) -> str:
    literal = _literal_near(text, problem)
    if _LENGTH.fullmatch(literal):
        return f'duration("{literal}")'
    if days := _DAYS.fullmatch(literal):
        return f'duration("{int(days[1]) * 24}h")'
    if _NUMBER.fullmatch(literal):
        return f'duration("{literal}s")'
    return 'duration("24h")'


def _literal_near(text: str, problem: Problem) -> str:
    """Return the literal after the operator that a problem is about. The quotes are left out.

    If no literal follows the operator, return the literal before the operator.
    """
    line, offset = _line(text, problem.line), problem.column - 1
    after = line[offset:].lstrip("<>=! ")
    for pattern in (_TEXT, _DATE, _NUMBER):
        if match := pattern.match(after):
            return match[match.lastindex or 0]
    before = [
        match for match in _TEXT.finditer(line, 0, offset) if match.end() >= len(line[:offset].rstrip())
    ]
    return before[-1][before[-1].lastindex or 0] if before else ""
