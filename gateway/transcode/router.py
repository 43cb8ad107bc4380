"""A trie of path templates.

At each segment a literal is tried before `*`, and `*` before `**`. A look-up
visits no node twice, so its cost is bounded by the number of templates, whatever
the path.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar
from urllib.parse import unquote

from gateway.transcode.template import Segment, Template, Variable, Wildcard

if TYPE_CHECKING:
    from collections.abc import Sequence

RouteT = TypeVar("RouteT")

ANY_METHOD = "*"


class RouteConflictError(ValueError):
    """Two routes match the same requests."""


@dataclass(frozen=True, slots=True)
class Match(Generic[RouteT]):
    """The route of a request, and the texts of its path's variables, still percent-encoded."""

    route: RouteT
    captures: tuple[tuple[Variable, str], ...]


@dataclass(frozen=True, slots=True)
class WrongHttpMethod:
    """The path has routes, but none for this HTTP method."""

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
    # custom verb → HTTP method → leaf
    leaves: dict[str, dict[str, _Leaf[RouteT]]] = field(default_factory=dict)


class Router(Generic[RouteT]):
    """Finds the route of a path."""

    def __init__(self) -> None:
        self._root: _Node[RouteT] = _Node()

    def add(self, http_method: str, template: Template, route: RouteT) -> None:
        """Add a route.

        Args:
            http_method: HTTP method; `*` for any.
            template: its path.
            route: what `find` returns.

        Raises:
            RouteConflictError: another route has the same http_method and matches the same paths.
        """
        node = self._root
        for segment in template.segments:
            node = _child(node, segment)
        leaves = node.leaves.setdefault(template.custom_verb, {})
        if http_method in leaves:
            raise RouteConflictError(f"{leaves[http_method].route} and {route} match the same requests")
        leaves[http_method] = _Leaf(template, route)

    def find(self, http_method: str, segments: Sequence[str]) -> Match[RouteT] | WrongHttpMethod | None:
        """Return the route of a request, the HTTP methods that its path has instead, or None.

        Args:
            http_method: HTTP method.
            segments: the segments of the path, percent-encoded as received.
        """
        search = _Search[RouteT](http_method)
        head, colon, custom_verb = segments[-1].rpartition(":")
        attempts = [(list(segments), "")]
        if colon and custom_verb:  # a registered custom verb has precedence over a colon in a value
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
    """One look-up: its HTTP method, and the HTTP methods of the routes that match the path."""

    def __init__(self, http_method: str) -> None:
        self._http_method = http_method
        self.allowed: set[str] = set()

    def run(self, root: _Node[RouteT], segments: Sequence[str], custom_verb: str) -> _Leaf[RouteT] | None:
        """Visit candidates depth first, without recursion: a path may have any number of segments."""
        # Index of the last empty segment: `*` does not match it, and `**` matches no range that contains it.
        last_empty = max((index for index, segment in enumerate(segments) if not segment), default=-1)
        todo = [(root, 0)]
        while todo:
            node, index = todo.pop()
            at_end = index == len(segments)
            if at_end and (leaf := self._leaf(node, custom_verb)):
                return leaf
            # What is appended last is visited first.
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
