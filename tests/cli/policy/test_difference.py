"""The commands that compare bundles and describe their format."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]  # it has no stubs among what is installed
import pytest

from gateway.documents import load_documents
from tests.cli.policy.test_group import run
from tests.conftest import ROOT


def test_diff(bundle: Path, candidate: Path) -> None:
    done = run("diff", bundle, candidate)
    assert (done.returncode, done.stderr) == (0, "")
    first, second, *lines = done.stdout.splitlines()
    assert first.startswith(f"--- {bundle} sha256:")
    assert second.startswith(f"+++ {candidate} sha256:")
    assert lines == [
        '~ Policy p: spec.rules[r0].assert: "request.name != \'\'" → "true"',
        '+ Policy p: spec.rules[r1].assert: "request.name.size() > 1"',
        '+ Policy p: spec.rules[r1].field: ""',
        '+ Policy p: spec.rules[r1].severity: "medium"',
        '+ Policy p: spec.set: [{"field": "description", "value": "\'d\'", "when": null}]',
    ]


@pytest.mark.parametrize(("words", "code"), [([], 0), (["--exit-code"], 1)])
def test_diff_ends_with_1_when_that_is_asked_for(
    bundle: Path, candidate: Path, words: list[str], code: int
) -> None:
    assert run("diff", bundle, candidate, *words).returncode == code
    same = run("diff", bundle, bundle, *words)
    assert same.returncode == 0
    assert same.stdout.endswith("\nno differences\n")


def test_diff_as_json(bundle: Path, candidate: Path) -> None:
    done = run("diff", bundle, candidate, "--json", "--exit-code")
    told = json.loads(done.stdout)
    assert done.returncode == 1
    assert told["old"] != told["new"]
    assert told["differences"][0] == {
        "sign": "~",
        "what": "Policy p: spec.rules[r0].assert",
        "before": "\"request.name != ''\"",
        "after": '"true"',
    }


def test_schema_is_one_of_the_documents_that_ship() -> None:
    done = run("schema")
    assert (done.returncode, done.stderr) == (0, "")
    validator = jsonschema.Draft202012Validator(json.loads(done.stdout))
    for file in (ROOT / "policies").rglob("*.yaml"):
        for document in load_documents(file.read_text(), file.name):
            assert validator.is_valid(document.value)
