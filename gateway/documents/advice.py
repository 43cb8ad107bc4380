"""Advice on YAML that cannot be read.

Expressions often contain characters that have a special meaning in YAML: quotes, `!`,
`: ` and brackets. The advice explains why a value needs quotes, and how to write the value.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gateway.redaction import redact_text

if TYPE_CHECKING:
    from collections.abc import Sequence

_LINE = re.compile(
    r"(?P<before>\s*(?:- +)*(?:[{,].*?[{,] *|\{ *)?)(?P<key>[A-Za-z][\w-]*): +(?P<value>\S.*?)\s*"
)
_QUOTED = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^']|'')*'")
_TAG = "in YAML a ! at the start is a tag"
_MAX_SHOWN = 120
_MAX_LINE = 1000


def advise_on_line(lines: Sequence[str], line: int) -> str:
    """Return advice on how to quote the value in a line.

    The advice starts with `; `. It is empty if YAML reads the value as one text.

    Args:
        lines: the lines of the file.
        line: the number of the line, from 1.
    """
    text = lines[line - 1] if 0 < line <= len(lines) else ""
    match = _LINE.fullmatch(text) if len(text) <= _MAX_LINE else None
    reason = match and _reason(match["value"])
    if not match or not reason:
        return ""
    is_in_braces = match["before"].strip(" -") != ""  # the end of the value is unknown
    value = redact_text(match["value"])
    how = "put the whole value in quotes" if is_in_braces else _quote(match["key"], value)
    return f"; {reason}: {how}"


def advise_on_tag(lines: Sequence[str], line: int) -> str:
    """Return advice on a value that starts with `!`. YAML reads such a value as a tag.

    The advice starts with `; `.
    """
    advice = advise_on_line(lines, line)
    return advice if _TAG in advice else "; put a value that starts with ! in quotes"


def _quote(key: str, value: str) -> str:
    if len(value) > _MAX_SHOWN:
        return f"put the whole value in single quotes, or on the line below {key}: >-"
    if "'" not in value:
        return f"write {key}: '{value}'"
    return f"write {key}: >- and on the next line, indented, {value}"


def _reason(value: str) -> str:
    quoted = _QUOTED.match(value)
    if quoted and quoted.end() < len(value) and not value[quoted.end() :].lstrip().startswith("#"):
        return "in YAML a value that starts with a quote ends at the next one"
    if value[0] == "!":
        return _TAG
    if value[0] in "{[":
        return f"in YAML a {value[0]} at the start opens a {'mapping' if value[0] == '{' else 'list'}"
    if value[0] in "&*@`%|>":
        return f"in YAML a {value[0]} at the start has a special meaning"
    if not quoted and ": " in value:
        return "in YAML a colon and a space start another key"
    return ""
