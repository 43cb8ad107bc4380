"""Texts that may be shown: secrets redacted, control characters escaped, length bounded.

A link's query can be a signature that grants access to the object, its user info a password, and a
description whatever its author pasted: no secret leaves the process in a message, log or record.

There are two functions, each complete: `redact_text` for a text that people wrote, `redact_value` for the
value of one field. Both take linear time, and neither changes what it returned before.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

REDACTED = "…"

_MAX_SHOWN = 120
_MAX_ROUNDS = 5

# --- links

# Not only `scheme://`: `https:/host`, `//host` and others that a reader, or a browser, takes for a link.
# An apostrophe is a character that links may have: what follows it may still be a secret.
_LINK = re.compile(r"(?::/+|//+)[^\s\"<>]*")
# A value that is nothing but a link: whatever it holds, the link ends where the text does.
_WHOLE_LINK = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]{0,31}:/+|//+)")
_LINK_TO_THE_END = re.compile(r"(?::/+|//+).*", re.DOTALL)
_AUTHORITY = re.compile(r"[^/?#\uff1f]*")
# A host for sure. With a colon it may have a port, or be a user with the start of a password.
_HOST = re.compile(r"\[[0-9A-Fa-f:.]*\](?::[0-9]*)?|[^:@]*")
_QUERY = re.compile(r"[?#\uff1f].*", re.DOTALL)
_ENCODED_QUERY = re.compile(r"%(?:25){0,3}3F", re.IGNORECASE)
_ENCODED_EQUALS = re.compile(r"=|\uff1d|%(?:25){0,3}3D", re.IGNORECASE)

# --- secrets that have a name

_NAMES = (
    r"pass(?:word|wd|phrase)|secret|token|credentials?|signature|cookie|authorization|пароль|"
    r"(?:api|access|account|private|shared|signing|encryption)[-_ ]?key(?:[-_]?id)?|x-yc-[a-z0-9-]{1,32}|"
    r"(?:(?<![a-z0-9])|(?<=%[0-9a-f]{2}))(?:pwd|sig)(?![a-z0-9])"
)
# The rest of a longer name: SECRET_ACCESS_KEY, secretKey, tokens; but neither `secretary` nor `tokenizer`.
_REST_OF_NAME = r"s?(?:[-_][A-Za-z0-9_-]{0,40}|(?-i:[A-Z])[A-Za-z0-9_-]{0,40})?"
_SEPARATOR = r"\\{0,3}[\"']?\s{0,8}(?:=>|[=:\uff1d\uff1a]|%(?:25){0,3}3[DA])\s{0,8}"
_SCHEMES = r"Bearer|Basic|Api[-_ ]?Key|OAuth"
_NAMED = re.compile(
    rf"((?:{_NAMES}){_REST_OF_NAME}{_SEPARATOR}(?:(?:{_SCHEMES})\s{{1,8}})?)"
    r"(?:(\\{0,3}\")[^\"]*|(\\{0,3}')[^']*|[^\s&\uff06\"]+)",
    re.IGNORECASE,
)
_SECRET_NAME = re.compile(rf"(?:{_NAMES}){_REST_OF_NAME}\Z", re.IGNORECASE)
_PAGE_TOKEN = re.compile(r"page[-_]?token\Z", re.IGNORECASE)  # a position in a list; it grants nothing

# --- secrets that tell themselves

# `Api-Key x1`, `OAuth …`: eight characters, or fewer with a digit; "basic ideas" is neither.
_SCHEME = re.compile(
    rf"\b({_SCHEMES})(?:[\s:+]|%20){{1,8}}[\"']?(?:[A-Za-z0-9._~+/=-]{{8,}}|(?=\S{{0,7}}[0-9])[A-Za-z0-9._~+/=-]{{2,}})",
    re.IGNORECASE,
)
# JSON web tokens, and the cloud's IAM and OAuth tokens, API keys and static keys.
_TOKEN = re.compile(
    r"(?<![A-Za-z0-9])(?:(eyJ|y[0-3]_|AQVN)[A-Za-z0-9._~+/=-]{16,}|(t1\.)[A-Za-z0-9._~+/=-]{8,}"
    r"|(YC)[A-Za-z0-9_-]{36,})"
)
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY.*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----|\Z)", re.DOTALL
)
# A signature has 64 hexadecimal digits, and may stand without its link. A hash that says what it is may stay.
_DIGITS = re.compile(r"[0-9A-Fa-f]{40,}")
_MIN_DIGITS = 40
_HASHES = ("sha256:", "sha512:")

# A text with something to redact has one of these. Most have none, and `in` is many times faster than `re`.
_NAME_TRACES = (
    "passw",
    "passp",
    "secret",
    "token",
    "credential",
    "sig",
    "cookie",
    "authoriz",
    "x-yc-",
    "pwd",
    "пароль",
)
_KEY_TRACES = ("api", "access", "account", "private", "shared", "signing", "encryption")
_SCHEME_TRACES = ("bearer", "basic", "oauth")
_TOKEN_TRACES = ("eyj", "t1.", "aqvn", "y0_", "y1_", "y2_", "y3_", "yc")
_TRACES = ("//", ":/", *_NAME_TRACES, *_SCHEME_TRACES, *_TOKEN_TRACES, "key")


def redact_text(text: str) -> str:
    """Return a free text without passwords, tokens, signatures, and user info and queries of links."""
    return _repeat(_redact, text)


def redact_value(text: str, name: str = "") -> str:
    """Return the value of a field without secrets.

    A value that starts as a link is one to its end, whatever characters it has; the
    digits of its path are the object's name, and stay.

    Args:
        text: the value.
        name: of the field, or its key in a map: what is called `password` is not shown at all.
    """
    if name and text and is_secret_name(name):
        return REDACTED
    return _repeat(_redact if _WHOLE_LINK.match(text) is None else _redact_whole_link, text)


def is_secret_name(name: str) -> bool:
    """Return whether a field of this name holds a secret."""
    return _SECRET_NAME.search(name) is not None and _PAGE_TOKEN.search(name) is None


def quote(text: str, name: str = "") -> str:
    """Return a field's value redacted, in double quotes, on one line, cut to a readable length."""
    shown = redact_value(text, name)
    if len(shown) > _MAX_SHOWN:
        shown = shown[:_MAX_SHOWN] + REDACTED
    quoted = json.dumps(shown, ensure_ascii=False)
    return quoted if quoted.isprintable() else "".join(map(_escape_unprintable, quoted))


def _repeat(redact: Callable[[str], str], text: str) -> str:
    """Redact until nothing changes: what one rule replaces may have kept another from its match."""
    for _ in range(_MAX_ROUNDS):
        shown = redact(text)
        if shown == text:
            break
        text = shown
    return text


def _redact(text: str) -> str:
    text = _redact_traces(text)
    return _DIGITS.sub(_hide_digits, text) if len(text) >= _MIN_DIGITS else text


def _redact_whole_link(text: str) -> str:
    text = _LINK_TO_THE_END.sub(_hide_user_info, text, count=1)
    text = _LINK_TO_THE_END.sub(_hide_query, text, count=1)
    return _redact_traces(text)


def _redact_traces(text: str) -> str:
    folded = text.casefold()
    for trace in _TRACES:  # any() with a generator takes twice as long
        if trace in folded:
            return _apply_rules(text, folded)
    return text


def _apply_rules(text: str, folded: str) -> str:
    has_key = "key" in folded
    if has_key and "-----begin" in folded:
        text = _PRIVATE_KEY.sub(f"PRIVATE KEY {REDACTED}", text)
    has_link = "//" in folded or ":/" in folded
    if has_link and "@" in text:
        text = _LINK.sub(_hide_user_info, text)
    # Names before queries: a link ends at a space or a quote, what follows may still be its signature.
    if _has(folded, _NAME_TRACES) or (has_key and _has(folded, _KEY_TRACES)):
        text = _NAMED.sub(_hide_named, text)
    if has_link:
        text = _LINK.sub(_hide_query, text)
    if _has(folded, _SCHEME_TRACES) or (has_key and "api" in folded):
        text = _SCHEME.sub(rf"\1 {REDACTED}", text)
    if _has(folded, _TOKEN_TRACES):
        text = _TOKEN.sub(lambda match: f"{match[match.lastindex or 0]}{REDACTED}", text)
    return text


def _has(folded: str, traces: tuple[str, ...]) -> bool:
    return any(trace in folded for trace in traces)


def _hide_digits(match: re.Match[str]) -> str:
    start = match.start()
    return match[0] if match.string[max(start - 7, 0) : start] in _HASHES else REDACTED


def _hide_named(match: re.Match[str]) -> str:
    return f"{match[1]}{match[2] or match[3] or ''}{REDACTED}"


def _hide_user_info(match: re.Match[str]) -> str:
    """Replace all that stands before the host of a link, given from its colon or slashes on.

    A password may hold `/`, `?` and `#` where its author did not encode them. So after a
    colon everything up to the last `@` counts as user info, even where it is a host and a port.
    """
    link = match[0]
    if "@" not in link:
        return link
    start = len(link) - len(link.lstrip(":/"))
    end = _end_of_user_info(link[start:])
    return f"{link[:start]}{REDACTED}{link[start + end :]}" if end > 0 else link


def _end_of_user_info(rest: str) -> int:
    """Return where the `@` is that ends the user info; 0 or less without one."""
    match = _AUTHORITY.match(rest)
    authority = match[0] if match else ""
    if _HOST.fullmatch(authority):
        return 0
    if ":" in authority.rpartition("@")[0] or "@" not in authority:
        return rest.rfind("@")
    return authority.rfind("@")


def _hide_query(match: re.Match[str]) -> str:
    link = _QUERY.sub(lambda query: query[0][0] + REDACTED, match[0])
    encoded = _ENCODED_QUERY.search(link)
    if encoded and _ENCODED_EQUALS.search(link, encoded.end()):
        return link[: encoded.end()] + REDACTED
    return link


# --- control characters

# What a terminal obeys, a reader does not see, or another reader takes for the end of a line: the Unicode
# categories Cc, Cf, Zl and Zp. json.dumps itself escapes those below U+0020.
_UNSEEN = re.compile(
    "[\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0001-\U000e007f]"
)


def escape_json(text: str) -> str:
    """Return a JSON text with its control and formatting characters escaped; its value stays the same."""
    if text.isascii() and "\x7f" not in text:
        return text
    return _UNSEEN.sub(lambda match: _escape(match[0]), text)


def _escape_unprintable(char: str) -> str:
    return char if char.isprintable() else _escape(char)


def _escape(char: str) -> str:
    """Return the escape of a character; one beyond U+FFFF is escaped as two surrogates."""
    data = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{data[index]:02x}{data[index + 1]:02x}" for index in range(0, len(data), 2))
