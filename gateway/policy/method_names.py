"""Names of methods: patterns, and suggestions for misspelt names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gateway.faults import suggest

if TYPE_CHECKING:
    from collections.abc import Iterable

_SEPARATOR = re.compile(r"[./]+")


def is_named(name: str, pattern: str) -> bool:
    """Return whether a pattern matches the name of a method. In a pattern, `*` matches any text."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), name) is not None


def suggest_method(name: str, known: Iterable[str]) -> str:
    """Return the text `; did you mean …?` with the most similar name, or an empty text if no name is similar.

    The misspelt name may omit the package, as in `ImageService/Create`. It may also omit both the package and
    the service, as in `Create`.
    """
    known = list(known)
    words = _words(name)
    if words[-1:] == ["*"]:
        services = dict.fromkeys(one.rpartition("/")[0] for one in known)
        found = [one for one in services if words[:-1] and _words(one)[-len(words) + 1 :] == words[:-1]]
        return f"; did you mean {found[0]}/*?" if found else ""
    ends = [one for one in known if words and _words(one)[-len(words) :] == words]
    if ends:
        return f"; did you mean {ends[0]}?"
    return suggest(name, known)


def _words(name: str) -> list[str]:
    return [word.casefold() for word in _SEPARATOR.split(name) if word]
