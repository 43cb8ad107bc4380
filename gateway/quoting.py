"""Functions that quote and escape texts for output. They escape control and formatting characters."""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

from gateway.redaction import REDACTED, redact_value

_MAX_SHOWN = 120
_DELETE = 0x7F  # an int, because a search for bytes first makes and drops an exception

# Characters that control a terminal, are invisible, or end a line in some programs. They are the Unicode
# categories Cc, Cf, Zl and Zp. The characters below U+0020 are omitted, because json.dumps escapes them
# itself.
_UNSEEN = re.compile(
    "[\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0001-\U000e007f]"
)


def quote(value: str, name: str = "") -> str:
    """Return the value of a field as a human-readable text.

    The value is redacted, cut to a readable length, put in double quotes, and written on one line.

    Args:
        value: the value of the field.
        name: the name of the field, or the key if the value is in a map.
    """
    shown = redact_value(value, name)
    if len(shown) > _MAX_SHOWN:
        shown = shown[:_MAX_SHOWN] + REDACTED
    return escape_line(json.dumps(shown, ensure_ascii=False))


def escape_line(text: str) -> str:
    """Return a text as one line, in which every unprintable character is escaped."""
    return text if text.isprintable() else "".join(map(_escape_unprintable, text))


def encode_json(value: Any, *, in_ascii: bool = False) -> bytes:
    """Return the encoding of a JSON value as one line of UTF-8.

    Control and formatting characters are escaped.

    Args:
        value: the JSON value.
        in_ascii: whether to escape all characters that are not ASCII.
    """
    try:
        data = orjson.dumps(value)
        if data.isascii() and _DELETE not in data:
            return data
    except TypeError:  # orjson refuses integers of more than 64 bits and unpaired surrogates
        pass
    text = json.dumps(value, ensure_ascii=in_ascii, separators=(",", ":"))
    return escape_json(text).encode(errors="replace")


def escape_json(text: str) -> str:
    """Escape control and formatting characters in a JSON text. The JSON value does not change."""
    return _UNSEEN.sub(lambda match: _escape(match[0]), text)


def _escape_unprintable(char: str) -> str:
    return char if char.isprintable() else _escape(char)


def _escape(char: str) -> str:
    """Return the escape sequence of a character. A character above U+FFFF becomes two escaped surrogates."""
    data = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{data[index]:02x}{data[index + 1]:02x}" for index in range(0, len(data), 2))
