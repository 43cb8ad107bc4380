"""The trie: what goes before what, and what does not match."""

from __future__ import annotations

import time

import pytest

from gateway.transcode.request_target import parse_target
from gateway.transcode.router import Match, RouteConflictError, Router, WrongHttpMethod
from gateway.transcode.template import parse_template


def make_router(*routes: str) -> Router[str]:
    """A router whose routes are their own texts, `GET /path`."""
    router: Router[str] = Router()
    for route in routes:
        http_method, template = route.split(" ")
        router.add(http_method, parse_template(template), route)
    return router


def look_up(router: Router[str], request_line: str) -> tuple[str, dict[str, str]] | WrongHttpMethod | None:
    http_method, _, path = request_line.partition(" ")
    found = router.find(http_method, tuple(path[1:].split("/")))
    if not isinstance(found, Match):
        return found
    return found.route, {".".join(variable.field_path): text for variable, text in found.captures}


SHELVES = [
    "GET /v1/shelves",
    "POST /v1/shelves",
    "GET /v1/shelves/{shelf}",
    "GET /v1/shelves/special",
    "DELETE /v1/shelves/{shelf}",
    "PATCH /v1/shelves/special",
    "POST /v1/shelves/{shelf}:clear",
    "GET /v1/{name=shelves/*/books/*}",
    "POST /v1/{name=shelves/*/books/*}:borrow",
    "GET /v1/{any=**}",
    "GET /files/{path=**}",
    "GET /files/{path=**}:meta",
    "GET /a/{x}/c",
    "GET /a/b/{y}",
    "GET /a/{x}/{z}/e",
    "GET /spa%20ce/{x}",
    "GET /",
    "* /any/{x}",
    "GET /any/{x}",
]


@pytest.mark.parametrize(
    ("request_line", "route", "captured"),
    [
        ("GET /", "GET /", {}),
        ("GET /v1/shelves", "GET /v1/shelves", {}),
        ("POST /v1/shelves", "POST /v1/shelves", {}),
        # literal before `*` before `**`
        ("GET /v1/shelves/special", "GET /v1/shelves/special", {}),
        ("GET /v1/shelves/7", "GET /v1/shelves/{shelf}", {"shelf": "7"}),
        ("GET /v1/shelves/7/books", "GET /v1/{any=**}", {"any": "shelves/7/books"}),
        ("GET /v1/shelves/7/books/8", "GET /v1/{name=shelves/*/books/*}", {"name": "shelves/7/books/8"}),
        ("GET /v1", "GET /v1/{any=**}", {"any": ""}),
        ("GET /files", "GET /files/{path=**}", {"path": ""}),
        ("GET /files/a/b/c", "GET /files/{path=**}", {"path": "a/b/c"}),
        # back from a literal that leads nowhere
        ("GET /a/b/c", "GET /a/b/{y}", {"y": "c"}),
        ("GET /a/b/d/e", "GET /a/{x}/{z}/e", {"x": "b", "z": "d"}),
        ("GET /a/q/c", "GET /a/{x}/c", {"x": "q"}),
        # a more general template, when the specific one has another http_method
        ("DELETE /v1/shelves/special", "DELETE /v1/shelves/{shelf}", {"shelf": "special"}),
        # custom verbs, and colons that are data
        ("POST /v1/shelves/7:clear", "POST /v1/shelves/{shelf}:clear", {"shelf": "7"}),
        ("POST /v1/shelves/7:8:clear", "POST /v1/shelves/{shelf}:clear", {"shelf": "7:8"}),
        ("POST /v1/shelves/7:cle%61r", "POST /v1/shelves/{shelf}:clear", {"shelf": "7"}),
        ("GET /v1/shelves/7:other", "GET /v1/shelves/{shelf}", {"shelf": "7:other"}),
        ("GET /v1/shelves/7%3Aclear", "GET /v1/shelves/{shelf}", {"shelf": "7%3Aclear"}),
        ("GET /v1/shelves/7:", "GET /v1/shelves/{shelf}", {"shelf": "7:"}),
        ("GET /v1/shelves/:clear", "GET /v1/shelves/{shelf}", {"shelf": ":clear"}),
        ("GET /v1/shelves/a:b/books/c", "GET /v1/{name=shelves/*/books/*}", {"name": "shelves/a:b/books/c"}),
        (
            "POST /v1/shelves/a/books/b:borrow",
            "POST /v1/{name=shelves/*/books/*}:borrow",
            {"name": "shelves/a/books/b"},
        ),
        ("GET /files/a/b:meta", "GET /files/{path=**}:meta", {"path": "a/b"}),
        ("GET /files/a:meta/b", "GET /files/{path=**}", {"path": "a:meta/b"}),
        # escapes: literals match decoded, variables stay encoded
        ("GET /v1/%73helves", "GET /v1/shelves", {}),
        ("GET /spa%20ce/a%20b", "GET /spa%20ce/{x}", {"x": "a%20b"}),
        ("GET /v1/shelves/a%2Fb", "GET /v1/shelves/{shelf}", {"shelf": "a%2Fb"}),
        ("GET /v1/shelves%2F7", "GET /v1/{any=**}", {"any": "shelves%2F7"}),
        # nothing is normalised
        ("GET /v1/shelves/..", "GET /v1/shelves/{shelf}", {"shelf": ".."}),
        ("GET /v1/shelves/%2e%2e", "GET /v1/shelves/{shelf}", {"shelf": "%2e%2e"}),
        ("GET /v1/a/../shelves", "GET /v1/{any=**}", {"any": "a/../shelves"}),
        # any http_method, after one's own
        ("GET /any/x", "GET /any/{x}", {"x": "x"}),
        ("BREW /any/x", "* /any/{x}", {"x": "x"}),
    ],
)
def test_find(request_line: str, route: str, captured: dict[str, str]) -> None:
    assert look_up(make_router(*SHELVES), request_line) == (route, captured)


@pytest.mark.parametrize(
    "request_line",
    [
        "GET /v1/shelves/",
        "GET /v1//shelves",
        "GET /v1/shelves//books/8",
        "GET /v1/shelves/7/",
        "GET /files/",
        "GET /files/a//b",
        "GET /files/a/",
        "POST /v1/shelves/7:clear/",
        "GET //",
        "GET //v1/shelves",
        "GET /nowhere",
        "GET /V1/shelves2",
        "GET /a/b",
        "GET /any",
    ],
)
def test_no_match(request_line: str) -> None:
    assert look_up(make_router(*SHELVES), request_line) is None


@pytest.mark.parametrize(
    ("request_line", "allowed"),
    [
        ("DELETE /v1/shelves", ("GET", "POST")),
        ("HEAD /v1/shelves", ("GET", "POST")),
        ("get /v1/shelves", ("GET", "POST")),
        ("POST /v1/shelves/special", ("DELETE", "GET", "PATCH")),
        ("PUT /v1/shelves/7:clear", ("DELETE", "GET", "POST")),
        ("POST /v1/shelves/:clear", ("DELETE", "GET")),
        ("PUT /files/a", ("GET",)),
    ],
)
def test_wrong_verb_names_the_right_ones(request_line: str, allowed: tuple[str, ...]) -> None:
    assert look_up(make_router(*SHELVES), request_line) == WrongHttpMethod(allowed)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("GET /v1/shelves", "GET /v1/shelves"),
        ("GET /v1/{a}", "GET /v1/{b}"),
        ("GET /v1/{name=shelves/*}", "GET /v1/shelves/{shelf}"),
        ("GET /v1/*", "GET /v1/{a}"),
        ("GET /v1/**", "GET /v1/{a=**}"),
        ("GET /v1/ab", "GET /v1/%61b"),
        ("* /v1/{a}", "* /v1/{b}"),
        ("POST /{a}:go", "POST /{b}:go"),
    ],
)
def test_a_conflict_names_both(one: str, other: str) -> None:
    with pytest.raises(RouteConflictError) as caught:
        make_router(one, other)
    assert str(caught.value) == f"{one} and {other} match the same requests"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("GET /v1/{a}", "POST /v1/{a}"),
        ("GET /v1/{a}", "* /v1/{a}"),
        ("GET /v1/{a}", "GET /v1/{a=**}"),
        ("GET /v1/{a}", "GET /v1/{a}:go"),
        ("GET /v1/a/*", "GET /v1/*/a"),
    ],
)
def test_no_conflict(one: str, other: str) -> None:
    make_router(one, other)


@pytest.mark.parametrize(
    "path",
    [
        "/" * 64_000,
        "/files" + "/a" * 64_000,
        "/files" + "/%41" * 10_000,
        "/b" * 10_000,
        "/files/" + ":" * 64_000,
    ],
    ids=["slashes", "segments", "escaped", "unknown", "colons"],
)
def test_long_paths_are_quick(path: str) -> None:
    router = make_router(*SHELVES)
    started = time.process_time()
    look_up(router, f"GET {path}")
    assert time.process_time() - started < 1


def test_many_templates_that_nearly_match_are_quick() -> None:
    """Literals and wildcards at each level: a search that goes back would take 2^16 steps for each method."""
    width = 16
    router = make_router(
        *(f"GET {'/x' * index}/{{v{index}}}{'/x' * (width - index - 1)}/end" for index in range(width))
    )
    started = time.process_time()
    for _ in range(100):
        assert look_up(router, f"GET {'/x' * width}/other") is None
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    ("request_line", "route"),
    [
        ("GET /a%2541", "GET /a%2541"),
        ("GET /a%41", None),
        ("GET /a%2541:x", None),
        ("GET /%62", "GET /b"),
        ("GET /b", "GET /b"),
    ],
)
def test_a_literal_is_compared_after_decoding(request_line: str, route: str | None) -> None:
    found = look_up(make_router("GET /a%2541", "GET /b"), request_line)
    assert found == (None if route is None else (route, {}))


def test_fixed_targets_are_those_that_a_search_finds() -> None:
    routes = ["GET /v1/a", "POST /v1/a", "GET /v1/a/{id}", "GET /v1/b:verb", "* /v1/any", "GET /v1/c"]
    router = make_router(*routes)
    targets = [
        "/v1/a",
        "/v1/a/",
        "/v1/a?x=1",
        "/v1/b:verb",
        "/v1/any",
        "/v1/%61",
        "/v1/c",
        "//v1/a",
        "/v1/a#x",
    ]
    found = {}
    for http_method in ("GET", "POST", "PUT"):
        for target in targets:
            fixed = router.find_fixed(http_method, target)
            if fixed is not None:
                found[http_method, target] = fixed.route
                assert router.find(http_method, parse_target(target).segments) == fixed
    assert sorted(found) == [("GET", "/v1/a"), ("GET", "/v1/c"), ("POST", "/v1/a")]
