"""The reference of what expressions can call, made from the functions: docs/policy-functions.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.expressions.borrowed import BORROWED
from gateway.expressions.functions import FUNCTIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

_HEAD = """\
# Functions of policies

<!-- Written by `make docs` from gateway/expressions/functions.py: change it there. -->

What expressions can call beside CEL's
[own functions](https://github.com/google/cel-spec/blob/master/doc/langdef.md) (`size`, `startsWith`,
`contains`, `has`, `all`, `exists`, `map`, `filter`, `timestamp`, `duration`, …). Every example is true, and
run as a test.

A pattern, of `matches`, `fullMatch` and `glob`, is a literal or made of parameters and literals: it is
compiled once, when the bundle is loaded, and a bad one is a fault there. Regular expressions are
[RE2's](https://github.com/google/re2/wiki/Syntax): linear in time, without look-around and back-references.

An argument that a function cannot read (an IP address that is none) is an error, so the rule counts as
broken.
"""


def write_functions_reference() -> str:
    """Return the reference as Markdown."""
    own = [(function.form, function.gives, function.examples) for function in FUNCTIONS]
    borrowed = [(form, gives, (example,)) for form, gives, example in BORROWED]
    tables = f"## Of the gateway\n\n{_table(own)}\n## Of CEL and its strings extension\n\n{_table(borrowed)}"
    return f"{_HEAD}\n{tables}"


def _table(rows: Sequence[tuple[str, str, tuple[str, ...]]]) -> str:
    lines = ["| call | gives | examples |", "|---|---|---|"]
    for form, gives, examples in rows:
        shown = "<br>".join(f"`{example.replace('|', chr(92) + '|')}`" for example in examples)
        lines.append(f"| `{form}` | {gives} | {shown} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(write_functions_reference(), end="")  # noqa: T201 - its purpose
