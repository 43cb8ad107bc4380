"""docs/transcoding.md: every case in it, and its table of codes."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from gateway.config import Config
from gateway.errors import Code, GatewayError
from gateway.schema import Schema, descriptor_of, load_schema
from gateway.transcode import (
    HTTP_STATUS,
    JsonWriter,
    Match,
    Route,
    Router,
    WrongHttpMethod,
    build_router,
    parse_target,
    to_json_path,
)
from tests.conftest import ROOT
from tests.protos.compiled import LIBRARY

TEXT = (ROOT / "docs/transcoding.md").read_text(encoding="utf-8")
CASES = [
    line
    for block in re.findall(r"^```cases\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]


@pytest.fixture(scope="module")
def schema(sets: dict[str, bytes]) -> Schema:
    return load_schema([*Config().served, LIBRARY], sets)


@pytest.fixture(scope="module")
def router(schema: Schema) -> Router[Route]:
    return build_router(schema)


def answer(
    router: Router[Route], writer: JsonWriter, http_method: str, raw: str, body: str
) -> tuple[str, Any]:
    """The left of the arrow → the right: a method with its message, or a status with what it names."""
    try:
        target = parse_target(raw)
        found = router.find(http_method, target.segments)
        if isinstance(found, WrongHttpMethod):
            return "405", ", ".join(found.allowed)
        if not isinstance(found, Match):
            return "404", ""
        kind = descriptor_of(found.route.method.request)
        message = found.route.binder.bind(found.captures, target.query, body.encode())
    except GatewayError as error:
        error.rename_fields(lambda path: to_json_path(path, kind))
        return str(HTTP_STATUS[error.code]), ", ".join(sorted(one.field for one in error.violations))
    return found.route.method.name.rpartition(".")[2], writer.to_tree(message)


def test_there_are_cases() -> None:
    assert len(CASES) > 50


@pytest.mark.parametrize("case", CASES)
def test_the_case_holds(case: str, router: Router[Route], schema: Schema) -> None:
    request, _, expected = case.partition(" => ")
    http_method, raw, body = (*request.split(" ", 2), "")[:3]
    kind, _, detail = expected.partition(" ")
    given_kind, given_detail = answer(router, JsonWriter(schema.pool), http_method, raw, body)
    assert given_kind == kind
    assert given_detail == (detail if kind.isdigit() else json.loads(detail))


def test_the_table_of_codes() -> None:
    rows = re.findall(r"\| (\d+) ([A-Z_]+) \| (\d+) ", TEXT)
    assert {Code[name]: int(status) for _, name, status in rows} == {
        code: status for code, status in HTTP_STATUS.items() if code is not Code.OK
    }
    assert all(Code[name] == int(number) for number, name, _ in rows)
