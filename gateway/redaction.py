"""Redaction, which removes secrets from texts before they are sent, logged or recorded.

The query of a link can be a signature that grants access to the object. The user info of a link can be a
password. A description can contain anything that its author pasted.

`redact_text` redacts a text, and `redact_value` redacts the value of a field. A value needs only one of the
two functions. The run time of both functions is linear in the length of the text. They do not change a text
that is already redacted.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, overload

if TYPE_CHECKING:
    from collections.abc import Callable

REDACTED = "…"

_MAX_ROUNDS = 5

# --- links

# Matches `scheme://`, and also `https:/host`, `//host` and other forms that a browser accepts as a link.
# An apostrophe does not end a match, because a link may contain an apostrophe before a secret.
_LINK = re.compile(r"(?::/+|//+)[^\s\"<>]*")
# The start of a value that is a single link. Such a link ends only at the end of the text.
_WHOLE_LINK = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]{0,31}:/+|//+)")
_LINK_TO_THE_END = re.compile(r"(?::/+|//+).*", re.DOTALL)
_AUTHORITY = re.compile(r"[^/?#\uff1f]*")
# An authority that is certainly a host. In `a:b`, `a` may be a host, or a user name before a password.
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
# The rest of a longer name, such as SECRET_ACCESS_KEY, secretKey or tokens. Words such as `secretary` and
# `tokenizer` do not match.
_REST_OF_NAME = r"s?(?:[-_][A-Za-z0-9_-]{0,40}|(?-i:[A-Z])[A-Za-z0-9_-]{0,40})?"
_SEPARATOR = r"\\{0,3}[\"']?\s{0,8}(?:=>|[=:\uff1d\uff1a]|%(?:25){0,3}3[DA])\s{0,8}"
_SCHEMES = r"Bearer|Basic|Api[-_ ]?Key|OAuth"
_NAMED = re.compile(
    rf"((?:{_NAMES}){_REST_OF_NAME}{_SEPARATOR}(?:(?:{_SCHEMES})\s{{1,8}})?)"
    r"(?:(\\{0,3}\")[^\"]*|(\\{0,3}')[^']*|[^\s&\uff06\"]+)",
    re.IGNORECASE,
)
_SECRET_NAME = re.compile(rf"(?:{_NAMES}){_REST_OF_NAME}\Z", re.IGNORECASE)
_PAGE_TOKEN = re.compile(r"page[-_]?token\Z", re.IGNORECASE)  # a position in a list, not a secret

# --- secrets that have a special format

# A scheme and its credentials, such as `Api-Key x1`. The credentials have at least eight characters. If one
# of their first eight characters is a digit, two characters are enough. So "basic ideas" does not match.
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
# A signature has 64 hexadecimal digits, and may occur outside a link. A hash after `sha256:`
# is not redacted.
_DIGITS = re.compile(r"[0-9A-Fa-f]{40,}")
_MIN_DIGITS = 40
_LONG_NUMBER = b"0" * _MIN_DIGITS
_HASHES = ("sha256:", "sha512:")

# A text with a secret contains one of these strings, unless the secret is a long hexadecimal number. Most
# texts contain none of these strings, and a search with `in` is many times faster than a search with `re`.
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

# --- texts that certainly hold no secret

# Most values are names, identifiers, or links without user info and query. These values match this
# expression. The expression excludes the characters that separate a secret from other text: a space, `=`,
# `?`, `#`, `%`, `@`, and any colon except the colon of the link. So the only secrets that can match the
# expression are tokens and long hexadecimal numbers.
_PLAIN = re.compile(r"(?:https?://)?[A-Za-z0-9._/-]*")
# Identifiers, such as UUIDs. They are too short for a hexadecimal secret, and match no other rule.
_IDENTIFIER = re.compile(r"[0-9a-f-]{1,39}")
is_identifier: Callable[[str], object] = _IDENTIFIER.fullmatch
"""A function that returns a true value if a text is an identifier.

An identifier needs neither redaction nor escaping, unless its name shows that it is a secret.
"""
# The same characters, and those that structure a JSON text.
_PLAIN_JSON = frozenset(b'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._/-"{}[],:')
# Each trace that a JSON text of these characters can have contains one of these texts.
_JSON_TRACES = (
    "pass", "secret", "token", "credential", "sig", "cookie", "authoriz", "pwd", "eyj", "t1.", "aqvn", "yc",
    "key",
)  # fmt: skip
_OAUTH_TRACES = ("y0_", "y1_", "y2_", "y3_")
# Maps each hexadecimal digit to `0`, each other byte of _PLAIN_JSON to a space, and each further byte to `!`.
_TO_KINDS = bytes(
    ord("0") if chr(byte) in "0123456789abcdefABCDEF" else ord(" ") if byte in _PLAIN_JSON else ord("!")
    for byte in range(256)
)
_OTHER_KIND = ord("!")

_MAX_CACHED_NAME = 64  # callers could fill the memory with longer names, so they are not cached


def redact_text(text: str, max_length: int | None = None) -> str:
    """Return a text without secrets.

    Secrets are passwords, tokens, signatures, and the user info and the query of a link.

    Args:
        text: the text to redact.
        max_length: the maximum length of the redacted text. If the redacted text is longer, it is cut, and
            REDACTED is appended.
    """
    redacted = text if not text or _is_clean(text) else _repeat(_redact, text)
    if max_length is None or len(redacted) <= max_length:
        return redacted
    return redacted[:max_length] + REDACTED


@overload
def redact_value(value: str, name: str = "") -> str: ...
@overload
def redact_value(value: Any, name: str = "") -> Any: ...
def redact_value(value: Any, name: str = "") -> Any:
    """Return the value of a field without secrets. All texts and keys inside a JSON value are redacted.

    If a text starts like a link, the whole text counts as one link, even if it contains spaces or quotes.
    Hexadecimal digits in the path of this link are the name of an object, so they are not redacted.

    Args:
        value: the JSON value to redact.
        name: the name of the field, or the key if the value is in a map. If this name shows that the value is
            a secret, the whole text is removed. For example, the name `password` shows this.
    """
    if not value:
        return value
    if isinstance(value, str):
        return _redact_field_text(value, name)
    if isinstance(value, dict):
        return {_redact_name(key): redact_value(one, key) for key, one in value.items()}
    if isinstance(value, list):
        return [redact_value(one, name) for one in value]
    return value


def _redact_field_text(text: str, name: str) -> str:
    if name and is_secret_name(name):
        return REDACTED
    if _is_clean(text):
        return text
    return _repeat(_redact if _WHOLE_LINK.match(text) is None else _redact_whole_link, text)


def _is_clean(text: str) -> bool:
    """Return whether a text certainly contains no secret. Such a text needs no redaction."""
    return is_identifier(text) is not None or (
        _PLAIN.fullmatch(text) is not None
        and _TOKEN.search(text) is None
        and (len(text) < _MIN_DIGITS or _DIGITS.search(text) is None)
    )


def is_clean_json(data: bytes) -> bool:
    """Return whether a JSON value certainly contains no secret, neither in a text nor in a key.

    `redact_value` would not change such a value. The function needs only a few searches in the whole text, so
    it is many times faster than a redaction of each text in the value.

    Args:
        data: the JSON value as text, without spaces between its parts.
    """
    kinds = data.translate(_TO_KINDS)
    if _OTHER_KIND in kinds:
        return False
    # A quote within a text would need a backslash, so each quote here starts or ends a text. The colons are
    # those after a key, at the start of a text, and of links. Any other colon may separate a name and a
    # secret.
    text = data.decode()
    others = text.count(":") - text.count('":')
    if others and others != text.count('"https:/') + text.count('"http:/'):
        return False
    folded = text.lower()
    for trace in _JSON_TRACES:  # searches in a str are three times as fast as searches in bytes
        if trace in folded:
            return False
    if "_" in folded and _has(folded, _OAUTH_TRACES):
        return False
    return kinds.find(_LONG_NUMBER) < 0  # `in` would first make and drop an exception


def may_hold_secret(text: str) -> bool:
    """Return whether a text may contain a secret.

    If the result is false, neither `redact_text` nor `redact_value` without a name changes the text or a part
    of it.
    """
    return _has_trace(text.casefold()) or _DIGITS.search(text) is not None


def is_secret_name(name: str) -> bool:
    """Return whether a field name, or a key in a map, shows that the value is a secret."""
    return _cached_is_secret(name) if len(name) <= _MAX_CACHED_NAME else _matches_secret_name(name)


def _matches_secret_name(name: str) -> bool:
    return _SECRET_NAME.search(name) is not None and _PAGE_TOKEN.search(name) is None


def _redact_name(name: str) -> str:
    """Return a field name, or a key in a map, without the secrets that it contains."""
    return _cached_redacted(name) if len(name) <= _MAX_CACHED_NAME else redact_text(name)


_cached_is_secret = lru_cache(maxsize=4096)(_matches_secret_name)
_cached_redacted = lru_cache(maxsize=4096)(redact_text)


def _repeat(redact: Callable[[str], str], text: str) -> str:
    """Redact a text until it no longer changes. After one change, another expression may match."""
    for _ in range(_MAX_ROUNDS):
        shown = redact(text)
        if shown == text:
            break
        text = shown
    return text


def _redact(text: str) -> str:
    text = _redact_traces(text)
    return _DIGITS.sub(_redact_digits, text) if len(text) >= _MIN_DIGITS else text


def _redact_whole_link(text: str) -> str:
    text = _LINK_TO_THE_END.sub(_redact_user_info, text, count=1)
    text = _LINK_TO_THE_END.sub(_redact_query, text, count=1)
    return _redact_traces(text)


def _redact_traces(text: str) -> str:
    folded = text.casefold()
    return _apply_rules(text, folded) if _has_trace(folded) else text


def _has_trace(folded: str) -> bool:
    for trace in _TRACES:  # noqa: SIM110 - any() with a generator takes twice as long
        if trace in folded:
            return True
    return False


def _apply_rules(text: str, folded: str) -> str:
    has_key = "key" in folded
    if has_key and "-----begin" in folded:
        text = _PRIVATE_KEY.sub(f"PRIVATE KEY {REDACTED}", text)
    has_link = "//" in folded or ":/" in folded
    if has_link and "@" in text:
        text = _LINK.sub(_redact_user_info, text)
    # Named secrets are redacted before queries. A match of _LINK ends at a space or a quote, but the secret
    # may continue after the match. If the query were redacted first, the name
    # of the secret would be removed, and the rest of the secret would not be found.
    if _has(folded, _NAME_TRACES) or (has_key and _has(folded, _KEY_TRACES)):
        text = _NAMED.sub(_redact_named, text)
    if has_link:
        text = _LINK.sub(_redact_query, text)
    if _has(folded, _SCHEME_TRACES) or (has_key and "api" in folded):
        text = _SCHEME.sub(rf"\1 {REDACTED}", text)
    if _has(folded, _TOKEN_TRACES):
        text = _TOKEN.sub(lambda match: f"{match[match.lastindex or 0]}{REDACTED}", text)
    return text


def _has(folded: str, traces: tuple[str, ...]) -> bool:
    return any(trace in folded for trace in traces)


def _redact_digits(match: re.Match[str]) -> str:
    start = match.start()
    return match[0] if match.string[max(start - 7, 0) : start] in _HASHES else REDACTED


def _redact_named(match: re.Match[str]) -> str:
    return f"{match[1]}{match[2] or match[3] or ''}{REDACTED}"


def _redact_user_info(match: re.Match[str]) -> str:
    """Redact the user info of a link. The match starts at the colon or the slashes after the scheme.

    A password may contain `/`, `?` and `#` if its author did not encode these characters. So if the link may
    contain a password, all text up to the last `@` counts as user info. Sometimes, this text is really a host
    with a port.
    """
    link = match[0]
    if "@" not in link:
        return link
    start = len(link) - len(link.lstrip(":/"))
    end = _end_of_user_info(link[start:])
    return f"{link[:start]}{REDACTED}{link[start + end :]}" if end > 0 else link


def _end_of_user_info(rest: str) -> int:
    """Return the index of the `@` after the user info. The result is 0 or less if there is no user info.

    Args:
        rest: the link without the scheme and the slashes.
    """
    match = _AUTHORITY.match(rest)
    authority = match[0] if match else ""
    if _HOST.fullmatch(authority):
        return 0
    if ":" in authority.rpartition("@")[0] or "@" not in authority:
        return rest.rfind("@")
    return authority.rfind("@")


def _redact_query(match: re.Match[str]) -> str:
    link = _QUERY.sub(lambda query: query[0][0] + REDACTED, match[0])
    encoded = _ENCODED_QUERY.search(link)
    if encoded and _ENCODED_EQUALS.search(link, encoded.end()):
        return link[: encoded.end()] + REDACTED
    return link
