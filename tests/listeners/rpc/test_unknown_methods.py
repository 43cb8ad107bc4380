"""Calls of methods that are not served: what the log has of them."""

from __future__ import annotations

import pytest

from gateway.errors import Code
from gateway.listeners.rpc import unknown_methods
from gateway.listeners.rpc.unknown_methods import UnknownMethods


def lines(logs: pytest.LogCaptureFixture, text: str) -> list[dict[str, object]]:
    return [vars(one) for one in logs.records if one.message == text]


async def test_a_call_is_logged_with_its_path_and_address(logs: pytest.LogCaptureFixture) -> None:
    error = UnknownMethods().refuse("/made.Up/Name", "192.0.2.1")
    assert (error.code, error.reason) == (Code.UNIMPLEMENTED, "METHOD_NOT_FOUND")
    (line,) = lines(logs, "unknown method")
    assert (line["levelname"], line["path"], line["address"]) == ("WARNING", '"/made.Up/Name"', "192.0.2.1")


@pytest.mark.parametrize(
    "path",
    [
        "/" + "x" * 16000,
        "/a\n\x1b[31m\u202e",
        "/\udcff",
        "Bearer t1.9euelZrPz.c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0",
    ],
    ids=["long", "control characters", "surrogate", "secret"],
)
async def test_a_path_is_cut_escaped_and_redacted(path: str, logs: pytest.LogCaptureFixture) -> None:
    UnknownMethods().refuse(path, "192.0.2.1")
    shown = str(lines(logs, "unknown method")[0]["path"])
    assert shown.isprintable()
    assert len(shown) < 150
    assert "c2VjcmV0" not in shown


async def test_a_flood_of_calls_writes_few_lines(
    logs: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown = UnknownMethods()
    for _ in range(1000):
        unknown.refuse("/made.Up/Name", "192.0.2.1")
        unknown.report_undecodable()
    assert len(logs.records) == unknown_methods.MAX_LINES
    monkeypatch.setattr(unknown, "_until", 0.0)
    unknown.refuse("/made.Up/Name", "192.0.2.1")
    (line,) = lines(logs, "unknown methods not logged")
    assert line["calls"] == 2000 - unknown_methods.MAX_LINES
    assert len(lines(logs, "unknown method")) == unknown_methods.MAX_LINES // 2 + 1
