"""The commands that list calls and show one call."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gateway.cli.audit.listing import describe_event
from tests.cli.audit.conftest import Audit


def test_calls_as_json_lines(audit: Audit) -> None:
    done = audit("list", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    calls = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(call["call_id"], call["outcome"]) for call in calls] == [
        ("request-a", "ok"),
        ("request-b", "denied"),
        ("request-c", "unknown"),
    ]
    assert (calls[0]["operation_id"], calls[0]["resource_id"]) == ("op-1", "image-id")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--outcome", "ok"), "a"),
        (("--decision", "deny"), "b"),
        (("--limit", "1"), "c"),
        (("--since", "2026-01-02"), "bc"),
        (("--until", "2026-01-02T00:00:00Z"), "ab"),
        (("--since", "2026-01-02T03:00:00+03:00"), "bc"),
        (("--since", "1s"), ""),
        (("--label", "env=dev", "--label", "x=y"), ""),
        (("--label", "env=dev"), "abc"),
        (("--caller", "me", "--folder", "b1gexample", "--method", "Create"), "abc"),
    ],
)
def test_the_options_of_a_list(audit: Audit, words: tuple[str, ...], expected: str) -> None:
    done = audit("list", "--json", *words)
    assert "".join(json.loads(line)["call_id"][-1] for line in done.stdout.splitlines()) == expected


@pytest.mark.parametrize(
    "words",
    [
        ("--outcome", "fine"),
        ("--label", "env"),
        ("--since", "yesterday"),
        ("--since", "999999999d"),
        ("--limit", "-1"),
    ],
)
def test_wrong_options(audit: Audit, words: tuple[str, ...]) -> None:
    done = audit("list", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert words[-1].partition("=")[0] in done.stderr


def test_calls_as_a_table(audit: Audit) -> None:
    done = audit("list")
    lines = done.stdout.splitlines()
    assert len(lines) == 4
    assert lines[0].split() == [
        "TIME", "CALL", "CALLER", "METHOD", "FOLDER", "NAME", "DECISION", "OUTCOME", "RESOURCE",
    ]  # fmt: skip
    assert "image-id" in lines[1]
    assert "denied PERMISSION_DENIED" in lines[2]


def test_the_story_of_a_call(audit: Audit) -> None:
    done = audit("show", "image-id")
    assert (done.returncode, done.stderr) == (0, "")
    assert "call request-a" in done.stdout
    assert "+0.000000 s  decision allow" in done.stdout
    assert "outcome ok OK operation op-1 done OK" in done.stdout
    assert "labels           env=dev" in done.stdout


def test_the_story_as_json(audit: Audit) -> None:
    call = json.loads(audit("show", "request-b", "--json").stdout)
    assert [event["kind"] for event in call["events"]] == ["decision"]


@pytest.mark.parametrize("key", ["nothing", "", "%", "\udcff"])
def test_an_id_that_is_not_there(audit: Audit, key: str) -> None:
    done = audit("show", key)
    assert done.returncode in {1, 2}
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_a_call_whose_events_are_gone_is_shown(audit: Audit, path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM ledger_events WHERE call = 'b'")
    done = audit("show", "b")
    assert (done.returncode, "call request-b" in done.stdout) == (0, True)


BROKEN = {"action": "deny", "policy": "p", "rule": "r"}
DESCRIPTIONS: dict[str, dict[str, object]] = {
    "invalid INVALID_ARGUMENT: m": {
        "kind": "call",
        "outcome": "invalid",
        "code": "INVALID_ARGUMENT",
        "message": "m",
    },
    "attempt 2 failed with UNAVAILABLE: m": {
        "kind": "attempt",
        "attempt": 2,
        "code": "UNAVAILABLE",
        "message": "m",
    },
    "settlement unknown by gateway": {"kind": "settlement", "outcome": "unknown", "by": "gateway"},
    "settlement ok by operator r": {"kind": "settlement", "outcome": "ok", "by": "operator", "reason": "r"},
    "operation operation o running NOT_FOUND": {
        "kind": "operation",
        "operation": {"id": "o", "code": "NOT_FOUND"},
    },
    "decision deny, deny p/r": {"kind": "decision", "decision": "deny", "violations": [BROKEN]},
}


@pytest.mark.parametrize("expected", DESCRIPTIONS)
def test_the_description_of_an_event(expected: str) -> None:
    assert describe_event(DESCRIPTIONS[expected]) == expected
