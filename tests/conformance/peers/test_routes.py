"""routes.yaml: which route a request line finds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gateway.errors import Code, GatewayError
from gateway.transcode import Match, Router, WrongHttpMethod, parse_target
from gateway.transcode.template import parse_template
from tests.conformance.peers.cases import Case, read_table

if TYPE_CHECKING:
    from _pytest.mark import ParameterSet

TABLE = read_table("routes")


def load_requests() -> list[ParameterSet]:
    return [
        pytest.param(section, case, id=f"{section}: {case['name']}")
        for section, (_, *cases) in TABLE.items()
        for case in cases
    ]


def find(section: str, request: str) -> dict[str, Any]:
    """Return what a table says of a request, without its name."""
    router: Router[str] = Router()
    for route in TABLE[section][0]["routes"]:
        http_method, _, template = route.partition(" ")
        router.add(http_method, parse_template(template), route)
    http_method, _, raw = request.partition(" ")
    try:
        found = router.find(http_method, parse_target(raw).segments)
    except GatewayError as error:
        return {"refused": error.code is Code.INVALID_ARGUMENT}
    if isinstance(found, WrongHttpMethod):
        return {"allowed": list(found.allowed)}
    if not isinstance(found, Match):
        return {"nothing": True}
    captured = {".".join(variable.field_path): text for variable, text in found.captures}
    return {"route": found.route} | ({"captured": captured} if captured else {})


@pytest.mark.parametrize(("section", "case"), load_requests())
def test_request(section: str, case: Case) -> None:
    expected = {name: one for name, one in case.items() if name not in {"name", "request", "differs"}}
    assert find(section, case["request"]) == expected
