"""A trie of path templates.

At each segment of a path, a literal is tried before `*`, and `*` is tried before `**`. A search visits each
node of the trie at most once. Therefore, the size of the trie limits the number of visited nodes,
even for a very long path.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar
from urllib.parse import unquote

from gateway.transcode.template import Segment, Template, Variable, Wildcard
from gateway.value_class import value_class

if TYPE_CHECKING:
    from collections.abc import Sequence

RouteT = TypeVar("RouteT")

ANY_METHOD = "*"


class RouteConflictError(ValueError):
    """Two routes match the same requests."""


_PLAIN_PATH = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")


@value_class(frozen=True, slots=True)
class Match(Generic[RouteT]):
    """The result of a successful look-up.

    Attributes:
        route: the route of the request.
        captures: pairs of a variable of the path template and the variable's text in the path. The text is
            percent-encoded.
    """

    route: RouteT
    captures: tuple[tuple[Variable, str], ...]


@dataclass(frozen=True, slots=True)
class WrongHttpMethod:
    """The result for a path that has no route for the HTTP method of the request.

    Attributes:
        allowed: the HTTP methods for which the path has a route.
    """

    allowed: tuple[str, ...]


@dataclass(slots=True)
class _Leaf(Generic[RouteT]):
    template: Template
    route: RouteT


@dataclass(slots=True)
class _Node(Generic[RouteT]):
    literals: dict[str, _Node[RouteT]] = field(default_factory=dict)
    one: _Node[RouteT] | None = None
    rest: _Node[RouteT] | None = None
    # The first key is the custom verb. The second key is the HTTP method.
    leaves: dict[str, dict[str, _Leaf[RouteT]]] = field(default_factory=dict)


class Router(Generic[RouteT]):
    """Finds the route of an HTTP request."""

    def __init__(self) -> None:
        self._root: _Node[RouteT] = _Node()
        # Routes without variables, wildcards and custom verbs. They are found without a search. They are
        # keyed by a pair: the HTTP method, and the segments of the path.
        self._fixed: dict[tuple[str, tuple[object, ...]], Match[RouteT]] = {}
        self._fixed_targets: dict[tuple[str, str], Match[RouteT]] = {}  # the same, keyed by request targets

    def add(self, http_method: str, template: Template, route: RouteT) -> None:
        """Add a route.

        Args:
            http_method: the HTTP method of the route; `*` for any HTTP method.
            template: the path template of the route.
            route: the route that `find` returns.

        Raises:
            RouteConflictError: an earlier route has the same HTTP method and matches the same paths.
        """
        node = self._root
        for segment in template.segments:
            node = _child(node, segment)
        leaves = node.leaves.setdefault(template.custom_verb, {})
        if http_method in leaves:
            raise RouteConflictError(f"{leaves[http_method].route} and {route} match the same requests")
        leaves[http_method] = _Leaf(template, route)
        if not template.custom_verb and not template.variables and all(map(_is_plain, template.segments)):
            match = self._fixed[http_method, template.segments] = Match(route, ())
            path = "/" + "/".join(map(str, template.segments))
            if _PLAIN_PATH.fullmatch(path):
                self._fixed_targets[http_method, path] = match

    def find_fixed(self, http_method: str, raw: str) -> Match[RouteT] | None:
        """Return the route of a request whose target is the whole template of a route without variables.

        Such a target needs neither to be parsed nor to be decoded. Return None for any other target.

        Args:
            http_method: the HTTP method of the request.
            raw: the target as received.
        """
        return self._fixed_targets.get((http_method, raw))

    def find(self, http_method: str, segments: tuple[str, ...]) -> Match[RouteT] | WrongHttpMethod | None:
        """Return the route of a request.

        Return a WrongHttpMethod if the path has a route, but only for other HTTP methods. Return None if the
        path has no route for any HTTP method.

        Args:
            http_method: the HTTP method of the request.
            segments: the segments of the path, percent-encoded as received.
        """
        fixed = self._fixed.get((http_method, segments))
        if fixed is not None and ":" not in segments[-1]:
            return fixed
        search = _Search[RouteT](http_method)
        head, colon, custom_verb = segments[-1].rpartition(":")
        attempts = [(list(segments), "")]
        if colon and custom_verb:  # the text after the colon is first tried as a custom verb
            attempts.insert(0, ([*segments[:-1], head], unquote(custom_verb)))
        for candidate, suffix in attempts:
            leaf = search.run(
                self._root, [unquote(segment) if "%" in segment else segment for segment in candidate], suffix
            )
            if leaf:
                captures = tuple((one, _capture(one, candidate)) for one in leaf.template.variables)
                return Match(leaf.route, captures)
        return WrongHttpMethod(tuple(sorted(search.allowed))) if search.allowed else None


class _Search(Generic[RouteT]):
    """One look-up of a route.

    Attributes:
        allowed: the HTTP methods of all routes that the search has found for the path so far.
    """

    def __init__(self, http_method: str) -> None:
        self._http_method = http_method
        self.allowed: set[str] = set()

    def run(self, root: _Node[RouteT], segments: Sequence[str], custom_verb: str) -> _Leaf[RouteT] | None:
        """Return the leaf that matches a path, or None if no leaf matches.

        The search is depth first. The search does not use recursion, because a path may have any number of
        segments.
        """
        # The index of the last empty segment is needed because `**` does not match a range of segments that
        # contains an empty segment. `*` does not match an empty segment either.
        last_empty = max((index for index, segment in enumerate(segments) if not segment), default=-1)
        todo = [(root, 0)]
        while todo:
            node, index = todo.pop()
            at_end = index == len(segments)
            if at_end and (leaf := self._leaf(node, custom_verb)):
                return leaf
            # The node that is appended last is visited next.
            if node.rest and index > last_empty:
                todo.append((node.rest, len(segments)))
            if at_end:
                continue
            if node.one and segments[index]:
                todo.append((node.one, index + 1))
            if segments[index] in node.literals:
                todo.append((node.literals[segments[index]], index + 1))
        return None

    def _leaf(self, node: _Node[RouteT], custom_verb: str) -> _Leaf[RouteT] | None:
        leaves = node.leaves.get(custom_verb, {})
        self.allowed |= leaves.keys()
        return leaves.get(self._http_method) or leaves.get(ANY_METHOD)


def _is_plain(segment: Segment) -> bool:
    """Return whether a segment is a literal without `%`. Decoding does not change such a literal."""
    return isinstance(segment, str) and "%" not in segment


def _child(node: _Node[RouteT], segment: Segment) -> _Node[RouteT]:
    if segment is Wildcard.ONE:
        node.one = node.one or _Node()
        return node.one
    if segment is Wildcard.REST:
        node.rest = node.rest or _Node()
        return node.rest
    return node.literals.setdefault(segment, _Node())


def _capture(variable: Variable, segments: Sequence[str]) -> str:
    return "/".join(segments[variable.start : variable.end])
