"""What no other policy engine does all of: one test for each promise, at the size of a story.

The corners of each are tested beside the part that keeps it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml

from gateway.bundles import LastGood, read_bundle, signature_path
from gateway.bundles.signature import sign_bundle
from gateway.faults import FaultsError
from gateway.policy import Bundle, load_bundle
from gateway.policy.bundle_files import BundleFiles
from gateway.policy_tools import measure_coverage, replay, run_suites, to_junit
from gateway.schema import Schema
from tests.bundles.test_signature import write_keys
from tests.conftest import GOOD_IMAGE, IMAGES, Running, Start
from tests.policy.conftest import Decide
from tests.policy.making import CREATE, binding_text, policy_text
from tests.served_bundle import last_good_options
from tests.signed import SIGNATURE, sign_link

NAMED = policy_text(
    {"assert": "request.name != ''", "field": "name", "message": "'no name'", "fix": "'give one'"},
    {"assert": "request.labels['x'] == 'y'", "field": 'labels["x"]'},
    {"assert": "request.uri.endsWith('.iso')", "field": "uri", "message": "'no ISO file'"},
)
WAIVER = {
    "apiVersion": "baremetal-gateway/v1",
    "kind": "Waiver",
    "metadata": {"name": "trial"},
    "spec": {
        "binding": "b",
        "rules": ["r0"],
        "owner": "infra@example.com",
        "ticket": "OPS-1",
        "expires": "2026-06-01",
    },
}
WAIVED = policy_text("request.name == 'golden'") + binding_text() + "---\n" + yaml.safe_dump(WAIVER)


def write(path: Path, text: str) -> Path:
    path.mkdir(exist_ok=True)
    (path / "bundle.yaml").write_text(text)
    return path


def suite(*cases: dict[str, Any]) -> str:
    document = {
        "apiVersion": "baremetal-gateway/v1",
        "kind": "Tests",
        "metadata": {"name": "t"},
        "cases": [{"name": f"c{number}", "method": CREATE, **case} for number, case in enumerate(cases)],
    }
    return "---\n" + yaml.safe_dump(document)


def load(schema: Schema, *documents: str) -> Bundle:
    return load_bundle(BundleFiles({"bundle.yaml": "".join(documents)}), schema)


async def create(running: Running, **changes: Any) -> tuple[int, Any, Any]:
    async with running.client.post(running.url(IMAGES), json=GOOD_IMAGE | changes) as answer:
        return answer.status, await answer.json(), answer.headers


async def test_gap_1_a_type_error_blocks_activation(start: Start, tmp_path: Path) -> None:
    path = write(tmp_path / "b", policy_text("request.name != ''") + binding_text())
    running = await start(policies__path=path)
    in_force = running.gateway._active.snapshot.bundle_hash  # noqa: SLF001 - what is in force
    write(path, policy_text("request.name != 1") + binding_text())
    await running.gateway.reload()
    assert running.gateway._active.snapshot.bundle_hash == in_force  # noqa: SLF001
    with pytest.raises(FaultsError, match=r"bundle.yaml:\d+:\d+: spec.rules\[0\].assert: found no matching"):
        await start(policies__path=path)


def test_gap_2_every_violation_is_in_one_answer(decide: Decide) -> None:
    error = decide(NAMED, binding_text(), uri="https://h/a.img").to_error()
    assert [(one.reason, one.field, one.description) for one in error.violations] == [
        ("p/r0", "name", "no name; give one; name is not set"),
        (
            "p/r1",
            'labels["x"]',
            'the rule cannot be evaluated: NOT_FOUND: Key not found in map : "x"',
        ),
        ("p/r2", "uri", 'no ISO file; uri is "https://h/a.img"'),
    ]


def test_gap_3_each_binding_has_its_action_and_parameters(decide: Decide) -> None:
    decision = decide(
        policy_text("request.name in params.names"),
        binding_text("strict", params={"names": ["a", "b"]}, when="request.folder_id == 'prod'"),
        binding_text("advice", action="warn", params={"names": ["b"]}),
        binding_text("watch", action="audit", params={"names": ["c"]}),
        name="a",
        folder_id="prod",
    )
    assert [(one.binding, one.action) for one in decision.violations] == [
        ("advice", "warn"),
        ("watch", "audit"),
    ]
    assert decision.is_allowed


async def test_gap_4_a_waiver_ends_the_same_day_in_service_in_tests_and_in_a_replay(
    start: Start, tmp_path: Path, schema: Schema
) -> None:
    before, after = "2026-05-31T23:59:59Z", "2026-06-01T00:00:00Z"
    waived = {"decision": "allow", "waived": [{"rule": "p/r0", "waiver": "trial"}]}
    denied = {"decision": "deny", "violations": [{"rule": "p/r0"}]}
    bundle = load(
        schema,
        WAIVED,
        suite(
            {"request": {"name": "other"}, "now": before, "expect": waived},
            {"request": {"name": "other"}, "now": after, "expect": denied},
        ),
    )
    assert [result.differences for result in run_suites(bundle, schema)] == [(), ()]
    record = {"kind": "decision", "id": "1", "method": CREATE, "request": {"name": "other"}}
    lines = [
        json.dumps(record | {"time": before, "decision": "deny"}),
        json.dumps(record | {"time": after, "decision": "deny"}),
    ]
    assert [change.kind for change in replay(lines, bundle, schema).changes] == ["deny → allow", "rules"]
    running = await start(policies__path=write(tmp_path / "b", WAIVED))
    assert (await create(running, name="other"))[0] == 403  # the clock of a machine is past it


def test_gap_5_an_error_denies_names_its_rule_and_hides_no_other(decide: Decide) -> None:
    decision = decide(NAMED, binding_text(), uri="https://h/a.img")
    assert [(one.rule, one.is_error) for one in decision.violations] == [
        ("r0", False),
        ("r1", True),
        ("r2", False),
    ]
    only = decide(policy_text("request.labels['x'] == 'y'"), binding_text())
    assert not only.is_allowed


def test_gap_6_tests_have_a_clock_coverage_and_a_junit_report(schema: Schema) -> None:
    rules = policy_text("now < timestamp('2027-01-01T00:00:00Z')", "request.name != ''")
    bundle = load(
        schema,
        rules,
        binding_text(),
        suite(
            {"request": {"name": "n"}, "expect": {"decision": "allow"}},
            {"request": {"name": "n"}, "now": "2027-01-01T00:00:00Z", "expect": {"decision": "allow"}},
        ),
    )
    results = run_suites(bundle, schema)
    assert [result.has_passed for result in results] == [True, False]
    assert measure_coverage(bundle, results).reached == {"binding b", "p/r0"}
    assert measure_coverage(bundle, results).missed == ["p/r1"]
    report = ET.fromstring(to_junit(results))  # noqa: S314 - our own
    assert [len(case) for case in report.iter("testcase")] == [0, 1]


async def test_gap_7_recorded_decisions_are_replayed_against_a_candidate(
    start: Start, tmp_path: Path, schema: Schema
) -> None:
    records = tmp_path / "decisions.jsonl"
    running = await start(decision_log__type="file", decision_log__path=records)
    link = sign_link(str(GOOD_IMAGE["uri"]), "29990101T000000Z")
    assert (await create(running, uri=link))[0] == 200
    assert (await create(running, labels={}))[0] == 403
    lines = records.read_text().splitlines()
    same = load_bundle(read_bundle(Path("policies")), schema)
    assert replay(lines, same, schema).changes == []
    candidate = load(
        schema,
        policy_text("!objectStorage(request.uri).presigned", "request.labels.size() > 0"),
        binding_text(),
    )
    changes = replay(lines, candidate, schema).changes
    assert [(change.kind, list(change.newly_broken)) for change in changes] == [
        ("allow → deny", ["deny p/r0"]),
        ("rules", ["deny p/r1"]),
    ]


async def test_gap_8_a_bundle_is_hashed_signed_swapped_whole_and_kept(start: Start, tmp_path: Path) -> None:
    private, public = write_keys(tmp_path)
    path = write(tmp_path / "b", policy_text("true") + binding_text())
    signature_path(path).write_text(sign_bundle(read_bundle(path), private))
    kept = LastGood(tmp_path / "kept.json")
    running = await start(
        policies__public_key=public,
        **last_good_options(path, tmp_path / "kept.json"),
    )
    good = read_bundle(path).hash
    write(path, policy_text("false") + binding_text())  # not signed anew
    await running.gateway.reload()
    assert (await create(running))[0] == 200
    assert kept.load().hash == good
    again = await start(
        policies__public_key=public,
        **last_good_options(path, tmp_path / "kept.json"),
    )
    assert (await create(again))[0] == 200


async def test_gap_9_the_decision_log_is_masked_and_never_silently_lossy(
    start: Start, tmp_path: Path
) -> None:
    records = tmp_path / "decisions.jsonl"
    running = await start(
        decision_log__type="file", decision_log__path=records, decision_log__durability="power"
    )
    await create(running, uri=sign_link(str(GOOD_IMAGE["uri"])))
    text = records.read_text()
    assert "golden-images" in text
    assert SIGNATURE not in text
    refusing = await start(decision_log__type="file", decision_log__path="/dev/full")
    assert (await create(refusing))[0] == 503
    dropping = await start(
        decision_log__type="file", decision_log__path="/dev/full", decision_log__when_full="drop"
    )
    assert (await create(dropping))[0] == 200
    assert "gateway_decision_log_lost_total 1.0" in dropping.metrics.expose().decode()


@pytest.mark.parametrize(("rules", "evaluations"), [(1, 1), (50, 1), (51, 2), (1000, 20)])
def test_gap_10_rules_that_are_met_cost_one_evaluation_for_fifty(
    schema: Schema, rules: int, evaluations: int
) -> None:
    """That this makes a decision on 50 rules a matter of microseconds is for `make bench` to show."""
    bundle = load(schema, policy_text(*["request.name != ''"] * rules), binding_text())
    (binding,) = bundle.programs[CREATE].bindings
    assert len(binding.checks) == evaluations
