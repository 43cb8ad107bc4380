"""The policies in the document: the extension `x-policy`, and the description of each operation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate

from gateway.bundles import read_bundle
from gateway.config import Config
from gateway.openapi import add_policies, build_document
from gateway.policy import load_bundle
from gateway.policy.bundle_files import BundleFiles
from gateway.schema import Schema, load_schema
from tests.commands import run_command
from tests.conftest import IMAGES, ROOT, Start
from tests.policy.making import binding_text, policy_text
from tests.served_bundle import write

WAIVER = """\
---
apiVersion: baremetal-gateway/v1
kind: Waiver
metadata: {name: exception}
spec: {binding: b, rules: [r0], owner: somebody, ticket: T-1, expires: 2030-01-01}
"""


def describe(schema: Schema, *documents: str) -> Any:
    bundle = load_bundle(BundleFiles({"bundle.yaml": "".join(documents)}), schema)
    document = build_document(schema, {}, version="1", server="http://gateway")
    add_policies(document, bundle, schema)
    validate(document)
    return document


def create_of(document: Any) -> Any:
    return document["paths"][IMAGES]["post"]


@pytest.fixture(scope="session")
def shipped() -> Any:
    """The document with the policies of the bundle that ships."""
    schema = load_schema(Config().served)
    document = build_document(schema, {}, version="1", server="http://gateway")
    add_policies(document, load_bundle(read_bundle(ROOT / "policies"), schema), schema)
    return document


def test_the_document_is_valid(shipped: Any) -> None:
    validate(shipped)


def test_each_binding_of_a_method_is_described(shipped: Any) -> None:
    found = {one["binding"]: one for one in create_of(shipped)["x-policy"]}
    actions = {name: one["action"] for name, one in found.items()}
    assert actions == {
        "approved-sources": "deny",
        "label-catalogue": "audit",
        "naming-advice": "warn",
        "labels-on-create": "deny",
    }
    sources = found["approved-sources"]
    assert sources["policy"] == "approved-source"
    assert sources["parameters"] == {"buckets": ["golden-images"], "lasting": "10m"}
    rules = {rule["name"]: rule for rule in sources["rules"]}
    assert rules["bucket"] == {
        "name": "bucket",
        "field": "uri",
        "severity": "critical",
        "message": "bucket {source.bucket} is not approved",
        "fix": "use one of golden-images",
        "assert": 'source.problem != "" || source.bucket in params.buckets',
    }


def test_a_method_without_policies_has_no_extension(shipped: Any) -> None:
    operation = shipped["paths"][IMAGES]["get"]
    assert "x-policy" not in operation
    assert "Policies" not in operation.get("description", "")


def test_the_description_says_what_is_asked_of_a_caller(shipped: Any) -> None:
    lines = create_of(shipped)["description"].splitlines()
    assert "**Policies of this gateway**" in lines
    assert (
        "- **approved-source** (deny): Images are made only from ISO files in approved buckets of Object "
        "Storage. A call that breaks a rule is denied (403)."
    ) in lines
    assert (
        "  - `uri`: bucket {source.bucket} is not approved; use one of golden-images (rule `bucket`)" in lines
    )
    assert '  - `uri`: must meet `source.problem == ""` (rule `link`)' in lines


def test_mutations_and_conditions_are_described(schema: Schema) -> None:
    sets = [
        {"field": 'labels["managed-by"]', "value": '"gateway"'},
        {"field": "folder_id", "value": "params.folder", "when": 'request.folder_id == ""'},
    ]
    policy = policy_text({"assert": 'request.folder_id != ""', "field": "folder_id"}, set=sets)
    binding = binding_text(when='request.name != "x"', params={"folder": "b1g"}, action="audit")
    operation = create_of(describe(schema, policy, binding))
    (found,) = operation["x-policy"]
    assert found["when"] == 'request.name != "x"'
    assert found["sets"] == [
        {"field": 'labels["managed-by"]', "value": "gateway"},
        {"field": "folderId", "value": "b1g", "when": 'request.folder_id == ""'},
    ]
    assert found["rules"] == [
        {"name": "r0", "field": "folderId", "severity": "medium", "assert": 'request.folder_id != ""'}
    ]
    text = operation["description"]
    assert 'Only for requests with `request.name != "x"`' in text
    assert 'Would set `folderId` to `b1g` when `request.folder_id == ""`' in text
    assert '`folderId`: must meet `request.folder_id != ""` (rule `r0`)' in text


def test_waivers_are_not_described(schema: Schema) -> None:
    text = json.dumps(describe(schema, policy_text("request.name != ''"), binding_text(), WAIVER))
    assert "r0" in text
    assert "exception" not in text
    assert "somebody" not in text


def test_secrets_in_texts_and_parameters_are_redacted(schema: Schema) -> None:
    rule = {
        "assert": 'request.uri != params.password && request.uri != "https://host/?sig=canary1"',
        "message": '"not https://host/a?X-Amz-Signature=canary2"',
    }
    document = describe(schema, policy_text(rule), binding_text(params={"password": "canary3"}))
    assert "canary" not in json.dumps(document)


def test_texts_have_no_meaning_in_markdown(schema: Schema) -> None:
    rule = {"assert": "request.name != ''", "message": "'<b>a</b> *b* [c](http://d) `e`'"}
    text = create_of(describe(schema, policy_text(rule), binding_text()))["description"]
    assert r"\<b\>a\</b\> \*b\* \[c\](http://d) \`e\`" in text


def test_long_lists_of_rules_are_cut_in_the_description_only(schema: Schema) -> None:
    rules = [f"request.name != 'x{number}'" for number in range(25)]
    operation = create_of(describe(schema, policy_text(*rules), binding_text()))
    assert len(operation["x-policy"][0]["rules"]) == 25
    assert "… and 5 more rules" in operation["description"]
    assert "r20" not in operation["description"]


def test_a_wait_shows_the_policies_of_the_read_that_it_replaces() -> None:
    schema = load_schema(Config().served)
    get = "yandex.cloud.operation.OperationService/Get"
    document = describe(schema, policy_text("request.operation_id != ''", methods=[get]), binding_text())
    operation = document["paths"]["/operations/{operationId}:wait"]["get"]
    assert [one["binding"] for one in operation["x-policy"]] == ["b"]


async def test_a_reload_changes_the_document(start: Start, tmp_path: Path) -> None:
    path = write(tmp_path / "bundle", policy_text("request.name != ''"), binding_text("first"))
    running = await start(policies__path=path)

    async def names() -> list[str]:
        async with running.client.get(running.admin("/openapi.json")) as answer:
            document = await answer.json()
            return [one["binding"] for one in create_of(document)["x-policy"]]

    assert await names() == ["first"]
    write(path, policy_text("request.name != ''"), binding_text("second"))
    await running.gateway.reload()
    assert await names() == ["second"]


def test_the_command_shows_policies_if_there_is_a_bundle(tmp_path: Path) -> None:
    path = write(tmp_path / "bundle", policy_text("request.name != ''"), binding_text())
    done = run_command("openapi", GATEWAY__POLICIES__PATH=str(path))
    assert done.returncode == 0, done.stderr
    assert "x-policy" in done.stdout
    without = run_command("openapi", "--no-policies", GATEWAY__POLICIES__PATH=str(path))
    absent = run_command("openapi", GATEWAY__POLICIES__PATH=str(tmp_path / "absent"))
    assert "x-policy" not in without.stdout
    assert (absent.returncode, absent.stdout) == (0, without.stdout)


def test_the_command_reports_the_faults_of_a_bundle(tmp_path: Path) -> None:
    path = write(tmp_path / "bundle", policy_text("request.nope != ''"), binding_text())
    done = run_command("openapi", GATEWAY__POLICIES__PATH=str(path))
    assert done.returncode == 2
    assert "nope" in done.stderr
    absent = run_command("openapi", "--policies", GATEWAY__POLICIES__PATH=str(tmp_path / "absent"))
    assert absent.returncode == 2
    assert "there is no bundle of policies here" in absent.stderr
