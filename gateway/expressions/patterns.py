"""The patterns of policies. A pattern is an RE2 expression or a glob.

All patterns are compiled when a bundle is loaded.

CEL's own `matches` compiles its pattern at each evaluation, and accepts an invalid
pattern when the expression is loaded. A regular expression engine with backtracking
could hang on a text of a request. RE2 needs linear time. It does not support
look-around or back-references. So a pattern that contains one of them is refused.
https://github.com/google/re2/wiki/Syntax
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal, TypeAlias

import re2

Kind: TypeAlias = Literal["regex", "glob"]

MAX_PATTERN = 1024
"""The maximum number of characters of a pattern."""

_CACHED = 2048  # the maximum number of cached results of a bundle
_MAX_CACHED_LENGTH = 64  # the maximum length of a text whose result is cached

# 8 MiB is the default of RE2. With less memory, RE2 would drop the states of a large pattern and compute
# these states again for each text.
_MAX_MEMORY = 8 << 20


class PatternError(ValueError):
    """A pattern is not valid. The error message contains the reason."""


class Patterns:
    """The compiled patterns of a bundle."""

    def __init__(self) -> None:
        self._compiled: dict[tuple[Kind, str], Any] = {}
        # The match of a short text takes several microseconds, mostly for a match object that is not used.
        # Callers repeat short texts such as names and the values of labels.
        self._cached_full_match = lru_cache(_CACHED)(self._full_match)

    def add(self, kind: Kind, text: str) -> None:
        """Compile a pattern and store it.

        Raises:
            PatternError: the pattern is not valid, or too long.
        """
        if (kind, text) not in self._compiled:
            self._compiled[kind, text] = _compile(text if kind == "regex" else _from_glob(text))

    def find(self, text: str, pattern: str) -> bool:
        """Return whether an RE2 pattern matches any part of a text."""
        return self._get("regex", pattern).search(text) is not None

    def full_match(self, text: str, pattern: str) -> bool:
        """Return whether an RE2 pattern matches all of a text."""
        if len(text) <= _MAX_CACHED_LENGTH:
            return self._cached_full_match(text, pattern)
        return self._full_match(text, pattern)

    def _full_match(self, text: str, pattern: str) -> bool:
        return self._get("regex", pattern).fullmatch(text) is not None

    def glob(self, text: str, pattern: str) -> bool:
        """Return whether a glob matches all of a text."""
        return self._get("glob", pattern).fullmatch(text) is not None

    def _get(self, kind: Kind, text: str) -> Any:
        try:
            return self._compiled[kind, text]
        except KeyError as error:  # a text of a request is never compiled as a pattern
            raise ValueError("the pattern was not known when the bundle was loaded") from error


def _compile(text: str) -> Any:
    if len(text) > MAX_PATTERN:
        raise PatternError(f"the pattern is longer than {MAX_PATTERN} characters")
    options = re2.Options()
    options.max_mem = _MAX_MEMORY
    options.log_errors = False
    options.never_capture = True  # groups are not used, and matching is faster without groups
    try:
        return re2.compile(text, options)
    except re2.error as error:
        reason = error.args[0]
        shown = reason.decode(errors="replace") if isinstance(reason, bytes) else reason
        raise PatternError(f"not an RE2 pattern: {shown}") from error


def _from_glob(text: str) -> str:
    """Return the RE2 pattern for a glob. `*` and `?` do not match "/", but `**` matches any characters."""
    parts = []
    rest = text
    while rest:
        token = "**" if rest.startswith("**") else rest[0]
        parts.append({"**": ".*", "*": "[^/]*", "?": "[^/]"}.get(token) or re2.escape(token))
        rest = rest[len(token) :]
    return "(?s)" + "".join(parts)
