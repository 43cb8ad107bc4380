from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from gateway.bundles import read_bundle
from gateway.policy import Decider, PolicyInput, load_bundle
from gateway.policy.bundle_files import BundleFiles
from gateway.policy_tools import Replay, replay
from gateway.policy_tools.replay import Change
from tests.conftest import ROOT
from tests.policy.making import CREATE, NOW, UNKNOWN_CALLER, binding_text, policy_text
from tests.policy.test_waivers import waiver_text
from tests.records import make_record
from tests.signed import SIGNATURE, sign_link

if TYPE_CHECKING:
    from gateway.policy import Bundle
    from gateway.schema import Schema

LINK = "https://storage.yandexcloud.net/golden-images/a.iso"
IMAGE: dict[str, Any] = {
    "folder_id": "b1gexample",
    "name": "ubuntu-24-04",
    "labels": {"env": "dev", "owner": "infra", "cost-center": "cc-42"},
}


def make(schema: Schema, *documents: str) -> Bundle:
    return load_bundle(BundleFiles({"b.yaml": "".join(documents)}), schema)


def record(
    schema: Schema, bundle: Bundle, now: datetime = NOW, decision_id: str = "id", **fields: Any
) -> str:
    request = schema.known[CREATE].request(**fields)
    decision = Decider(bundle).decide(PolicyInput(CREATE, request, UNKNOWN_CALLER, now))
    written = make_record(decision, schema)
    return json.dumps(written | {"id": decision_id}) + "\n"


def change_of(schema: Schema, old: list[str], new: list[str], **fields: Any) -> Change | None:
    lines = [record(schema, make(schema, *old), **fields)]
    result = replay(lines, make(schema, *new), schema)
    assert (result.replayed, result.passed_over, result.unreadable) == (1, 0, [])
    return result.changes[0] if result.changes else None


# The rules of two bundles → kind, newly broken, newly met.
CHANGES: dict[str, tuple[list[str], list[str], str, dict[str, str], tuple[str, ...]]] = {
    "stricter": (["true"], ["false"], "allow → deny", {"deny p/r0": "does not meet: false"}, ()),
    "laxer": (["false"], ["true"], "deny → allow", {}, ("deny p/r0",)),
    "one more": (["false"], ["false", "false"], "rules", {"deny p/r1": "does not meet: false"}, ()),
    "another": (
        ["false", "true"],
        ["true", "false"],
        "rules",
        {"deny p/r1": "does not meet: false"},
        ("deny p/r0",),
    ),
    "error": (
        ["true"],
        ["1 / 0 == 1"],
        "allow → deny",
        {"deny p/r0": "the rule cannot be evaluated: INVALID_ARGUMENT: divide by zero"},
        (),
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_reports_what_would_be_decided_otherwise(schema: Schema, name: str) -> None:
    old, new, kind, newly_broken, newly_met = CHANGES[name]
    change = change_of(schema, [policy_text(*old), binding_text()], [policy_text(*new), binding_text()])
    assert change is not None
    assert (change.id, change.method, change.kind) == ("id", CREATE, kind)
    assert (change.newly_broken, change.newly_met) == (newly_broken, newly_met)
    assert (change.set_otherwise, change.is_altered) == ({}, False)


@pytest.mark.parametrize("action", ["warn", "audit"])
def test_another_action_is_a_change(schema: Schema, action: str) -> None:
    policy = policy_text("false")
    change = change_of(schema, [policy, binding_text()], [policy, binding_text(action=action)])
    assert change is not None
    assert (change.kind, change.newly_met) == ("deny → allow", ("deny p/r0",))
    assert list(change.newly_broken) == [f"{action} p/r0"]


SET: list[tuple[list[dict[str, str]], list[dict[str, str]], dict[str, str]]] = [
    ([], [{"field": "name", "value": "'a'"}], {"name": 'left as it was → "a"'}),
    ([{"field": "name", "value": "'a'"}], [], {"name": '"a" → left as it was'}),
    (
        [{"field": "name", "value": "'a'"}],
        [{"field": "name", "value": "'b'"}, {"field": 'labels["k"]', "value": "'v'"}],
        {'labels["k"]': 'left as it was → "v"', "name": '"a" → "b"'},
    ),
    (
        [{"field": "name", "value": "'a'"}, {"field": "uri", "value": "'b'"}],
        [{"field": "name", "value": "'a'"}, {"field": "uri", "value": "'c'"}],
        {"uri": '"b" → "c"'},
    ),
    (
        [{"field": "name", "value": "'a'"}, {"field": "name", "value": "'b'"}],
        [],
        {"name": '"b" → left as it was'},
    ),
]


@pytest.mark.parametrize(
    ("old", "new", "told"), [pytest.param(*row, id=str(number)) for number, row in enumerate(SET)]
)
def test_another_mutation_is_a_change(
    schema: Schema, old: list[dict[str, str]], new: list[dict[str, str]], told: dict[str, str]
) -> None:
    documents = [[policy_text("true", set=settings), binding_text()] for settings in (old, new)]
    change = change_of(schema, *documents)
    assert change is not None
    assert (change.kind, change.set_otherwise) == ("mutations", told)
    same = change_of(schema, documents[1], documents[1])
    assert same is None


def test_a_mutation_that_is_only_reported_is_none(schema: Schema) -> None:
    policy = policy_text("true", set=[{"field": "name", "value": "'a'"}])
    assert (
        change_of(schema, [policy_text("true"), binding_text()], [policy, binding_text(action="audit")])
        is None
    )


@pytest.mark.parametrize("link", [LINK, sign_link(LINK), sign_link(LINK, "20251231T230000Z"), LINK + "?x=y"])
def test_the_same_bundle_decides_the_same(schema: Schema, link: str) -> None:
    bundle = load_bundle(read_bundle(ROOT / "policies"), schema)
    lines = [record(schema, bundle, uri=link, **IMAGE), record(schema, bundle, uri=link, name="x")]
    result = replay(lines, bundle, schema)
    assert (result.replayed, result.changes, result.unreadable) == (2, [], [])
    assert SIGNATURE not in "".join(lines)


def test_decisions_are_evaluated_at_their_own_time(schema: Schema) -> None:
    """A waiver that has expired since let the request through then, and does so again."""
    bundle = make(schema, policy_text("false"), binding_text(), waiver_text(expires="2026-01-02"))
    during = record(schema, bundle, datetime.fromisoformat("2026-01-01T23:59:59Z"))
    after = record(schema, bundle, datetime.fromisoformat("2026-01-02T00:00:00Z"))
    assert (json.loads(during)["decision"], json.loads(after)["decision"]) == ("allow", "deny")
    assert replay([during, after], bundle, schema).changes == []
    without = make(schema, policy_text("false"), binding_text())
    assert [one.kind for one in replay([during, after], without, schema).changes] == ["allow → deny"]


def test_reports_that_a_record_hides_what_was_evaluated(schema: Schema) -> None:
    rule = "request.uri.endsWith('?x=y')"
    documents = [policy_text(rule), binding_text()]
    change = change_of(schema, documents, documents, uri=LINK + "?x=y")
    assert change is not None
    assert change.is_altered


def test_counts_kinds_and_rules(schema: Schema) -> None:
    old = make(schema, policy_text("request.name != 'a'", "request.name != 'b'"), binding_text())
    new = make(
        schema,
        policy_text("true", "request.name == 'a'", set=[{"field": "description", "value": "'d'"}]),
        binding_text(),
    )
    lines = [record(schema, old, name=name) for name in "aabc"]
    result = replay(lines, new, schema)
    assert result.replayed == 4
    assert result.kinds == {"deny → allow": 2, "allow → deny": 1, "mutations": 1}
    assert result.rules == {
        "newly met: deny p/r0": 2,
        "newly broken: deny p/r1": 1,
        "set otherwise: description": 4,
    }


# Lines beside records → passed over, unreadable.
LINES: list[tuple[str, int, list[str]]] = [
    ("", 0, []),
    ("  \n", 0, []),
    ('{"message": "started"}\n', 1, []),
    ('{"kind": "other"}\n', 1, []),
    ("[]\n", 1, []),
    ("1\n", 1, []),
    ("no JSON\n", 0, ["line 1: not JSON"]),
    ("[" * 100_000 + "\n", 0, ["line 1: not JSON"]),
    ("1" * 5_000 + "\n", 0, ["line 1: not JSON"]),
    ("\0\ufffd\n", 0, ["line 1: not JSON"]),
    ('{"kind": "decision"}\n', 0, ["line 1: no record of a decision: id: field required"]),
]


@pytest.mark.parametrize(
    ("line", "passed_over", "unreadable"),
    [pytest.param(*row, id=str(number)) for number, row in enumerate(LINES)],
)
def test_other_lines_stop_nothing(schema: Schema, line: str, passed_over: int, unreadable: list[str]) -> None:
    bundle = make(schema, policy_text("true"), binding_text())
    result = replay([line, record(schema, bundle)], bundle, schema)
    assert (result.replayed, result.passed_over, result.unreadable) == (1, passed_over, unreadable)


def test_unreadable_lines_hold_no_secret(schema: Schema) -> None:
    bundle = make(schema, policy_text("true"), binding_text())
    broken = json.loads(record(schema, bundle)) | {"request": {"labels": sign_link(LINK)}}
    (told,) = replay([json.dumps(broken)], bundle, schema).unreadable
    assert SIGNATURE not in told


def test_nothing_is_nothing(schema: Schema) -> None:
    bundle = make(schema, policy_text("true"), binding_text())
    assert replay([], bundle, schema) == Replay()
