"""Functions that policies have beside those of CEL.

Each is total: for any argument it returns or raises, it never hangs. Regular
expressions are RE2's, compiled once: CEL's own `matches` compiles anew at each
evaluation and accepts bad patterns, so it is refused (see expression.py).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import re2
from cel_expr_python import cel

from gateway.source import LinkError, parse_link

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.message import Message

LINK_TYPE = "baremetal_gateway.v1.ObjectStorageLink"

_MAX_PATTERN_MEMORY = 1 << 20


def declare_functions(link_class: type[Message]) -> list[cel.FunctionDecl]:
    """Return the declarations with their implementations.

    Args:
        link_class: class of LINK_TYPE in the pool that expressions are checked against.
    """
    text, truth = cel.Type.STRING, cel.Type.BOOL
    return [
        _function(
            "objectStorage", "object_storage_string", [text], cel.Type(LINK_TYPE), _reads_link(link_class)
        ),
        _function("fullMatch", "string_full_match_string", [text, text], truth, full_match, is_member=True),
    ]


def full_match(text: str, pattern: str) -> bool:
    """Tell whether the whole text matches an RE2 pattern: `"db-1".fullMatch("[a-z]+-[0-9]")`.

    Raises:
        ValueError: it is no RE2 pattern.
    """
    return _compile_pattern(pattern).fullmatch(text) is not None


@lru_cache(maxsize=1024)
def _compile_pattern(pattern: str) -> Any:
    options = re2.Options()
    options.max_mem = _MAX_PATTERN_MEMORY
    options.log_errors = False
    options.never_capture = True  # nobody asks for groups, and matching is quicker without
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0]
        shown = reason.decode(errors="replace") if isinstance(reason, bytes) else reason
        raise ValueError(f"not an RE2 pattern: {shown}") from error


def _reads_link(link_class: type[Message]) -> Callable[[str], Message]:
    def object_storage(uri: str) -> Message:
        try:
            link = parse_link(uri)
        except LinkError as error:
            return link_class(problem=str(error))
        return link_class(
            scheme=link.scheme,
            host=link.host,
            bucket=link.bucket,
            key=link.key,
            extension=link.extension,
            style=link.style,
            presigned=link.presigned,
        )

    return object_storage


def _function(
    name: str,
    overload: str,
    parameters: list[cel.Type],
    returns: cel.Type,
    implementation: Callable[..., Any],
    *,
    is_member: bool = False,
) -> cel.FunctionDecl:
    return cel.FunctionDecl(name, [cel.Overload(overload, returns, parameters, is_member, implementation)])
