"""The layout: modules have their tests, names are unique, files are short, the top level is small."""

from __future__ import annotations

import ast
import tomllib
from collections import defaultdict
from pathlib import Path

from tests.conftest import ROOT

PACKAGE, TESTS = ROOT / "gateway", ROOT / "tests"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if not path.stem.startswith("__"))

# Tests of a subject that several modules share.
SUBJECTS = {
    "audit/test_records_in_service.py",
    "bench/test_bench.py",
    "bench/test_opa.py",
    "callers/test_hostile_requests.py",
    "callers/test_token_attacks.py",
    "cli/policy/test_difference.py",
    "cli/policy/test_output.py",
    "expressions/test_odd_values.py",
    "ledger/test_uncertain_commits.py",
    "listeners/http/api_page/test_in_browser.py",
    "object_storage/test_differential.py",
    "object_storage/test_table.py",
    "openapi/test_served.py",
    "policy/test_bombs.py",
    "policy/test_concurrency.py",
    "policy/test_gaps.py",
    "policy/test_params.py",
    "policy/test_reloads.py",
    "policy/test_waivers.py",
    "serving/test_bundle_sums.py",
    "serving/test_last_good.py",
    "serving/test_reloads_in_service.py",
    "serving/test_removals.py",
    "serving/test_signed_bundles.py",
    "sinks/test_sinks.py",
    "telemetry/test_logs_in_service.py",
}
# Folders of tests that mirror no package.
OTHERS = {"conformance", "fuzz", "policy_fuzz", "wire"}


def test_every_module_has_its_test_module() -> None:
    missing = [
        str(module.relative_to(ROOT))
        for module in MODULES
        if not (TESTS / module.relative_to(PACKAGE).parent / f"test_{module.name}").exists()
    ]
    assert missing == []


def test_every_test_module_has_its_module_or_subject() -> None:
    unknown = []
    for path in TESTS.rglob("test_*.py"):
        name = path.relative_to(TESTS)
        if len(name.parts) == 1 or name.parts[0] in OTHERS or str(name) in SUBJECTS:
            continue
        if not (PACKAGE / name.parent / name.name.removeprefix("test_")).exists():
            unknown.append(str(name))
    assert unknown == []
    assert [one for one in SUBJECTS if not (TESTS / one).exists()] == []


def test_no_class_has_the_name_of_another() -> None:
    places = defaultdict(list)
    for module in MODULES:
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(str(module.relative_to(ROOT)))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_no_file_has_over_400_lines() -> None:
    files = [one for folder in ("gateway", "tests", "bench", "docs") for one in (ROOT / folder).rglob("*.py")]
    assert [path.name for path in files if len(path.read_text(encoding="utf-8").splitlines()) > 400] == []


def test_the_top_level_and_the_layers_are_few() -> None:
    assert len(list(PACKAGE.glob("*.py"))) <= 10
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    assert len(contracts[0]["layers"]) <= 12


def test_every_package_says_what_it_is() -> None:
    for folder in {module.parent for module in MODULES}:
        docstring = ast.get_docstring(ast.parse(Path(folder / "__init__.py").read_text(encoding="utf-8")))
        assert docstring, folder
