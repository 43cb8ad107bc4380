"""The documentation, held against what it describes."""

from __future__ import annotations

import re
import tomllib

import pytest

from docs.generators.configuration import describe, write_reference
from docs.generators.policy_functions import write_functions_reference
from gateway.config.sections import Config
from gateway.policy import load_bundle
from gateway.policy.bundle_files import BundleFiles
from gateway.policy_tools import measure_coverage, run_suites
from gateway.schema import Schema
from tests.conftest import ROOT


def test_the_configuration_reference_is_up_to_date() -> None:
    assert (ROOT / "docs/configuration.md").read_text(encoding="utf-8") == write_reference(), (
        "run `make docs`"
    )


def test_every_key_has_a_meaning() -> None:
    rows = list(describe())
    assert len(rows) > 20
    assert not [path for path, _, _, meaning in rows if not meaning]
    assert {path.partition(".")[0] for path, *_ in rows} == set(Config.model_fields)


def test_the_functions_of_policies_are_documented_as_they_are() -> None:
    written = (ROOT / "docs/policy-functions.md").read_text(encoding="utf-8")
    assert written == write_functions_reference(), "run `make docs`"


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    text = (ROOT / "docs/dependencies.md").read_text(encoding="utf-8")
    named = set(re.findall(r"[a-z][a-z0-9-]+", text))
    for requirement in project["project"]["dependencies"]:
        name = re.split(r"[<>=;\[ ]", requirement)[0]
        assert name in named or name.removesuffix("-http") + "-grpc" in named, name


def test_no_lock_names_a_host() -> None:
    for lock in [*(ROOT / "requirements").glob("*.txt"), *(ROOT / "tests/peer").glob("*.txt")]:
        assert "://" not in lock.read_text(encoding="utf-8"), lock


@pytest.fixture(scope="module")
def examples() -> dict[str, str]:
    """The YAML blocks of docs/policies.md beyond its tutorial, as the files of a bundle."""
    text = (ROOT / "docs/policies.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return {f"{number}.yaml": block for number, block in enumerate(blocks) if not block.startswith("#")}


def test_the_examples_of_policies_are_a_bundle_that_passes_its_tests(
    examples: dict[str, str], schema: Schema
) -> None:
    bundle = load_bundle(BundleFiles(examples), schema)
    results = run_suites(bundle, schema)
    assert [result.differences for result in results] == [()] * 3
    assert measure_coverage(bundle, results).missed == []
